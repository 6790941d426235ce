"""Where the engine would not apply a commit nothing is pushed, and a person is told what is in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from app_world import MINUTE, START, World, running, ship

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import Obstacle

LATER = START + 3 * MINUTE
REASONS = (
    *(
        Reason.SUSPENDED_APPLICATION,
        Reason.SUSPENDED_SOURCE,
        Reason.PINNED_SOURCE,
        Reason.NOT_GIT,
        Reason.SOURCE_MISSING,
    ),
    *(Reason.SIGNED_COMMITS_ONLY, Reason.DEPENDENCY_BLOCKS, Reason.WINDOW_CLOSED),
)


@pytest.mark.parametrize("reason", REASONS)
def test_a_person_is_asked_and_told_what_is_in_the_way(world: World, reason: Reason) -> None:
    running(world, "web", "cart")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    held = Obstacle(reason, "Kustomization shop/web is held", "take `this` away")
    world.engine.states["web"] = replace(world.engine.states["web"], obstacles=(held,))
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert (world.reverts(), world.engine.synced) == (0, [])
    told = [message for message in one.told.messages if message.reason == reason.value]
    assert told
    assert held.message in told[0].text
    assert held.remedy in told[0].text


def test_a_target_without_a_git_source_is_named_with_what_feeds_it(world: World) -> None:
    running(world, "web", "cart")
    state = world.engine.states["web"]
    oci = replace(state.sources[0], repo_url="oci://registry.example/shop", path="")
    held = Obstacle(Reason.NOT_GIT, "OCIRepository shop/web is no git repository", "tag the good artifact")
    world.engine.states["web"] = replace(state, sources=(oci,), obstacles=(held,))
    one = world.replica()
    (problem,) = one.tick(START).listing.problems
    assert problem.reason is Reason.NOT_GIT
    one.until(START, LATER)
    told = [message for message in one.told.messages if message.reason == "NotGit"]
    assert [(message.page, held.message in message.text, held.remedy in message.text) for message in told] == [
        (True, True, True)
    ]
