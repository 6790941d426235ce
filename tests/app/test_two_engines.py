"""Two engines that apply the same directory to the same namespace: neither is believed, and a person is told."""

from __future__ import annotations

from app_world import MINUTE, START, MemoryEngine, World, running, ship


def test_an_application_that_two_engines_claim_is_left_to_a_person(world: World) -> None:
    first = running(world, "web")
    other = MemoryEngine(world.url, world.head, world.clock, instance="flux")
    other.add("web")
    other.deploy("web", first, START - 60 * MINUTE)
    world.beside = (other,)
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    for engine in (world.engine, other):
        engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 0
    assert any(message.page for message in one.told.messages)
