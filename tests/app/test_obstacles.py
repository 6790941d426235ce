"""Where the engine would not apply a commit nothing is pushed, and a person is told what is in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from app_world import MINUTE, START, MemoryEngine, World, running, ship

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import ApplicationId, Obstacle

LATER = START + 3 * MINUTE
REASONS = (
    *(
        Reason.SUSPENDED_APPLICATION,
        Reason.SUSPENDED_SOURCE,
        Reason.PINNED_SOURCE,
        Reason.NOT_GIT,
        Reason.SOURCE_MISSING,
        Reason.SOURCE_NOT_READY,
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


FAILS = Obstacle(Reason.SOURCE_NOT_READY, "GitRepository shop/web cannot fetch: no route to host", "mend `this`")


class Unfed(MemoryEngine):
    """Applies nothing that it is asked for while its source fails, which begins with the first request."""

    mended = False

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        if self.mended:
            return super().sync(application, project, prune, info)
        self.synced.append(application.name)
        self.states[application.name] = replace(self.states[application.name], obstacles=(FAILS,))
        return True


def test_what_comes_into_the_way_after_the_push_is_in_the_record_and_paged_once(world: World) -> None:
    world.engine = engine = Unfed(world.url, world.head, world.clock)
    running(world, "web", "cart")
    engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    (record,) = one.until(START, START + 5 * MINUTE)[-1].view.journal.records.values()
    assert (world.reverts(), record.phase.value, record.reason) == (1, "Syncing", "SourceNotReady")
    assert FAILS.message in record.message
    (page,) = [message for message in one.told.messages if message.page]
    assert (page.reason, FAILS.message in page.text, FAILS.remedy in page.text) == ("SourceNotReady", True, True)
    engine.mended, mended = True, START + 5 * MINUTE
    engine.states["web"] = replace(engine.states["web"], obstacles=())
    world.metrics.mend("web", mended)
    (record,) = one.until(mended, mended + 3 * MINUTE)[-1].view.journal.records.values()
    assert record.outcome == "verified"
    assert len([message for message in one.told.messages if message.page]) == 1


def test_what_is_in_the_way_to_the_end_is_why_it_is_not_verified(world: World) -> None:
    world.engine = engine = Unfed(world.url, world.head, world.clock)
    running(world, "web", "cart")
    engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    records = one.until(START, START + 20 * MINUTE)[-1].view.journal.records.values()
    record = next(record for record in records if record.commit is not None)  # the others are the plans after it
    assert (record.outcome, record.reason) == ("unverified", "SyncTimeout")
    assert FAILS.message in record.message


def test_an_application_of_another_repository_is_said_to_be_that_whatever_is_in_its_way(world: World) -> None:
    """Nobody can mend a dependency or a suspension so that a commit of this repository reached it."""
    running(world, "web")
    state = world.engine.states["web"]
    elsewhere = replace(state.sources[0], repo_url="https://git.example/other/config.git")
    held = Obstacle(Reason.DEPENDENCY_BLOCKS, "Kustomization flux-system/infra is not ready", "look at it")
    world.engine.states["web"] = replace(state, sources=(elsewhere,), obstacles=(held,))
    tick = world.replica().tick(START)
    (problem,) = tick.listing.problems
    assert problem.reason is Reason.REPOSITORY_MISMATCH
    assert "https://git.example/other/config.git" in problem.message
