"""A plan of several commits that somebody stops half way: by suspending the policy, or by taking the application away.

A bad commit that brings the suspension itself stops nothing.
"""

from __future__ import annotations

from dataclasses import replace

from app_world import MINUTE, POLICIES, START, World, deployment, policy
from test_steps import CANARY, FALLING, PATH, ROUTE, WEB, only_record, shifted, steps, until_step, weights

FILE = f"{POLICIES}/web.yaml"
RULES = policy("web") + CANARY
SUSPENDED = RULES.replace("spec:", "spec:\n  suspend: true", 1)


def test_a_person_who_suspends_the_policy_between_two_steps_holds_the_plan_and_hears_so_once(world: World) -> None:
    one = shifted(world)
    until_step(world, one, "1/3")
    world.people.push("Let me look", {FILE: SUSPENDED}, world.clock.at)
    one.until(world.clock.at, world.clock.at + 3 * MINUTE)
    assert steps(world) == ["1/3"]
    (told,) = [message for message in one.told.messages if message.reason == "Suspended"]
    assert told.page
    assert "held at step 1: policy web is suspended" in told.text

    world.people.push("Go on", {FILE: RULES}, world.clock.at)
    one.until(world.clock.at, world.clock.at + 3 * MINUTE)

    assert weights(world) == FALLING


def test_a_bad_commit_does_not_stop_its_own_rollback_half_way_by_suspending_the_policy(world: World) -> None:
    first = world.first({WEB: deployment("web", "1.0"), PATH: ROUTE.format(old=40, new=60), FILE: RULES})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    brought = {WEB: deployment("web", "1.1"), FILE: SUSPENDED}
    bad = world.people.push("Ship 1.1, and its policy", brought, START - MINUTE)
    one = world.replica()
    one.until(START - 2 * MINUTE, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)

    one.until(START, START + 6 * MINUTE)

    assert weights(world) == FALLING
    assert steps(world) == ["1/3", "2/3", "3/3"]
    assert world.people.read(FILE) == RULES


def test_a_plan_that_ends_half_way_says_where_the_branch_stands(world: World) -> None:
    one = shifted(world)
    until_step(world, one, "1/3")
    world.engine.states["web"] = replace(world.engine.states["web"], uid="another")

    one.until(world.clock.at, world.clock.at + 2 * MINUTE)

    record = only_record(one, 20)
    assert (record.outcome, record.reason) == ("unverified", "Recreated")
    assert "the branch stands at step 1 of 3; not done any more: 2. canary weight 25 -> 0" in record.message
