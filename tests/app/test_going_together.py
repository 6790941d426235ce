"""What must go back together: in one plan, for a person to approve."""

from __future__ import annotations

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, policy, running, ship

BESIDE = "apps/api/api.yaml"


def red(world: World, bad: str) -> Replica:
    """The application is red by a commit, and a controller has seen it."""
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    return one


def ship_both(world: World, message: str, first: str = "Change the API", later: bool = False) -> tuple[str, str]:
    """A commit beside the application, and the one that ships it; what was pushed, `message` with %s as the first's."""
    beside = world.people.push(first, {BESIDE: "a: 2\n"}, START - 3 * MINUTE)
    path = "apps/web/web.yaml"
    text = world.people.read(path).replace(":1.0", ":1.1")
    return beside, world.people.push(message.replace("%s", beside[:12]), {path: text}, START - MINUTE)


@pytest.mark.parametrize(
    ("message", "first"),
    [("Ship 1.1\n\nRollback-With: %s", "Change the API"), ("Ship 1.1 (#7)", "Change the API (#7)")],
    ids=["trailer", "pull request"],
)
def test_a_companion_goes_into_the_plan_and_a_person_is_asked(world: World, message: str, first: str) -> None:
    running(world, "web", extra={BESIDE: "a: 1\n"})
    beside, bad = ship_both(world, message, first)
    one = red(world, bad)
    assert world.reverts() == 0
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert told.reason == "GoesTogether"
    (record,) = one.tick(START + 4 * MINUTE).view.journal.records.values()
    assert record.reverts == (bad, beside)
    assert record.phase == "AwaitingApproval"


def test_the_plan_undoes_both_in_one_commit_newest_first(world: World) -> None:
    running(world, "web", extra={BESIDE: "a: 1\n"})
    beside, bad = ship_both(world, "Ship 1.1\n\nRollback-With: %s")
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    ticks = one.until(START, START + 3 * MINUTE)
    proposals = [sight.proposal for tick in ticks for sight in tick.sights if sight.proposal is not None]
    plan = proposals[-1].plan
    assert plan is not None
    assert [line for line in plan.message.splitlines() if line.startswith("This reverts commit")] == [
        f"This reverts commit {bad}.",
        f"This reverts commit {beside}.",
    ]
    assert set(plan.reversal.paths) == {"apps/web/web.yaml", BESIDE}
    assert any(beside[:12] in line and "Rollback-With" in line for line in plan.evidence)


def test_where_both_do_not_go_back_cleanly_the_blamed_one_is_planned_alone(world: World) -> None:
    running(world, "web", extra={"x.lock": "1\n"})
    beside = world.people.push("Lock", {"x.lock": "2\n"}, START - 3 * MINUTE)
    world.people.push("Lock again", {"x.lock": "3\n"}, START - 2 * MINUTE)
    text = world.people.read("apps/web/web.yaml").replace(":1.0", ":1.1")
    message = f"Ship 1.1\n\nRollback-With: {beside}"
    bad = world.people.push(message, {"apps/web/web.yaml": text}, START - MINUTE)
    one = red(world, bad)
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert told.reason == "GoesTogether"
    assert "x.lock" in told.text
    (record,) = one.tick(START + 4 * MINUTE).view.journal.records.values()
    assert record.reverts == (bad,)


def test_a_commit_alone_goes_back_by_itself(world: World) -> None:
    running(world, "web", extra={BESIDE: "a: 1\n"})
    world.people.push("Change the API (#6)", {BESIDE: "a: 2\n"}, START - 3 * MINUTE)
    red(world, ship(world, "web", START - MINUTE))
    assert world.reverts() == 1


DEPENDS = policy("till").replace("    - name: till", "    - name: till\n      dependsOn: [web]")


@pytest.mark.parametrize("since", [True, False], ids=["moved on since", "as it was"])
def test_what_a_dependant_may_need_does_not_go_back_by_itself(world: World, since: bool) -> None:
    running(world, "web", "till")
    world.people.push("Say what till needs", {f"{POLICIES}/till.yaml": DEPENDS}, START - 50 * MINUTE)
    bad = ship(world, "web", START - 2 * MINUTE)
    if since:
        ship(world, "till", START - MINUTE)
    one = red(world, bad)
    assert world.reverts() == (0 if since else 1)
    suggested = [message for message in one.told.messages if message.event == "suggested"]
    assert [message.reason for message in suggested] == (["GoesTogether"] if since else [])


def test_a_dependant_that_changed_by_the_same_commit_goes_back_with_it(world: World) -> None:
    running(world, "web", "till")
    world.people.push("Say what till needs", {f"{POLICIES}/till.yaml": DEPENDS}, START - 50 * MINUTE)
    till = world.people.read("apps/till/till.yaml").replace(":1.0", ":1.1")
    red(world, ship(world, "web", START - MINUTE, files={"apps/till/till.yaml": till}))
    assert world.reverts() == 1


def test_a_change_that_takes_the_dependency_away_is_not_believed(world: World) -> None:
    running(world, "web", "till")
    own, other = f"{POLICIES}/web.yaml", f"{POLICIES}/till.yaml"
    target = DEPENDS[DEPENDS.index("    - name: till") : DEPENDS.index("  triggers:")]
    both = policy("web").replace("  triggers:", f"{target}  triggers:")
    world.people.push("One policy for both", {own: both, other: None}, START - 50 * MINUTE)
    text = world.people.read("apps/web/web.yaml").replace(":1.0", ":1.1")
    without = both.replace("      dependsOn: [web]\n", "")
    files = {"apps/web/web.yaml": text, own: without}
    bad = world.people.push("Ship 1.1, and say less", files, START - 2 * MINUTE)
    ship(world, "till", START - MINUTE)
    red(world, bad)
    assert world.reverts() == 0
