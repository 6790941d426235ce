"""Does a rollback end, and is it told, when its application is gone from the engine?"""

from __future__ import annotations

from datetime import datetime

from app_world import MINUTE, START, TICK, Replica, World, running, ship


def pushed(world: World) -> tuple[Replica, datetime]:
    """A bad release of web was reverted just now; its engine has not looked yet."""
    running(world, "web", "api")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one, at = world.replica(), START
    while not world.reverts() and at < START + 10 * MINUTE:
        at += TICK
        one.tick(at)
    assert world.reverts() == 1
    return one, at


def test_a_rollback_whose_application_is_gone_ends_unverified_and_a_person_is_paged(world: World) -> None:
    one, at = pushed(world)
    del world.engine.states["web"]
    one.until(at + TICK, at + 2 * TICK)
    assert "unverified" not in [message.event for message in one.told.messages]  # a list may lag
    one.until(at + 3 * TICK, at + 8 * TICK)
    ended = [message for message in one.told.messages if message.event == "unverified"]
    assert [(message.reason, message.page) for message in ended] == [("EngineUnclear", True)]
    assert "gone from the engine" in ended[0].text


def test_while_the_engine_does_not_answer_nothing_is_called_gone(world: World) -> None:
    one, at = pushed(world)
    world.engine.down = True
    one.until(at + TICK, at + 12 * TICK)
    assert "unverified" not in [message.event for message in one.told.messages]
