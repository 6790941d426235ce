"""How far is an open rollback, and did it help?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, pushed, running, ship

from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight
from gitops_rollback.core.verification import unknown_triggers

LATER = START + 3 * MINUTE
ASKING = policy("web", severity="page_and_suggest")


def _waiting(world: World) -> Replica:
    """A plan that waits for a word since LATER at the latest."""
    first = running(world, "web")
    asking = world.people.push("Only suggest", {f"{POLICIES}/web.yaml": ASKING}, START - 50 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    assert first != asking
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert [record.phase for record in tick.view.journal.records.values()] == ["AwaitingApproval"]
    return one


def _outcomes(world: World, replica: Replica) -> list[object]:
    tick = replica.tick(world.clock.now() + MINUTE / 4)
    tick = replica.tick(world.clock.now() + MINUTE / 4)
    return [record.outcome for record in tick.view.journal.records.values()]


def test_a_foreign_commit_that_is_synced_later_does_not_end_a_waiting_plan(world: World) -> None:
    one = _waiting(world)
    foreign = world.people.push("Read me", {"README.md": "More\n"}, LATER)
    world.engine.deploy("web", foreign, LATER)
    assert _outcomes(world, one) == [None]


def test_a_release_that_replaces_the_bad_one_ends_a_waiting_plan(world: World) -> None:
    one = _waiting(world)
    world.engine.deploy("web", ship(world, "web", LATER, old="1.1", new="1.2"), LATER)
    assert _outcomes(world, one)[0] == "superseded"


def test_a_persons_revert_ends_a_waiting_plan(world: World) -> None:
    one = _waiting(world)
    world.engine.deploy("web", ship(world, "web", LATER, old="1.1", new="1.0"), LATER)
    assert _outcomes(world, one)[0] == "superseded"


def test_a_trigger_that_the_earlier_policy_does_not_know_is_still_checked(world: World) -> None:
    """Its policy came after the last good deployment, by a commit that nobody suspects."""
    running(world, "web")
    other = policy("web").replace("name: errors", "name: failures")
    world.people.push("Rename the trigger", {f"{POLICIES}/web.yaml": other}, START - 5 * MINUTE)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    last = one.until(START, START + 10 * MINUTE)[-1]
    assert world.reverts() == 1
    assert [record.outcome for record in pushed(last)] == ["unverified"]


def test_no_metrics_never_verify(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    world.metrics.down = True
    last = one.until(LATER, START + 10 * MINUTE)[-1]
    outcomes = [(record.outcome, record.reason) for record in pushed(last)]
    assert outcomes == [("unverified", "VerificationTimeout")]


def test_a_fired_trigger_that_no_policy_knows_any_more_is_named_and_not_taken_for_quiet(world: World) -> None:
    running(world, "web")
    one = world.replica()
    known = one.tick(START).view.policies.policies[0]
    assert unknown_triggers(known, ("errors", "latency")) == ("latency",)


def _verifying(world: World) -> Replica:
    """A rollback that is verified if the next looks are good: the first good one is at LATER."""
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER - TICK)
    world.metrics.mend("web", LATER - TICK)
    tick = one.tick(LATER)
    assert [(record.phase, record.outcome) for record in tick.view.journal.records.values()] == [("Verifying", None)]
    return one


def _outcome_at(replica: Replica, *times: datetime) -> list[object]:
    """How the rollbacks stand after these looks."""
    for at in (*times, times[-1] + TICK / 5):
        tick = replica.tick(at)
    return [record.outcome for record in tick.view.journal.records.values()]


def test_good_looks_one_after_the_other_verify(world: World) -> None:
    assert _outcome_at(_verifying(world), LATER + TICK, LATER + 2 * TICK) == ["verified"]


def test_a_long_silence_is_no_hold_time(world: World) -> None:
    one = _verifying(world)
    back = LATER + 2 * MINUTE
    assert _outcome_at(one, back) == [None]
    assert _outcome_at(one, back + TICK, back + 2 * TICK) == ["verified"]


def test_a_red_moment_between_two_late_looks_begins_the_hold_time_anew(world: World) -> None:
    one = _verifying(world)
    world.metrics.break_from("web", LATER + TICK, LATER + TICK + TICK / 3)
    assert _outcome_at(one, LATER + 2 * TICK) == [None]
    assert _outcome_at(one, LATER + 3 * TICK, LATER + 4 * TICK) == ["verified"]


def test_a_quiet_moment_between_two_late_looks_is_read_back(world: World) -> None:
    assert _outcome_at(_verifying(world), LATER + 2 * TICK) == ["verified"]


def test_a_process_that_stands_still_after_its_last_good_look_verifies_nothing(world: World) -> None:
    """When it wakes up the application is bad again: what it saw before says nothing of now."""
    one = _verifying(world)
    assert _outcome_at(one, LATER + TICK) == [None]
    world.metrics.break_from("web", LATER + 2 * TICK + TICK / 3)
    looks = one.reconciler.side_by_side

    def then_stands_still(look: Callable[[Watched], Sight | None], watched: Sequence[Watched]) -> tuple[Sight, ...]:
        found = looks(look, watched)
        world.clock.at += 2 * MINUTE
        return found

    one.reconciler.side_by_side = then_stands_still
    one.tick(LATER + 2 * TICK)
    one.reconciler.side_by_side = looks
    assert _outcome_at(one, LATER + 3 * MINUTE) == [None]


def test_a_suspect_that_was_left_alone_does_not_bring_the_checks(world: World) -> None:
    """Its own policy would call anything good, and the rollback of what came after it did not help."""
    running(world, "web")
    disarmed = {f"{POLICIES}/web.yaml": policy("web", threshold=1e9)}
    first = ship(world, "web", START - 21 * MINUTE, files=disarmed)
    world.engine.deploy("web", first, START - 20 * MINUTE)
    second = world.people.push("Log more", {"apps/web/web.yaml": deployment("web", "1.1", "debug")}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", second, START)
    world.metrics.break_from("web", START + MINUTE)
    last = one.until(START, START + 10 * MINUTE)[-1]
    found = [(record.reverts, record.outcome) for record in pushed(last)]
    assert found == [((second,), "unverified")]


def test_a_clock_that_was_ahead_when_it_pushed_does_not_delay_the_end(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.clock.ahead = 20 * MINUTE
    one.tick(LATER - TICK)
    assert world.reverts() == 1
    one.clock.ahead = timedelta(0)
    world.metrics.mend("web", LATER)
    last = one.until(LATER, LATER + 3 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]
    assert len(world.engine.synced) == 1


def test_the_applications_of_one_rollback_are_asked_at_the_same_time(world: World) -> None:
    """Thirty of them that are asked one after the other take longer than what was seen of the first is good for."""
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    asked: list[int] = []

    class Together:
        def map(self, act: Callable[[Any], Any], items: Sequence[Any], /) -> Iterable[Any]:
            asked.append(len(items))
            return [act(item) for item in items]

    one.reconciler.follower._pool = Together()
    one.until(START, LATER + 2 * MINUTE)
    assert asked


def test_a_rollback_that_cannot_be_looked_at_in_time_still_ends(world: World) -> None:
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    one.until(START, LATER)
    one.reconciler.side_by_side = lambda look, items: tuple(
        aged for item in items if (found := look(item)) is not None and (aged := found.aged()) is not None
    )
    world.metrics.mend("web", LATER)
    tick = one.until(LATER, LATER + 40 * MINUTE)[-1]
    assert [record.outcome for record in pushed(tick)] == ["unverified"]
    assert "unverified" in {message.event for message in one.told.messages}
