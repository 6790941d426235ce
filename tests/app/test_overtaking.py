"""A newer bad release on top of a rollback that is not verified yet: its own record, and at once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, policy, running, ship

from gitops_rollback.core.rollback import RollbackRecord


def _rolled_back(world: World) -> tuple[Replica, datetime, str]:
    """One rollback under verification for the next three quarters of an hour, quiet again since its push."""
    running(world, "web")
    patient = policy("web").replace("holdFor: 30s, timeout: 5m", "holdFor: 45m, timeout: 90m")
    world.people.push("Look longer", {f"{POLICIES}/web.yaml": patient}, START - 2 * MINUTE)
    one = world.replica()
    bad = ship(world, "web", START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    now = START
    while not world.reverts():
        one.tick(now := now + TICK)
        assert now < START + 5 * MINUTE
    world.metrics.mend("web", now)
    one.until(now + TICK, now + 3 * MINUTE)
    return one, now + 3 * MINUTE, bad


def _records(one: Replica, now: datetime) -> dict[str, RollbackRecord]:
    return {record.bad_revision: record for record in one.tick(now).view.journal.records.values()}


@pytest.mark.parametrize(
    ("later", "reason", "reverts"), [(32 * MINUTE, "TriggerFired", 2), (3 * MINUTE, "BudgetSpent", 1)]
)
def test_a_newer_bad_release_is_judged_at_once_as_its_own_record(
    world: World, later: timedelta, reason: str, reverts: int
) -> None:
    """By itself where the budget of one rollback in half an hour allows it; else the finished plan asks."""
    one, now, first = _rolled_back(world)
    now += later
    second = ship(world, "web", now, "1.0", "1.2")
    world.engine.deploy("web", second, now + TICK)
    world.metrics.break_from("web", now + MINUTE)
    one.until(now + TICK, now + 3 * MINUTE)
    found = _records(one, now + 3 * MINUTE)
    assert (found[first].outcome, found[first].reason) == ("unverified", "Overtaken")
    assert second[:12] in found[first].message
    assert (found[second].reverts, found[second].reason) == ((second,), reason)
    assert world.reverts() == reverts
    one.until(now + 3 * MINUTE, now + 6 * MINUTE)
    assert world.reverts() == reverts
    assert not found[first].evidence.get("plans"), "nobody is asked to land again what it took back"


@pytest.mark.parametrize("bad", [False, True], ids=["quiet", "bad-before-it-came"])
def test_what_is_deployed_on_top_and_is_not_to_blame_ends_no_verification(world: World, bad: bool) -> None:
    one, now, first = _rolled_back(world)
    if bad:
        world.metrics.break_from("web", now, now + 5 * MINUTE)
        one.until(now, now + MINUTE)
        now += MINUTE
    world.engine.deploy("web", ship(world, "web", now, "1.0", "1.2"), now + TICK)
    one.until(now + TICK, now + 4 * MINUTE)
    found = _records(one, now + 4 * MINUTE)
    assert [(one.bad_revision, one.phase) for one in found.values()] == [(first, "Verifying")]
    assert world.reverts() == 1


def test_the_same_bad_release_that_comes_back_is_held_at_once_and_not_taken_back_again(world: World) -> None:
    one, now, first = _rolled_back(world)
    again = ship(world, "web", now, "1.0", "1.1")
    world.engine.deploy("web", again, now + TICK)
    world.metrics.break_from("web", now + MINUTE)
    one.until(now + TICK, now + 4 * MINUTE)
    assert _records(one, now + 4 * MINUTE)[first].reason == "Overtaken"
    assert world.reverts() == 1
    assert any(message.page and message.reason in ("CameBack", "Quarantine") for message in one.told.messages)
