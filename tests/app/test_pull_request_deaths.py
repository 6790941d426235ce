"""The controller dies before or after each step towards the forge; the next one comes to the same end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from app_world import START, TICK, World
from request_story import ALARM, AUTOMATIC, MINUTE, Story, a_story

from gitops_rollback import crash_points
from gitops_rollback.core.pull_request import PullRequestState

STOP = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"


class Died(BaseException):
    """As a process that is killed: nothing catches it."""


def stop(story: Story) -> None:
    story.forge.missing = "Review required"
    story.later(1)
    story.world.people.push("Stop", {".gitops-rollback/pause.yaml": STOP}, ALARM)


def stop_and_go(story: Story) -> None:
    story.forge.approve()
    story.world.people.push("Go on", {".gitops-rollback/pause.yaml": None}, ALARM)


def copy(story: Story) -> None:
    """A person lands it by hand, so that the pull request is to be closed."""
    story.forge.missing = "Review required"
    story.later(1)
    story.world.people.edit("By hand", "apps/web/web.yaml", ":1.1", ":1.0", ALARM)


def nothing(_: Story) -> None: ...


STEPS: dict[str, tuple[Callable[[Story], None], Callable[[Story], None]]] = {
    "attend": (nothing, nothing),
    "offer-push": (nothing, nothing),
    "offer-open": (nothing, nothing),
    "offer-merge": (nothing, nothing),
    "offer-comment": (nothing, nothing),
    "offer-status": (nothing, nothing),
    "offer-unschedule": (stop, stop_and_go),
    "offer-close": (copy, nothing),
}


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_death_changes_nothing_in_the_end(world: World, step: str, side: str) -> None:
    story = a_story(world, AUTOMATIC, until=START + MINUTE)
    before, after = STEPS[step]
    deaths: list[str] = []

    def reached(label: str) -> None:
        if label == f"{side}-{step}" and not deaths:
            deaths.append(label)
            raise Died

    before(story)
    with crash_points.listening(reached):
        while not deaths:
            assert world.clock.at < START + 10 * MINUTE, "it never came there"
            try:
                story.one.tick(world.clock.at + TICK)
            except Died:
                story = Story(world, story.forge, world.replica("next"), story.bad)
    after(story)
    story.later(2)
    story.cure()
    story.later(4)
    assert story.record.outcome == "verified"
    assert list(story.forge.requests) == [1], "one pull request"
    assert story.forge.get(1).state is (PullRequestState.CLOSED if step == "offer-close" else PullRequestState.MERGED)
    assert world.people.git("rev-list", "--count", "--grep=Ship web 1.1", "--first-parent", "main") in ("1", "2")
    assert story.forge.comments_of[1]
    assert story.record.offer is not None
    assert story.record.offer.settled
