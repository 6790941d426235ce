"""Each story of the demo ends as it is told, with the real controller, by git's and the engine's word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from told_stories import SPEED, SideBySide, Told, side_by_side, tell

from gitops_rollback.sandbox.all_stories import ALL_STORIES, find_story
from gitops_rollback.sandbox.cascade_story import CASCADE_STORIES
from gitops_rollback.sandbox.detection_stories import DETECTION_STORIES
from gitops_rollback.sandbox.drill_stories import DRILL_STORIES
from gitops_rollback.sandbox.flux_stories import FLUX_STORIES
from gitops_rollback.sandbox.forge_stories import FORGE_STORIES
from gitops_rollback.sandbox.helm_stories import HELM_STORIES
from gitops_rollback.sandbox.image_stories import IMAGE_STORIES
from gitops_rollback.sandbox.infrastructure_story import INFRASTRUCTURE_STORIES
from gitops_rollback.sandbox.judgement_stories import JUDGEMENT_STORIES
from gitops_rollback.sandbox.migration_story import MIGRATION_STORIES
from gitops_rollback.sandbox.rollout_story import ROLLOUT_STORIES
from gitops_rollback.sandbox.stories import STORIES, crashing_release
from gitops_rollback.sandbox.strategy_stories import STRATEGY_STORIES
from gitops_rollback.sandbox.telling import Story
from gitops_rollback.sandbox.writer_stories import WRITER_STORIES

ARGOCD_STORIES = (
    *STORIES,
    *JUDGEMENT_STORIES,
    *IMAGE_STORIES,
    *WRITER_STORIES,
    *DRILL_STORIES,
    *DETECTION_STORIES,
    *STRATEGY_STORIES,
    *ROLLOUT_STORIES,
    *MIGRATION_STORIES,
    *CASCADE_STORIES,
    *INFRASTRUCTURE_STORIES,
    *FORGE_STORIES,
)
NAMES = [story.name for story in ARGOCD_STORIES]
CROWDED_SPEED = 15.0  # many applications are looked at in each tick
FORGE_SPEED = 15.0  # each thing that is done at a forge takes several of its calls
DOCS = Path(__file__).resolve().parents[2] / "docs"
# The others differ in nothing that Flux does.
WITH_FLUX = (
    "bad-release",
    "crash-loop",
    "cascade",
    "infrastructure",
    *(story.name for story in (*FLUX_STORIES, *HELM_STORIES)),
)
TROUBLES = {"missing": "argocd", "nosecret": "flux"}  # other ways in which Pods do not come up, and no metric tells


def speed_of(story: Story) -> float:
    if story.forge or story in DRILL_STORIES:  # each with a process of its own that looks, too
        return FORGE_SPEED
    return CROWDED_SPEED if story.services else SPEED


@pytest.fixture(scope="module")
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide[Told]]:
    """All stories that were asked for, told side by side."""
    out = tmp_path_factory.mktemp("stories")
    jobs = {story.name: partial(tell, story, out / story.name, speed_of(story)) for story in ARGOCD_STORIES}
    for name in WITH_FLUX:
        story = find_story(name, "flux")
        assert story is not None
        jobs[f"flux/{name}"] = partial(tell, story, out / f"flux-{name}", engine="flux")
    for trouble, engine in TROUBLES.items():
        story = find_story("crash-loop", engine)
        assert story is not None
        other = replace(story, act=partial(crashing_release, trouble=trouble))
        jobs[f"{engine}/{trouble}"] = partial(tell, other, out / trouble, engine=engine)
    with side_by_side(request, jobs) as told:
        yield told


OTHERS = (*(f"flux/{name}" for name in WITH_FLUX), *(f"{engine}/{trouble}" for trouble, engine in TROUBLES.items()))


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_the_story_ends_as_it_is_told(stories: SideBySide[Told], name: str) -> None:
    told = stories.told(name)
    assert told.true, told.explain()


@pytest.mark.parametrize("name", [story.name for story in FORGE_STORIES])
def test_the_page_shows_what_the_story_tells_and_claims(stories: SideBySide[Told], name: str) -> None:
    told, page = stories.told(name), (DOCS / f"{name}.md").read_text("utf-8")
    claims = [line for line in told.lines if line.startswith((" ✔ ", " ✖ "))]
    shown = [line for line in page.splitlines() if line.startswith((" ✔ ", " ✖ "))]
    assert _without_ports(shown) == _without_ports(claims)
    assert told.lines[0] in page
    assert _at_the_forge(page.splitlines()) == _at_the_forge(told.lines)


def _without_ports(lines: list[str]) -> list[str]:
    return [re.sub(r"127\.0\.0\.1:\d+|time runs \d+x", "", line) for line in lines]


def _at_the_forge(lines: list[str]) -> list[str]:
    """What the pull request goes through, in its order, without times and commits."""
    found = (re.match(r" \d\d:\d\d:\d\d (opened|asked|review|merged|closed) +(.*)", line) for line in lines)
    return [re.sub(r"\b[0-9a-f]{7,}\b", "", f"{one[1]} {one[2]}") for one in found if one]


def test_no_two_stories_share_a_name() -> None:
    names = [story.name for story in ALL_STORIES]
    assert len(set(names)) == len(names)
    assert find_story("no-such-story") is None
    assert (find_story("stuck-hook", "flux"), find_story("flux-suspended", "argocd")) == (None, None)
