"""What one fetch says: pauses, policies and memory."""

from __future__ import annotations

from app_world import MINUTE, START, World, running, ship


def test_a_directory_in_the_pauses_place_stops_and_does_not_end_the_looking(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    world.people.push("Odd", {".gitops-rollback/pause.yaml/odd.yaml": "kind: ConfigMap\n"}, START - MINUTE / 2)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, START + 3 * MINUTE)[-1]
    assert tick.view.pauses[1].unreadable
    assert world.reverts() == 0


def test_a_clock_that_goes_back_a_day_rolls_nothing_back_again(world: World) -> None:
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one = world.replica()
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    for back in (24 * 60 * MINUTE, MINUTE, -10 * MINUTE):
        one.until(START + 3 * MINUTE - back, START + 4 * MINUTE - back)
    assert world.reverts() == 1
