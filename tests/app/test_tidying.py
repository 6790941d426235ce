"""The clone is tidied now and then, while nothing is under way, and a failure of it stops nothing."""

from __future__ import annotations

import pytest
from app_world import MINUTE, START, TICK, Replica, World, running, ship

from gitops_rollback.app import controller
from gitops_rollback.app.controller import RepositoryLoop
from gitops_rollback.app.health import Health
from gitops_rollback.core.errors import RepositoryUnavailable


def loop_of(one: Replica, tidied: list[str]) -> RepositoryLoop:
    def tidy() -> None:
        tidied.append("shop")
        raise RepositoryUnavailable("shop", "git gc did not end in time")

    return RepositoryLoop("shop", one.reconciler, one.clock, Health(), lambda _name, _error: None, tidy=tidy)


def test_not_while_a_rollback_is_under_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "TIDY_SECONDS", 0.0)
    running(world, "web")
    one = world.replica()
    tidied: list[str] = []
    loop = loop_of(one, tidied)
    one.clock.at = START - MINUTE
    loop.turn()
    assert len(tidied) == 1
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START)
    ticks = one.until(START, START + 2 * MINUTE)
    assert world.reverts() == 1
    one.clock.at = ticks[-1].now + TICK
    loop.turn()
    assert loop.health.ready()
    assert len(tidied) == 1


def test_not_at_each_tick(world: World) -> None:
    running(world, "web")
    one = world.replica()
    tidied: list[str] = []
    loop = loop_of(one, tidied)
    for number in range(3):
        one.clock.at = START + number * TICK
        loop.turn()
    assert tidied == []
