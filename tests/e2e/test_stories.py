"""Each story of the demo ends as it is told, with the real controller, by git's and the engine's word."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from told_stories import SideBySide, Told, side_by_side, tell

from gitops_rollback.sandbox.stories import STORIES, find_story

NAMES = [story.name for story in STORIES]


@pytest.fixture(scope="module")
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide[Told]]:
    """All stories that were asked for, told side by side."""
    out = tmp_path_factory.mktemp("stories")
    with side_by_side(request, {story.name: partial(tell, story, out / story.name) for story in STORIES}) as told:
        yield told


@pytest.mark.parametrize("name", NAMES)
def test_the_story_ends_as_it_is_told(stories: SideBySide[Told], name: str) -> None:
    told = stories.told(name)
    assert told.true, told.explain()


def test_no_two_stories_share_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert find_story("no-such-story") is None
