"""A peer that is being deployed to is no control: what its own release breaks excuses nobody else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, MemoryMetrics, World, policy, running, ship

from gitops_rollback.core.measurement import Answer, Outcome, Series

QUERY = """      query: errors{service="$SERVICE"}
      comparison: greater_than
      threshold: 0.05
      for: 30s
"""
COUNTS = """      type: regression
      bad: bad{service="$SERVICE"}
      total: total{service="$SERVICE"}
      regression: {peers: [cart, mail, pay, search]}
"""
PEERS = ("cart", "mail", "pay", "search")
SECOND = timedelta(seconds=1)


@dataclass
class Counters(MemoryMetrics):
    """A hundred requests a second for each service; of those in `failing` so many fail since then."""

    failing: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    asked_together: list[str] = field(default_factory=list)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        times = [start + n * step for n in range((end - start) // step + 1)]
        services = re.findall(r'service="([^"]*)"', expression)
        kind = "bad" if "bad{" in expression else "total"
        window = re.search(r"\[(\d+)([hm])\]", expression)
        back = timedelta(0)
        if window is not None:
            self.asked_together.append(expression)
            back = int(window[1]) * (timedelta(hours=1) if window[2] == "h" else MINUTE)
        samples = tuple((at, self._count(kind, services, at, back)) for at in times)
        return Answer(Outcome.VALUE, end, expression, (Series((), samples),), kind="matrix")

    def _count(self, kind: str, services: list[str], at: datetime, back: timedelta) -> float:
        now = sum(self._until(kind, service, at) for service in services)
        return now - sum(self._until(kind, service, at - back) for service in services) if back else now

    def _until(self, kind: str, service: str, at: datetime) -> float:
        total = 100 * ((at - START + timedelta(days=3)) / SECOND)
        if kind == "total":
            return total
        since, share = self.failing.get(service, (at, 0.0))
        return float(int(0.001 * total + share * 100 * max(0.0, (at - since) / SECOND)))


@pytest.mark.parametrize(
    ("minutes", "blamed"),
    [
        pytest.param(10, True, id="ten minutes before: no control"),
        pytest.param(-1, True, id="a minute after: no control either"),
        pytest.param(40, False, id="forty minutes before: a control"),
    ],
)
def test_what_a_peers_own_deployment_broke_excuses_nobody_else(world: World, minutes: int, blamed: bool) -> None:
    world.metrics = metrics = Counters()
    running(world, "web", *PEERS, since=START - 100 * MINUTE)
    world.people.push("Count", {f"{POLICIES}/web.yaml": policy("web").replace(QUERY, COUNTS)}, START - 90 * MINUTE)
    one = world.replica()
    deployments = sorted([("web", START), ("cart", START - minutes * MINUTE)], key=lambda found: found[1])
    revisions = [(name, ship(world, name, at - MINUTE), at) for name, at in deployments]
    metrics.failing = {"web": (START + MINUTE, 0.05), "cart": (START + MINUTE, 0.3)}
    for n in range(-2, 17):
        now = START + n * TICK
        for name, revision, at in revisions:
            if now - TICK < at <= now or (n == -2 and at <= now):
                world.engine.deploy(name, revision, at)
        one.tick(now)
    asked = {"cart" in expression for expression in metrics.asked_together[-2:]}
    fired = [reason for reason in one.told.reasons if reason == "SuggestOnly"]
    assert (bool(fired), asked) == (blamed, {not blamed})
