"""Getting onto the branch: one commit, whoever else pushes, and wherever the journal is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from app_world import MINUTE, START, TICK, Replica, World, running, ship

from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_PATH
from gitops_rollback.ports import PushOutcome, PushResult, RefUpdate
from gitops_rollback.sandbox.people import People

STOP = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
LATER = START + 3 * MINUTE


def _broken(world: World) -> None:
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)


def _before_first_push(monkeypatch: pytest.MonkeyPatch, replica: Replica, act: Callable[[], object]) -> None:
    """Let something happen just before the first push to the followed branch."""
    real, acts = replica.repo.push, [act]

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if updates[0].ref == "refs/heads/main" and acts:
            acts.pop()()
        return real(updates)

    monkeypatch.setattr(replica.repo, "push", push)


def test_a_lost_race_with_the_journal_elsewhere_is_decided_anew_and_lands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    one = world.replica(journal="memory")
    _before_first_push(monkeypatch, one, lambda: world.people.push("Read me", {"README.md": "More\n"}, LATER))
    one.until(START, LATER)
    assert world.reverts() == 1
    world.metrics.mend("web", LATER)
    last = one.until(LATER, START + 10 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]
    assert "BranchRewritten" not in one.told.reasons


def test_an_entry_whose_push_never_came_to_be_counts_for_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller dies between the journal elsewhere and the branch."""
    _broken(world)
    one = world.replica(journal="memory")

    def die() -> None:
        raise KeyboardInterrupt

    _before_first_push(monkeypatch, one, die)
    with pytest.raises(KeyboardInterrupt):
        one.until(START, LATER)
    assert world.reverts() == 0
    two = world.replica("two", journal="memory")
    two.until(LATER, START + 6 * MINUTE)
    assert world.reverts() == 1


@pytest.mark.parametrize("apart", [TICK * 0, TICK / 3])
def test_two_replicas_make_one_commit_and_one_record(world: World, apart: timedelta) -> None:
    _broken(world)
    one, two = world.replica("one"), world.replica("two")
    now = START
    while now <= START + 10 * MINUTE:
        if now == LATER:
            world.metrics.mend("web", LATER)
        one.tick(now)
        tick = two.tick(now + apart)
        now += TICK
    assert world.reverts() == 1
    assert [record.outcome for record in tick.view.journal.records.values()] == ["verified"]
    assert world.engine.synced == ["web"]


def test_a_replica_that_looked_before_the_other_landed_pushes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    one, two = world.replica("one"), world.replica("two")
    one.tick(START)
    two.tick(START)
    _before_first_push(monkeypatch, one, lambda: two.until(START + MINUTE, LATER))
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 1
    assert len(one.reconciler.see_now().journal.records) == 1


def test_a_server_without_atomic_pushes_gets_the_entry_first_and_one_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    world.people.git("config", "receive.advertiseAtomic", "false")
    one = world.replica()
    _before_first_push(monkeypatch, one, lambda: world.people.push("Read me", {"README.md": "More\n"}, LATER))
    one.until(START, LATER)
    assert world.reverts() == 1
    world.metrics.mend("web", LATER)
    last = one.until(LATER, START + 10 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]


def test_a_stop_that_one_application_has_read_holds_for_the_next_one_of_the_same_tick(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first push finds the branch locked; by then everything is paused, and the second is not even tried."""
    running(world, "api", "web")
    for name in ("api", "web"):
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
        world.metrics.break_from(name, START + MINUTE)
    one = world.replica()
    pushed: list[str] = []

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if updates[0].ref != "refs/heads/main":
            return real(updates)
        if not pushed:
            world.people.git("update-ref", f"refs/heads/{CONTROL_BRANCH}", world.head())
            People(world.bare, CONTROL_BRANCH).push("Stop", {CONTROL_PATH: STOP}, LATER)
        pushed.append(updates[0].new)
        return PushResult(PushOutcome.LOCKED, {update.ref: PushOutcome.LOCKED for update in updates}, "locked")

    real = one.repo.push
    monkeypatch.setattr(one.repo, "push", push)
    one.until(START, LATER)
    assert len(pushed) == 1
    held = {message.application for message in one.told.messages if message.event == "held"}
    assert {name.rpartition("/")[2] for name in held} == {"api", "web"}
