"""The whole way of one application on a real repository, in memory everywhere else."""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, TICK, World, decision_of, deployment, policy, running, ship


def test_a_bad_release_is_undone_once_and_verified(world: World) -> None:
    first = world.first({"apps/web/web.yaml": deployment("web", "1.0"), f"{POLICIES}/web.yaml": policy("web")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.edit("Ship 1.1", "apps/web/web.yaml", ":1.0", ":1.1", START - MINUTE)
    one = world.replica()
    one.until(START - 2 * MINUTE, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    world.metrics.mend("web", START + 3 * MINUTE)
    last = one.until(START + 3 * MINUTE, START + 10 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.0")


def test_a_rollback_goes_on_to_its_end_though_a_person_takes_its_policy_away(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    world.people.push("Drop the policy", {f"{POLICIES}/web.yaml": None}, START + 3 * MINUTE)
    world.metrics.mend("web", START + 3 * MINUTE)
    ticks = one.until(START + 3 * MINUTE, START + 10 * MINUTE)
    assert [record.outcome for record in ticks[-1].view.journal.records.values()] == ["verified"]
    assert ticks[-1].listing.watched == (), "what nobody names is left alone once its rollback has ended"


def test_a_plan_that_waits_for_a_word_does_not_blind_for_what_is_deployed_after_it(world: World) -> None:
    running(world, "web")
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    asked = world.people.push("Add a claim", {"apps/web/claim.yaml": claim}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", asked, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 0
    world.metrics.mend("web", START + 3 * MINUTE)
    bad = world.people.push("Ship 1.1", {"apps/web/web.yaml": deployment("web", "1.1")}, START + 19 * MINUTE)
    world.engine.deploy("web", bad, START + 20 * MINUTE)
    world.metrics.break_from("web", START + 21 * MINUTE)
    one.until(START + 20 * MINUTE, START + 30 * MINUTE)
    assert world.reverts() == 1


def test_a_fault_that_nobody_can_blame_anew_is_told_though_an_older_plan_waits(world: World) -> None:
    """Two more deployments follow each other so fast that neither can be judged: the page for them is not lost."""
    running(world, "web")
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n"
    asked = world.people.push("Add a claim", {"apps/web/claim.yaml": claim}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", asked, START)
    world.metrics.break_from("web", START + MINUTE, START + 3 * MINUTE)
    one.until(START, START + 3 * MINUTE)
    for version, at in (("1.1", START + 20 * MINUTE), ("1.2", START + 21 * MINUTE)):
        files = {"apps/web/web.yaml": deployment("web", version)}
        world.engine.deploy("web", world.people.push(f"Ship {version}", files, at - TICK), at)
        world.metrics.break_from("web", START + 21 * MINUTE - TICK)
        one.until(at, at + MINUTE - TICK)
    one.until(START + 22 * MINUTE, START + 25 * MINUTE)
    assert one.told.reasons.count("NotOurs") == 1


def test_a_look_from_before_the_push_that_comes_late_says_nothing_of_the_rollback_under_way(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    before, late = one.until(START, START + MINUTE)[-1], None
    while world.reverts() == 0:
        now = before.now + TICK
        late = one.reconciler.look(before.listing.watched[0], before.view, before.listing, now)
        before = one.tick(now)
    after = one.tick(before.now + TICK)
    assert late is not None
    assert late.proposal is not None, "the late look saw the alarm"
    one.reconciler.reconcile(late, after)
    assert "AlreadyRolledBack" not in one.told.reasons


def test_what_came_beside_a_release_that_a_person_took_back_is_left_alone(world: World) -> None:
    running(world, "web")
    louder = {f"{POLICIES}/web.yaml": policy("web", threshold=0.04)}
    bad = ship(world, "web", START - MINUTE, files=louder)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + MINUTE)
    ship(world, "web", START + MINUTE, "1.1", "1.0")
    last = one.until(START + MINUTE, START + 3 * MINUTE)[-1]
    assert world.reverts() == 0
    assert not last.view.journal.records
    assert "AlreadyUndone" in [decision_of(sight, one, last) for sight in last.sights]


def test_a_person_is_told_once_where_the_engine_does_not_follow_what_was_taken_back_by_hand(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + MINUTE)
    ship(world, "web", START + MINUTE, "1.1", "1.0")
    one.until(START + MINUTE, START + 11 * MINUTE)
    assert "AlreadyUndone" not in one.told.reasons, "the engine has ten minutes to follow"
    one.until(START + 11 * MINUTE + TICK, START + 16 * MINUTE)
    assert one.told.reasons.count("AlreadyUndone") == 1
    assert world.reverts() == 0
