"""A rollback that a comparison with before asked for is verified by the same counts, without any named check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest
from app_world import MINUTE, POLICIES, START, TICK, MemoryMetrics, Replica, World, policy, pushed, running, ship

from gitops_rollback.core.clearance import clearance, comparing
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.rollback import RollbackRecord

QUERY = """      query: errors{service="$SERVICE"}
      comparison: greater_than
      threshold: 0.05
      for: 30s
"""
COMPARES = '      type: regression\n      bad: bad{service="$SERVICE"}\n      total: total{service="$SERVICE"}\n'
SECOND = timedelta(seconds=1)
Earlier = Callable[["World", "Counters"], str]


@dataclass
class Counters(MemoryMetrics):
    """One counter of requests, a hundred a second, and one of those that fail: one in a thousand but for `worse`."""

    per_second: float = 100.0
    worse: list[tuple[datetime, datetime, float]] = field(default_factory=list)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        if self.down:
            return Answer(Outcome.ERROR, end, expression, detail="connection refused")
        times = [start + n * step for n in range((end - start) // step + 1)]
        count = self._bad if expression.startswith("bad") else self._total
        return Answer(
            Outcome.VALUE, end, expression, (Series((), tuple((at, count(at)) for at in times)),), kind="matrix"
        )

    def _total(self, at: datetime) -> float:
        return self.per_second * max(0.0, (at - START + timedelta(days=3)) / SECOND)

    def _bad(self, at: datetime) -> float:
        more = sum(
            share * self.per_second * max(0.0, (min(at, end) - since) / SECOND) for since, end, share in self.worse
        )
        return float(int(0.001 * self._total(at) + more))


@dataclass
class Story:
    world: World
    one: Replica
    metrics: Counters

    def ends(self, at: datetime) -> RollbackRecord:
        """The one rollback, as it is at `at`."""
        (record,) = pushed(self.one.until(START, at)[-1])
        return record


def broken_and_mended(world: World, metrics: Counters) -> str:
    """A hundred minutes ago a deployment broke one request in twenty for ten minutes; the version that mended it."""
    for minutes, old, new in ((100, "1.0", "1.1"), (90, "1.1", "1.2")):
        at = START - minutes * MINUTE
        world.engine.deploy("web", ship(world, "web", at - MINUTE, old, new), at)
    metrics.worse.append((START - 100 * MINUTE, START - 90 * MINUTE, 0.05))
    return "1.2"


def broken_since(world: World, metrics: Counters) -> str:
    """A deployment twenty minutes ago broke one request in a hundred, and nobody has mended that."""
    at = START - 20 * MINUTE
    world.engine.deploy("web", ship(world, "web", at - MINUTE), at)
    metrics.worse.append((at, START + 60 * MINUTE, 0.01))
    return "1.1"


def well(_world: World, _metrics: Counters) -> str:
    return "1.0"


@pytest.fixture
def story(world: World) -> Callable[..., Story]:
    """5 % fail from the deployment at START on, for so long after it; the trigger was right about the past."""

    def begun(per_second: float, lasts: timedelta, share: float = 0.05, earlier: Earlier = well) -> Story:
        world.metrics = metrics = Counters(per_second=per_second)
        metrics.worse.append((START, START + lasts, share))
        running(world, "web", since=START - 150 * MINUTE)
        text = policy("web").replace(QUERY, COMPARES).replace("holdFor: 30s, timeout: 5m", "holdFor: 1m, timeout: 15m")
        world.people.push("Compare", {f"{POLICIES}/web.yaml": text}, START - 140 * MINUTE)
        version = earlier(world, metrics)
        world.engine.deploy("web", ship(world, "web", START - MINUTE, version, "2.0"), START)
        one = world.replica()
        first = one.tick(START - TICK)
        (watched,) = first.listing.watched
        tested = clearance(watched.name, watched.policy, comparing(watched.policy), "the backtest", START - TICK)
        assert tested is not None
        one.reconciler.executor.enter(tested)
        return Story(world, one, metrics)

    return begun


def test_it_is_verified_once_the_counts_since_the_switch_are_normal(story: Callable[..., Story]) -> None:
    told = story(100.0, MINUTE + 15 * SECOND)
    record = told.ends(START + 8 * MINUTE)
    assert (record.outcome, record.reason) == ("verified", "Verified")
    assert "so surely at most" in record.message
    assert told.world.reverts() == 1


def test_it_is_not_verified_by_what_was_counted_before_the_switch(story: Callable[..., Story]) -> None:
    told = story(100.0, 2 * MINUTE)
    record = told.ends(START + 3 * MINUTE + 30 * SECOND)
    assert (record.outcome, record.phase) == (None, "Verifying")


def test_what_did_not_help_pages_long_before_the_time_is_over(story: Callable[..., Story]) -> None:
    told = story(100.0, 60 * MINUTE)
    record = told.ends(START + 7 * MINUTE)
    assert (record.outcome, record.reason) == ("unverified", "StillBad")
    assert "where up to" in record.message
    assert told.one.told.messages[-1].page
    told.one.until(START + 7 * MINUTE, START + 9 * MINUTE)
    assert told.world.reverts() == 1


def test_too_little_traffic_to_tell_ends_unverified_with_the_numbers(story: Callable[..., Story]) -> None:
    told = story(3.0, 2 * MINUTE)
    told.metrics.worse = [(START, START + 2 * MINUTE, 0.5)]
    record = told.ends(START + 19 * MINUTE)
    assert (record.outcome, record.reason) == ("unverified", "VerificationTimeout")
    assert "without one would show" in record.message


def test_a_store_that_does_not_answer_never_verifies(story: Callable[..., Story]) -> None:
    told = story(100.0, 2 * MINUTE)
    told.one.until(START, START + 2 * MINUTE)
    told.metrics.down = True
    (record,) = pushed(told.one.until(START + 2 * MINUTE + TICK, START + 18 * MINUTE)[-1])
    assert (record.outcome, record.reason) == ("unverified", "VerificationTimeout")
    assert "connection refused" in record.message


def test_what_was_mended_before_hides_no_later_fault_and_clears_none(story: Callable[..., Story]) -> None:
    """One in a hundred fails after an hour and a half since one in twenty did, which a person mended."""
    told = story(100.0, 60 * MINUTE, 0.01, earlier=broken_and_mended)
    record = told.ends(START + 9 * MINUTE)
    assert record.times["fired"] - START <= 2 * MINUTE
    assert (record.outcome, record.reason) == ("unverified", "StillBad")
    watches = cast(Mapping[str, Sequence[object]], record.evidence["watches"])
    assert len(watches["default/Application/argocd/web"]) == 3


def test_it_is_verified_by_what_was_normal_before_the_earlier_fault(story: Callable[..., Story]) -> None:
    told = story(100.0, 2 * MINUTE, 0.01, earlier=broken_and_mended)
    record = told.ends(START + 8 * MINUTE)
    assert (record.outcome, record.reason) == ("verified", "Verified")
    assert "0.15" in record.message


def test_what_another_deployment_broke_and_nobody_mended_is_not_ours(story: Callable[..., Story]) -> None:
    told = story(100.0, MINUTE, 0.0, earlier=broken_since)
    assert pushed(told.one.until(START, START + 8 * MINUTE)[-1]) == []
    assert told.one.told.messages == []


def test_what_is_worse_than_even_that_is_asked_about_and_not_taken_back(story: Callable[..., Story]) -> None:
    told = story(100.0, 60 * MINUTE, 0.3, earlier=broken_since)
    told.one.until(START, START + 4 * MINUTE)
    assert told.world.reverts() == 0
    (message,) = told.one.told.messages
    assert (message.event, message.reason) == ("suggested", "NoBaseline")
    assert "it was bad before the sync already, and is surely worse since" in message.text
