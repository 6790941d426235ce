"""A store that answers in buckets of time, which arrive late: for each instant the newest whole one, and no other.

What Datadog and CloudWatch share: limits, rests after a 429, long spans in parts, and no key in any message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.adapters.http import Http, HttpAnswer, HttpFailed
from gitops_rollback.adapters.metrics.answers import Asked, Malformed
from gitops_rollback.adapters.metrics.limits import Rest, Turnstile
from gitops_rollback.adapters.origins import OutboundBlocked
from gitops_rollback.core.buckets import newest_bucket
from gitops_rollback.core.errors import QueryInvalid, Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series

MOST_BUCKETS = 1_000  # of one request
PLACES = {"query": 6, "query_range": 2}
PER_MINUTE = 600

Labels = tuple[tuple[str, str], ...]
Points = dict[Labels, dict[datetime, float]]  # by series and by the beginning of the bucket
Buckets = tuple[datetime, datetime]  # the beginnings of the first one and of the last one


@dataclass(frozen=True)
class Dialect:
    """What one store does its own way. `send` raises what HTTP and reading raise, and `TooOften`."""

    store: str
    bucket: Callable[[str], timedelta]  # raises QueryInvalid
    arrival: timedelta
    send: Callable[[Asked, Buckets, timedelta, timedelta], Points | Answer]
    secrets: tuple[str, ...]


class TooOften(Exception):
    """The store says that it was asked too often; its answer may say for how long it wants to be left alone."""

    def __init__(self, received: HttpAnswer) -> None:
        super().__init__()
        self.received = received


class BucketedSource:
    """A `MetricSource` that answers for instants out of buckets; what is a store's own comes as its dialect.

    Safe for several threads; `close` when its settings are replaced.
    """

    def __init__(
        self, name: str, http: Http, dialect: Dialect, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._http = http
        self._dialect = dialect
        self._turnstile = Turnstile(PLACES, PER_MINUTE)
        self._rest = Rest(monotonic)

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """Each series' value in the newest whole bucket before `at`; one without a value there is left out."""
        return self._answered(Asked(expression, at, instant=True), (at,), timeout, priority)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """What `query` would have said at each instant from `start` to `end`, both inclusive."""
        instants = tuple(start + n * step for n in range((end - start) // step + 1))
        return self._answered(Asked(expression, end, instant=False), instants, timeout, start.timestamp())

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def _answered(self, asked: Asked, instants: Sequence[datetime], timeout: timedelta, priority: float) -> Answer:
        try:
            length = self._dialect.bucket(asked.query)
        except QueryInvalid as exc:
            return asked.invalid(exc.message)
        wanted = [newest_bucket(at, length, self._dialect.arrival) for at in instants]
        points: Points = {}
        first = wanted[0] if wanted else asked.at
        while wanted and first <= wanted[-1]:
            last = min(wanted[-1], first + (MOST_BUCKETS - 1) * length)
            found = self._asked(asked, (first, last), length, timeout, priority)
            if isinstance(found, Answer):
                return found
            for labels, values in found.items():
                points.setdefault(labels, {}).update(values)
            first = last + length
        return _answer(asked, dict(zip(instants, wanted, strict=True)), points)

    def _asked(
        self, asked: Asked, buckets: Buckets, length: timedelta, timeout: timedelta, priority: float
    ) -> Points | Answer:
        lane = "query" if asked.instant else "query_range"
        resting = self._rest.left()
        if resting > 0:
            detail = f"{self._dialect.store}'s rate limit is used up; it is asked again in {resting:.0f} s"
            return asked.failed(Reason.QUERY_BUDGET, detail)
        with self._turnstile.passing(lane, priority, timeout.total_seconds() / 2) as passed:
            if not passed:
                return asked.failed(Reason.QUERY_BUDGET, "the source's query limit is used up; it is asked again later")
            found = self._sent(asked, buckets, length, timeout)
        return self._redacted(found) if isinstance(found, Answer) else found

    def _sent(self, asked: Asked, buckets: Buckets, length: timedelta, timeout: timedelta) -> Points | Answer:
        try:
            return self._dialect.send(asked, buckets, length, timeout)
        except OutboundBlocked as exc:
            return asked.failed(exc.reason, str(exc))
        except (HttpFailed, Malformed) as exc:
            return asked.failed(Reason.METRICS_UNAVAILABLE, str(exc))
        except TooOften as exc:
            self._rest.begin(exc.received.headers)
            detail = f"{self._dialect.store}'s rate limit is used up (HTTP {exc.received.status})"
            return asked.failed(Reason.QUERY_BUDGET, detail)

    def _redacted(self, answer: Answer) -> Answer:
        detail = answer.detail
        for secret in filter(None, self._dialect.secrets):
            detail = detail.replace(secret, "[redacted]")
        return answer._replace(detail=detail)


def begun(past_milliseconds: int, buckets: Buckets, length: timedelta) -> datetime:
    """The bucket that begins so long after the first one. Raises: Malformed if none of those asked for does."""
    first, last = buckets
    past = timedelta(milliseconds=past_milliseconds)
    if not timedelta(0) <= past <= last - first or past % length:
        raise Malformed("it holds a time that begins none of the buckets that were asked for")
    return first + past


def finite_or_not(value: object) -> float:
    """A JSON number as a float. Raises: Malformed for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed("a value is not a number")
    try:
        return float(value)
    except OverflowError as exc:
        raise Malformed("a value is out of range") from exc


def _answer(asked: Asked, bucket_of: Mapping[datetime, datetime], points: Points) -> Answer:
    """A sample has the time of the instant that was asked about, as Prometheus does it."""
    series = []
    for labels, values in points.items():
        samples = tuple((at, values[began]) for at, began in bucket_of.items() if began in values)
        if samples:
            series.append(Series(labels, samples))
    return Answer(Outcome.VALUE, asked.at, asked.query, tuple(series), "vector" if asked.instant else "matrix")
