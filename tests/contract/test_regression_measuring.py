"""A regression trigger over real HTTP: raw counters of Pods, tick by tick, and read back after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from test_prometheus_measuring import T0, SteppedClock, World, a_policy, a_subject

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.verdict_evidence import verdict_evidence
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.trigger import BaselineLevel, Level
from gitops_rollback.sandbox.prometheus import Fault, PrometheusSandbox, Vector

RISE = Trigger(
    "rise",
    "regression",
    bad='http_requests_total{service="$SERVICE",status=~"5.."}',
    total='http_requests_total{service="$SERVICE"}',
    immediate=True,
)


@dataclass
class Pods:
    """Two Pods of the old version until T0, two of the new one after; each serves `rate` requests a second."""

    rate: float = 50.0
    before: float = 0.001  # the share that fails
    after: float = 0.05
    worse_since: float = 0.0  # seconds since T0
    born: dict[str, float] = field(default_factory=lambda: {"old": -5 * 86400.0, "new": 0.0})

    def counters(self, query: str, at: datetime) -> Vector:
        now = (at - T0).total_seconds()
        version = "old" if now < 0 else "new"
        if now < self.born[version]:
            return []
        found = []
        for pod in (f"{version}-1", f"{version}-2"):
            bad = self._failed(now, version)
            found += [({"pod": pod, "status": "500"}, bad)] if bad else []
            if "5.." not in query:
                found.append(({"pod": pod, "status": "200"}, (now - self.born[version]) * self.rate - bad))
        return found

    def _failed(self, now: float, version: str) -> int:
        born = self.born[version]
        usual = int((min(now, max(born, self.worse_since)) - born) * self.rate * self.before)
        return usual + int(max(0.0, now - max(born, self.worse_since)) * self.rate * self.after)


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
def world(pods: Pods) -> Iterator[World]:
    sandbox = PrometheusSandbox(SteppedClock())
    sandbox.start()
    sandbox.set_evaluator("http_requests_total", pods.counters)
    settings = PrometheusSettings("prom", sandbox.url, max_queries_per_minute=100_000)
    source = PrometheusSource(settings, OriginRules.parse([], [sandbox.url]))
    yield World(sandbox, source, Measuring(lambda _settings: source))
    source.close()
    sandbox.stop()


def subject() -> Subject:
    return a_subject(a_policy(RISE))


def test_what_rises_with_the_deployment_fires_and_says_the_numbers(world: World) -> None:
    quiet = world.look(9, subject())
    assert (quiet.fires, quiet.reason) == (False, Reason.QUIET)
    fired = world.live(90, subject(), start=24)
    assert (fired.fires, fired.reason, fired.baseline.level) == (True, None, BaselineLevel.QUIET)
    assert "requests failed (5%), 0.1% before" in fired.message
    assert fired.measurement is not None
    assert fired.measurement.value == pytest.approx(0.05, abs=0.005)


def test_the_journal_keeps_the_numbers_that_the_sentence_tells(world: World) -> None:
    verdicts = (world.look(9, subject()), world.live(90, subject(), start=24))
    kept = [json.loads(json.dumps(verdict_evidence(one), allow_nan=False)) for one in verdicts]
    quiet, fired = (one["counts"] for one in kept)
    assert list(fired) == ["bad", "of", "normalUpTo", "plainLimit", "evidence", "needed", "dispersion"]
    assert fired["bad"] / fired["of"] == pytest.approx(kept[1]["value"])
    assert fired["evidence"] >= fired["needed"] > quiet["evidence"]
    assert kept[1]["value"] > fired["plainLimit"] >= fired["normalUpTo"] > kept[1]["baselineValue"]
    assert f"a plain limit of {100 * fired['plainLimit']:.3g}%" in kept[1]["message"]


def test_what_stays_as_it_was_does_not_fire(world: World, pods: Pods) -> None:
    pods.after = 0.001
    assert world.live(300, subject()).reason is Reason.QUIET


def test_a_restart_reads_the_same_state_back(world: World) -> None:
    lived = world.live(75, subject())
    again = world.restarted().look(62, subject())
    assert again.state == lived.state
    assert again.message == lived.message


def test_what_was_so_before_is_not_ours(world: World, pods: Pods) -> None:
    pods.worse_since = -120.0
    fired = world.live(151, subject())
    assert (fired.reason, fired.baseline.level) == (Reason.NOT_OURS, BaselineLevel.FIRING)


def test_no_answer_is_no_verdict_and_is_caught_up(world: World) -> None:
    world.live(31, subject())
    world.sandbox.fault = Fault.ERROR
    failed = world.look(46, subject())
    assert not failed.fires
    assert failed.state.last is not None
    assert failed.state.last.level is Level.ERROR
    world.sandbox.fault = Fault.NONE
    assert world.live(91, subject(), start=61).fires


def test_a_store_without_series_is_no_data(world: World) -> None:
    world.sandbox.fault = Fault.EMPTY
    assert world.live(60, subject()).reason in (Reason.NO_DATA, Reason.TELEMETRY_LOST)


def test_little_traffic_before_is_no_baseline(world: World, pods: Pods) -> None:
    pods.rate, pods.after, pods.born["old"] = 20.0, 0.9, -8.0
    fired = world.live(120, subject())
    assert (fired.reason, fired.baseline.level) == (Reason.NO_BASELINE, BaselineLevel.NONE)


def test_few_requests_are_judged_by_a_whole_day(world: World, pods: Pods) -> None:
    pods.rate = 1.0
    world.look(9, subject())
    starts = {str(asked.form.get("start")) for asked in world.sandbox.asked}
    assert len(starts) == 2


def test_looks_between_two_ticks_of_fifteen_seconds_say_the_same(world: World) -> None:
    quick = replace(
        subject(),
        policy=replace(subject().policy, timing=replace(subject().policy.timing, interval=timedelta(seconds=5))),
    )
    said = [world.look(seconds, quick).message for seconds in (69, 74, 79)]
    assert said[0] == said[1] == said[2]


QUEUE = Trigger("queue", "gauge", query='queue_length{service="$SERVICE"}', immediate=True)


def waiting(world: World, then: float, before: float = 10.0) -> Subject:
    """A queue of 5 to 10, which is `then` since T0."""

    def length(at: datetime) -> float:
        seconds = (at - T0).total_seconds()
        return then if seconds >= 0 else before - seconds % 6

    world.sandbox.set_series("queue_length", length)
    return a_subject(a_policy(QUEUE))


def test_a_gauge_that_goes_beyond_what_it_reached_before_fires(world: World) -> None:
    asked = waiting(world, 30.0)
    fired = world.live(300, asked)
    assert (fired.fires, fired.reason) == (True, None)
    assert "samples were too high" in fired.message
    assert world.restarted().look(286, asked).message == fired.message


def test_a_gauge_within_what_it_reached_before_does_not(world: World) -> None:
    assert world.live(300, waiting(world, 9.0)).reason is Reason.QUIET


def test_a_gauge_without_a_past_has_no_baseline(world: World) -> None:
    world.sandbox.set_series("queue_length", lambda at: 30.0 if at >= T0 else None)
    told = world.live(60, a_subject(a_policy(QUEUE)))
    assert (told.fires, told.reason) == (False, Reason.NO_BASELINE)
    assert len(world.sandbox.asked) == 1
