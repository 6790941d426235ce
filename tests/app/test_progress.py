"""How far is an open rollback, and did it help?"""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship

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
    assert [record.outcome for record in last.view.journal.records.values()] == ["unverified"]


def test_no_metrics_never_verify(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    world.metrics.down = True
    last = one.until(LATER, START + 10 * MINUTE)[-1]
    outcomes = [(record.outcome, record.reason) for record in last.view.journal.records.values()]
    assert outcomes == [("unverified", "VerificationTimeout")]


def test_a_fired_trigger_that_no_policy_knows_any_more_is_named_and_not_taken_for_quiet(world: World) -> None:
    running(world, "web")
    one = world.replica()
    known = one.tick(START).view.policies.policies[0]
    assert unknown_triggers(known, ("errors", "latency")) == ("latency",)
