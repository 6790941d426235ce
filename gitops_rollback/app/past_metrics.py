"""A metric source as it would have answered at past instants, and no later. Many instants are read by one range query.

What a range query gives for an instant equals an instant query at it, where both stand on the same grid.
Source: Prometheus HTTP API v1 (`query_range`, at most 11,000 points a series).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from gitops_rollback.app.queries import EPOCH, MAX_POINTS
from gitops_rollback.core.errors import QueryInvalid, Reason, TransientError
from gitops_rollback.core.measurement import Answer, Outcome, by_instant
from gitops_rollback.core.policy import MetricSettings
from gitops_rollback.ports import MetricSource

POINTS = 240  # of one range query that stands for instant ones
KEPT = 512
PATIENCE = timedelta(minutes=2)  # Prometheus' own; nothing waits for the answer but a person
TRIES = 3

Now = Callable[[], datetime]


class PastMetrics:
    """A `MetricSource` in front of another one. `now` is the past instant that is being looked at."""

    def __init__(self, source: MetricSource, now: Now, step: timedelta) -> None:
        self.name = source.name
        self._source = source
        self._now = now
        self._step = step
        self._kept: OrderedDict[tuple[str, datetime], Mapping[datetime, Answer]] = OrderedDict()

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """As in `ports.MetricSource`. Raises: TransientError; QueryInvalid."""
        at = min(at, self._now())
        start = at - (at - EPOCH) % (POINTS * self._step)
        if (at - start) % self._step:
            return self._answered(expression, lambda: self._source.query(expression, at, PATIENCE, priority))
        known = self._kept.get((expression, start))
        if known is None:
            known = self._kept[expression, start] = self._read(expression, start)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return known[at]

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """As in `ports.MetricSource`; nothing after `now`. Raises: TransientError; QueryInvalid."""
        end = min(end, self._now())
        if (end - start) // step < MAX_POINTS:
            return self._answered(expression, lambda: self._source.query_range(expression, start, end, step, PATIENCE))
        middle = start + (MAX_POINTS - 1) * step
        first = self.query_range(expression, start, middle, step, timeout)
        return joined(first, self.query_range(expression, middle + step, end, step, timeout))

    def _read(self, expression: str, start: datetime) -> Mapping[datetime, Answer]:
        """What lies ahead of `now` among these is never given away before its time."""
        instants = [start + n * self._step for n in range(POINTS)]
        answer = self._answered(
            expression,
            lambda: self._source.query_range(expression, start, instants[-1], self._step, PATIENCE),
        )
        return dict(zip(instants, by_instant(answer, instants, self._step / 4), strict=True))

    def _answered(self, expression: str, ask: Callable[[], Answer]) -> Answer:
        """An answer with a value, or none at all: half of a past is worse than none."""
        answer = ask()
        for _ in range(TRIES - 1):
            if answer.outcome is not Outcome.ERROR:
                break
            answer = ask()
        if answer.outcome is Outcome.ERROR:
            raise TransientError(self.name, answer.detail or "did not answer", Reason.METRICS_UNAVAILABLE)
        if answer.outcome is Outcome.INVALID:
            raise QueryInvalid(self.name, f"refuses {expression!r}: {answer.detail}; mend the trigger's query")
        return answer


def joined(first: Answer, second: Answer) -> Answer:
    """Two answers to one expression over times that follow each other, as one."""
    samples = {series.labels: series.samples for series in first.series}
    for series in second.series:
        samples[series.labels] = (*samples.get(series.labels, ()), *series.samples)
    whole = tuple(second.series[0]._replace(labels=labels, samples=of) for labels, of in samples.items())
    return second._replace(series=whole) if second.series else first


class PastSources:
    """Finds the source of a policy as `wiring.MetricSources` does, and puts the past in front of it."""

    def __init__(self, found: Callable[[MetricSettings], MetricSource], now: Now, step: timedelta) -> None:
        self._found = found
        self._now = now
        self._step = step
        self._by_source: dict[int, PastMetrics] = {}

    def of(self, wanted: MetricSettings) -> MetricSource:
        """Raises: SettingsInvalid; OutboundBlocked."""
        source = self._found(wanted)
        return self._by_source.setdefault(id(source), PastMetrics(source, self._now, self._step))

    def close(self) -> None:
        """Nothing of its own is held."""
