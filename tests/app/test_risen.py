"""Applications beside an alarm that are watched by comparing with before alone: red ones, and a quiet control group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, MemoryMetrics, Replica, World, deployment, policy, running

from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.core.sync import Health

QUERY = """      query: errors{service="$SERVICE"}
      comparison: greater_than
      threshold: 0.05
      for: 30s
"""
COUNTS = '      type: regression\n      bad: bad{service="$SERVICE"}\n      total: total{service="$SERVICE"}\n'
GAUGE = '      type: gauge\n      query: depth{service="$SERVICE"}\n'
HEALTH = "      type: health\n      states: [Degraded]\n      for: 30s\n"
CALM = ("calm1", "calm2", "calm3", "calm4")
SECOND = timedelta(seconds=1)
LATER = START + 4 * MINUTE


@dataclass
class Everything(MemoryMetrics):
    """Beside the errors of each service two counters and a gauge; while it is bad, one request in ten fails."""

    silent: bool = False  # about counters
    asked_since: list[datetime] = field(default_factory=list)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        kind = expression.partition("{")[0]
        if kind == "errors":
            return super().query_range(expression, start, end, step, timeout)
        if self.silent:
            return Answer(Outcome.ERROR, end, expression, detail="connection refused")
        self.asked_since.append(start)
        service = expression.partition('service="')[2].partition('"')[0]
        read = {"bad": self._bad, "total": self._total, "depth": self._depth}[kind]
        times = [start + n * step for n in range((end - start) // step + 1)]
        samples = tuple((at, read(service, at)) for at in times)
        return Answer(Outcome.VALUE, end, expression, (Series((), samples),), kind="matrix")

    def _total(self, _service: str, at: datetime) -> float:
        return 100 * ((at - START + timedelta(days=3)) / SECOND)

    def _bad(self, service: str, at: datetime) -> float:
        times = self.bad.get(service, [])
        more = sum(0.1 * 100 * max(0.0, (min(at, end) - since) / SECOND) for since, end in times)
        return float(int(0.001 * self._total(service, at) + more))

    def _depth(self, service: str, at: datetime) -> float:
        usual = 10 + int(at.timestamp() // 15) * 7919 % 10
        return usual * (20.0 if self._value(f'service="{service}"', at) > 0.1 else 1.0)


def _world(world: World, *names: str, others: str, calm: tuple[str, ...] = CALM) -> tuple[Everything, Replica]:
    """One commit changes `names`, which have a limit; the others have nothing but a trigger of that kind."""
    world.metrics = metrics = Everything()
    running(world, *names, *calm, since=START - 150 * MINUTE)
    texts: dict[str, str | None] = {f"{POLICIES}/{name}.yaml": policy(name).replace(QUERY, others) for name in calm}
    world.people.push("Compare with before", texts, START - 90 * MINUTE)
    files: dict[str, str | None] = {f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in names}
    bad = world.people.push("Ship", files, START - MINUTE)
    one = world.replica()
    for name in names:
        world.engine.deploy(name, bad, START)
        metrics.break_from(name, START + MINUTE)
    return metrics, one


@pytest.mark.parametrize("kind", [COUNTS, GAUGE], ids=["regression", "gauge"])
def test_an_outage_that_turns_such_peers_red_as_well_is_nobodys_commit(world: World, kind: str) -> None:
    metrics, one = _world(world, "web", others=kind)
    for name in CALM:
        metrics.break_from(name, START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_such_peers_that_stay_quiet_are_the_control_group_of_one_incident(world: World) -> None:
    _, one = _world(world, "cart", "web", others=COUNTS)
    one.until(START, LATER)
    assert world.reverts() == 1
    assert world.people.git("log", "-1", "--format=%B", "main").count("Rollback-Application: ") == 2


def test_what_such_peers_suffer_from_for_an_hour_holds_nobody_back(world: World) -> None:
    metrics, one = _world(world, "web", others=COUNTS)
    for name in CALM:
        metrics.break_from(name, START - 60 * MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_while_such_peers_cannot_be_read_nobody_is_rolled_back(world: World) -> None:
    metrics, one = _world(world, "web", others=COUNTS)
    metrics.silent = True
    one.until(START, LATER)
    assert world.reverts() == 0
    metrics.silent = False
    one.until(LATER, LATER + MINUTE)
    assert world.reverts() == 1


def test_hours_of_such_a_peer_are_read_once_and_later_looks_read_what_is_new(world: World) -> None:
    metrics, one = _world(world, "web", others=COUNTS)
    stopped = PauseState(SETTINGS_DOOR, unreadable="torn")
    one.reconciler.surroundings.settings_pause = lambda: stopped
    one.until(START, LATER)
    long = [since for since in metrics.asked_since if since < START - 60 * MINUTE]
    assert len(long) == 2 * len(CALM)
    assert max(metrics.asked_since) >= LATER - 2 * TICK


@pytest.mark.parametrize(("minutes", "reverts"), [(-1, 0), (60, 1)], ids=["with the alarm", "for an hour"])
def test_peers_that_the_engine_alone_tells_of_are_red_if_they_turned_so_with_it(
    world: World, minutes: int, reverts: int
) -> None:
    _, one = _world(world, "web", others=HEALTH)
    since = START - minutes * MINUTE
    one.until(START, START + MINUTE - TICK)
    for name in CALM:
        state = world.engine.states[name]
        world.engine.states[name] = replace(state, health=Health.DEGRADED, health_changed_at=since)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == reverts
    assert ("MassEvent" in one.told.reasons) is (reverts == 0)
