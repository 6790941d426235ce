"""Several applications are under watch at once: who is asked about, in how few queries, and does it still roll back?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app_world import MINUTE, START, TICK, MemoryMetrics, World, running, ship

from gitops_rollback.app.asking_together import Together
from gitops_rollback.core.measurement import Answer, Outcome, Series

NAMES = re.compile(r'service=~"([^"]*)"')


@dataclass(eq=False)
class Store(MemoryMetrics):
    """Answers for several services too, and keeps each query with its time."""

    instants: list[tuple[datetime, str]] = field(default_factory=list)

    __hash__ = object.__hash__

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        self.instants.append((at, expression))
        named = NAMES.search(expression)
        if named is None or self.down:
            return super().query(expression, at, timeout, priority)
        parts = [self.one(expression, name, at) for name in named[1].split("|")]
        return Answer(Outcome.VALUE, at, expression, tuple(parts))

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        named = NAMES.search(expression)
        answer = super().query_range(expression, start, end, step, timeout)
        if named is None or self.down:
            return answer
        alone = [NAMES.sub(f'service="{name}"', expression) for name in named[1].split("|")]
        found = [super(Store, self).query_range(one, start, end, step, timeout).series[0] for one in alone]
        labelled = zip(named[1].split("|"), found, strict=True)
        return answer._replace(series=tuple(one._replace(labels=(("service", name),)) for name, one in labelled))

    def one(self, expression: str, name: str, at: datetime) -> Series:
        alone = NAMES.sub(f'service="{name}"', expression)
        return Series((("service", name),), ((at, self._value(alone, at)),))


def test_only_what_is_under_watch_is_asked_about_and_by_one_query(world: World) -> None:
    world.metrics, world.together = Store(), Together()
    running(world, "web", "cart", "idle")
    one = world.replica()
    for name in ("web", "cart"):
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    one.until(START, START + 4 * TICK)
    assert isinstance(world.metrics, Store)
    by_tick: dict[datetime, list[str]] = {}
    for at, expression in world.metrics.instants:
        by_tick.setdefault(at, []).append(expression)
    assert len(by_tick) == 5
    first, *others = by_tick.values()
    assert first == ['errors{service=~"cart|web"}', 'errors{service="idle"}']  # whose watch ended while nobody looked
    assert others == [['errors{service=~"cart|web"}']] * 4


def test_the_bad_one_of_several_is_rolled_back_alone(world: World) -> None:
    world.metrics, world.together = Store(), Together()
    running(world, "web", "cart")
    one = world.replica()
    for name in ("web", "cart"):
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, START + 3 * MINUTE)
    assert world.reverts() == 1
    assert "Ship web" in next(subject for subject in world.commits() if subject.startswith("Revert"))


def test_a_watch_that_is_over_costs_no_query(world: World) -> None:
    world.metrics, world.together = Store(), Together()
    running(world, "web", "cart")
    one = world.replica()
    for name in ("web", "cart"):
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    state = world.engine.states["cart"]
    world.engine.states["cart"] = replace(state, health_changed_at=START + MINUTE)
    late = START + 50 * MINUTE
    one.tick(START)
    one.tick(late)
    one.tick(late + TICK)
    assert isinstance(world.metrics, Store)
    assert [expression for at, expression in world.metrics.instants if at > late] == []
