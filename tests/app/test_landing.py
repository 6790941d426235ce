"""Getting onto the branch: one commit, whoever else pushes, and wherever the journal is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship

from gitops_rollback.app.controller import RepositoryLoop
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.health import Health
from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight
from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_PATH
from gitops_rollback.ports import Heads, PushOutcome, PushResult, RefUpdate
from gitops_rollback.sandbox.people import People

STOP = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
LATER = START + 3 * MINUTE
PATIENCE_SECONDS = 20.0


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
            _stop(world)
        pushed.append(updates[0].new)
        return PushResult(PushOutcome.LOCKED, {update.ref: PushOutcome.LOCKED for update in updates}, "locked")

    real = one.repo.push
    monkeypatch.setattr(one.repo, "push", push)
    one.until(START, LATER)
    assert len(pushed) == 1
    held = {message.application for message in one.told.messages if message.event == "held"}
    assert {name.rpartition("/")[2] for name in held} == {"api", "web"}


def _stop(world: World) -> None:
    world.people.git("update-ref", f"refs/heads/{CONTROL_BRANCH}", world.head())
    People(world.bare, CONTROL_BRANCH).push("Stop", {CONTROL_PATH: STOP}, LATER)


def _stop_while_the_journal_is_written(world: World, monkeypatch: pytest.MonkeyPatch, one: Replica) -> list[str]:
    """The next push of the journal alone comes too late, and by then everything is paused."""
    real = one.repo.push
    stops: list[str] = []

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if updates[0].ref == "refs/heads/main" or stops:
            return real(updates)
        _stop(world)
        stops.append("stopped")
        return PushResult(PushOutcome.REJECTED, {update.ref: PushOutcome.REJECTED for update in updates}, "moved")

    monkeypatch.setattr(one.repo, "push", push)
    return stops


def test_a_stop_that_was_read_while_the_journal_was_written_holds_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan for the first application is refused by the journal, and read anew: by then everything is paused."""
    running(world, "api", "web")
    asking = {f"{POLICIES}/api.yaml": policy("api", severity="page_and_suggest")}
    world.people.push("Only suggest", asking, START - 50 * MINUTE)
    for name in ("api", "web"):
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
        world.metrics.break_from(name, START + MINUTE)
    one = world.replica()
    one.until(START, START + MINUTE)
    stops = _stop_while_the_journal_is_written(world, monkeypatch, one)
    one.until(START + MINUTE + TICK, LATER)
    assert stops == ["stopped"]
    assert world.reverts() == 0


def test_a_stop_that_is_read_while_the_entry_is_written_first_holds_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without atomic pushes gets the entry before the commit, and refuses it once."""
    _broken(world)
    world.people.git("config", "receive.advertiseAtomic", "false")
    one = world.replica()
    one.until(START, START + MINUTE)
    stops = _stop_while_the_journal_is_written(world, monkeypatch, one)
    one.until(START + MINUTE + TICK, LATER)
    assert stops == ["stopped"]
    assert world.reverts() == 0


def _late(world: World, one: Replica) -> Sight:
    """What the look of one tick found that would roll back, and that comes at the next tick only."""
    before = one.until(START, START + MINUTE + TICK)[-1]
    world.clock.at = before.now + TICK
    late = one.reconciler.look(before.listing.watched[0], before.view, before.listing, world.clock.at)
    assert late is not None
    assert late.proposal is not None, "it would roll back"
    one.reconciler.side_by_side = lambda look, items: (late,)
    return late


def test_a_late_look_rolls_back_what_is_still_bad(world: World) -> None:
    _broken(world)
    one = world.replica()
    _late(world, one)
    one.tick(world.clock.at + TICK)
    assert world.reverts() == 1


def test_a_late_look_rolls_nothing_back_that_nobody_can_see_any_more(world: World) -> None:
    _broken(world)
    one = world.replica()
    _late(world, one)
    world.metrics.down = True
    one.tick(world.clock.at + TICK)
    assert world.reverts() == 0


def test_a_process_that_stood_still_between_look_and_push_looks_again(world: World) -> None:
    _broken(world)
    one = world.replica()
    one.until(START, START + MINUTE + TICK)
    world.metrics.mend("web", START + 2 * MINUTE)
    looks = one.reconciler.side_by_side

    def then_stands_still(look: Callable[[Watched], Sight | None], watched: Sequence[Watched]) -> tuple[Sight, ...]:
        found = looks(look, watched)
        world.clock.at += 2 * MINUTE
        return found

    one.reconciler.side_by_side = then_stands_still
    one.tick(START + MINUTE + 2 * TICK)
    assert world.reverts() == 0


def test_a_stop_that_came_while_the_journal_was_refused_holds_the_commit_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule refuses the journal alone; the commit may go without it, but not past what was read since."""
    _broken(world)
    one = world.replica()
    real = one.repo.push

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if updates[0].ref != "refs/heads/main" or len(updates) == 1:
            return real(updates)
        _stop(world)
        refs = {updates[0].ref: PushOutcome.REJECTED, updates[1].ref: PushOutcome.PROTECTED}
        return PushResult(PushOutcome.REJECTED, refs, "protected")

    monkeypatch.setattr(one.repo, "push", push)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "JournalUnwritable" in one.told.reasons


def test_a_commit_whose_journal_is_refused_lands_alone_and_its_record_follows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    one = world.replica()
    real, rules = one.repo.push, ["journal"]

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if len(updates) == 2 and rules:
            refs = {updates[0].ref: PushOutcome.REJECTED, updates[1].ref: PushOutcome.PROTECTED}
            return PushResult(PushOutcome.REJECTED, refs, "protected")
        if updates[0].ref == "refs/heads/main":
            rules.clear()
        return real(updates)

    monkeypatch.setattr(one.repo, "push", push)
    tick = one.until(START, LATER)[-1]
    assert world.reverts() == 1
    assert len(tick.view.journal.records) == 1


def test_our_commit_that_another_replica_has_just_pushed_costs_no_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch has it already, the journal's ref has moved: the next word with the remote is a fetch."""
    _broken(world)
    one = world.replica()
    real_push, real_fetch, words = one.repo.push, one.repo.fetch, list[str]()

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        words.append("push")
        if len(updates) == 1 or "raced" in words:
            return real_push(updates)
        words.append("raced")
        assert real_push(updates[:1]).outcome is PushOutcome.LANDED
        refs = {updates[0].ref: PushOutcome.LANDED, updates[1].ref: PushOutcome.REJECTED}
        return PushResult(PushOutcome.LANDED, refs, "fetch first")

    def fetch() -> Heads:
        words.append("fetch")
        return real_fetch()

    monkeypatch.setattr(one.repo, "push", push)
    monkeypatch.setattr(one.repo, "fetch", fetch)
    tick = one.until(START, LATER)[-1]
    assert words[words.index("raced") + 1] == "fetch"
    assert world.reverts() == 1
    assert len(tick.view.journal.records) == 1


def test_a_journal_that_takes_entries_again_goes_with_the_next_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that its refusal would have sent alone never came to be: somebody had stopped everything by then."""
    _broken(world)
    one = world.replica()
    one.reconciler.executor._alone = True
    one.until(START, START + MINUTE)
    real, widths = one.repo.push, list[int]()

    def push(updates: Sequence[RefUpdate]) -> PushResult:
        if updates[0].ref == "refs/heads/main":
            widths.append(len(updates))
        return real(updates)

    monkeypatch.setattr(one.repo, "push", push)
    one.until(START + MINUTE + TICK, LATER)
    assert widths == [2]


def test_the_engine_is_asked_right_after_the_push_and_not_an_interval_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands still and an interval is an hour: only the push itself can have called for the next look."""
    _broken(world)
    one = world.replica()
    one.until(START, START + MINUTE)
    world.clock.at = LATER
    assert world.reverts() == 0
    monkeypatch.setattr(world.clock, "real_seconds", lambda duration: 3600.0 if duration else 0.0)
    loop = RepositoryLoop("shop", one.reconciler, world.clock, Health(), lambda _name, _error: None)
    one.reconciler.landed = loop.call
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not world.engine.synced and time.monotonic() < deadline:
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert world.reverts() == 1
    assert world.engine.synced == ["web"]


@pytest.mark.parametrize("apart", [20, 75])
def test_a_word_is_about_the_plan_that_was_asked_for(world: World, apart: int) -> None:
    """Two releases shortly after one another: the plan that was shown is carried out, whoever is to blame now."""
    running(world, "web")
    world.people.push("Ask first", {f"{POLICIES}/web.yaml": policy("web", "page_and_suggest")}, START - 50 * MINUTE)
    one = world.replica()
    one.tick(START - 20 * MINUTE)
    before = START - timedelta(seconds=apart)
    world.engine.deploy("web", ship(world, "web", before - TICK), before)
    one.until(before, START - TICK)
    world.engine.deploy("web", ship(world, "web", START - timedelta(seconds=2), "1.1", "1.2"), START)
    world.metrics.break_from("web", START + TICK)
    one.until(START, LATER)
    (record,) = one.reconciler.see_now().journal.records.values()
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    prepared = requests.prepare(Wish(record.applications[0], "ann", "yes", waiting=record.id))
    assert prepared.plan is not None
    assert prepared.plan.reversal.reverts == record.reverts
    assert prepared.plan.rollback_id == record.id


def _stands_still_once(world: World, monkeypatch: pytest.MonkeyPatch, parts: object, what: str) -> None:
    """When this has been answered the process stands still for minutes, in which somebody says stop."""
    real, stops = getattr(parts, what), [_stop]
    monkeypatch.setattr(world.clock, "real_seconds", timedelta.total_seconds)  # minutes, not a demo's

    def answers_late(*asked: object) -> object:
        answer = real(*asked)
        if stops:
            stops.pop()(world)
            world.clock.at += 7 * MINUTE
        return answer

    monkeypatch.setattr(parts, what, answers_late)


def test_a_process_that_stands_still_right_before_its_push_obeys_the_stop_of_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    one = world.replica()
    _stands_still_once(world, monkeypatch, one.reconciler.proposer, "moved_on")
    one.until(START, LATER)
    one.until(START + 10 * MINUTE, START + 11 * MINUTE)
    assert world.reverts() == 0
    assert "Paused" in one.told.reasons


def test_a_process_that_stands_still_once_more_while_it_looks_anew_obeys_the_stop_of_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken(world)
    one = world.replica()
    looks, slow = one.reconciler.side_by_side, [MINUTE]

    def slowly(look: Callable[[Watched], Sight | None], watched: Sequence[Watched]) -> tuple[Sight, ...]:
        found = looks(look, watched)
        if slow and any(one.look is not None and one.look.raised.raises_alarm for one in found):
            world.clock.at += slow.pop()
            _stands_still_once(world, monkeypatch, one.reconciler, "look")
        return found

    monkeypatch.setattr(one.reconciler, "side_by_side", slowly)
    one.until(START, LATER)
    one.until(START + 15 * MINUTE, START + 16 * MINUTE)
    assert world.reverts() == 0
    assert "Paused" in one.told.reasons
