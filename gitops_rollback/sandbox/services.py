"""How the sandbox's services behave: what their metrics are, as a function of what was deployed when.

A service is bad while an image or a revision of it is named bad. Its counters are exact integrals of that, so that a
rate over any window, also one that was cut, is what a real Prometheus would answer for steady traffic.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitops_rollback.sandbox.prometheus import PrometheusSandbox

REQUESTS_PER_SECOND = 40.0
GOOD_ERROR_RATIO = 0.003
BAD_ERROR_RATIO = 0.079
GOOD_LATENCY_SECONDS = 0.4
RESTARTS_PER_SECOND_IN_A_LOOP = 1 / 30
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
WINDOW = re.compile(r"\[((?:\d+(?:ms|s|m|h|d))+)\]")  # never the class of a regex, as [a-z0-9] is
PART = re.compile(r"(\d+)(ms|s|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Behaviour:
    """What a service does while it runs something."""

    error_ratio: float = GOOD_ERROR_RATIO
    latency_seconds: float = GOOD_LATENCY_SECONDS
    restarts_per_second: float = 0.0
    requests_per_second: float = REQUESTS_PER_SECOND

    @property
    def failures_per_second(self) -> float:
        return self.requests_per_second * self.error_ratio


GOOD = Behaviour()
FAILING = Behaviour(error_ratio=BAD_ERROR_RATIO)
STOPPED = Behaviour(requests_per_second=0.0)
LOOPING = Behaviour(restarts_per_second=RESTARTS_PER_SECOND_IN_A_LOOP)


class Service:
    """One service's past: which behaviour since when. Thread-safe."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self.silent = False  # no series at all
        self._lock = threading.Lock()
        self._past: list[tuple[datetime, Behaviour]] = [(BEGINNING, GOOD)]

    def behave(self, behaviour: Behaviour, since: datetime) -> None:
        """From `since` on, until the next call."""
        with self._lock:
            if self._past[-1][1] != behaviour:
                self._past.append((since, behaviour))

    def mean(self, at: datetime, window: timedelta, of: Callable[[Behaviour], float]) -> float:
        """The mean of a behaviour's number over (at - window, at]."""
        start = at - window
        with self._lock:
            past = tuple(self._past)
        total = 0.0
        first = max(0, bisect_right(past, start, key=lambda change: change[0]) - 1)
        for index, (since, behaviour) in enumerate(past[first:], start=first):
            if since >= at:
                break
            end = past[index + 1][0] if index + 1 < len(past) else at
            covered = (min(end, at) - max(since, start)).total_seconds()
            total += max(0.0, covered) * of(behaviour)
        return total / window.total_seconds()

    def publish(self, prometheus: PrometheusSandbox) -> None:
        """Answer the queries of the shipped policies for this service."""
        mine = (f'service="{self.name}"', f'namespace="{self.namespace}"')
        prometheus.set_evaluator(_naming("http_requests_total", mine[0]), self._total)
        prometheus.set_evaluator(_naming("http_requests_total", mine[0], "5.."), self._failed)
        prometheus.set_evaluator(_naming("http_request_duration_seconds_bucket", mine[0]), self._latency)
        prometheus.set_evaluator(
            _naming("kube_pod_container_status_restarts_total", mine[1], self.name), self._restarts
        )

    def _total(self, query: str, at: datetime) -> float | None:
        """Per second; the counter itself where no rate is asked for."""
        if self.silent:
            return None
        return self._counted(query, at, lambda behaviour: behaviour.requests_per_second)

    def _failed(self, query: str, at: datetime) -> float | None:
        return None if self.silent else self._counted(query, at, lambda behaviour: behaviour.failures_per_second)

    def _counted(self, query: str, at: datetime, of: Callable[[Behaviour], float]) -> float:
        if WINDOW.search(query) is None:
            passed = at - BEGINNING
            return passed.total_seconds() * self.mean(at, passed, of)
        return self.mean(at, window_of(query), of)

    def _latency(self, query: str, at: datetime) -> float | None:
        if self.silent:
            return None
        return self.mean(at, window_of(query), lambda behaviour: behaviour.latency_seconds)

    def _restarts(self, query: str, at: datetime) -> float | None:
        window = window_of(query)
        rate = self.mean(at, window, lambda behaviour: behaviour.restarts_per_second)
        return None if self.silent else rate * window.total_seconds()


def window_of(query: str) -> timedelta:
    """The first range of a query; a minute where it has none."""
    found = WINDOW.search(query)
    seconds = sum(int(count) * UNITS[unit] for count, unit in PART.findall(found[1])) if found else 60.0
    return timedelta(seconds=max(seconds, 1.0))


def _naming(*words: str) -> Callable[[str], bool]:
    return lambda query: all(word in query for word in words)
