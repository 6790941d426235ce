"""Datadog as a metric source: for each instant the newest bucket that is over and has arrived, and no other.

Source: docs.datadoghq.com, API v2 `POST /api/v2/query/timeseries` (times in milliseconds, `to` exclusive, `interval`
in milliseconds; `attributes.times`, and for each of `series` a list of `values` beside them, null where there is
nothing), `errors[]` as texts; Rate limits (429, `X-RateLimit-Reset` as seconds until it is over).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.adapters.http import Http, HttpAnswer, HttpFailed, HttpSettings
from gitops_rollback.adapters.metrics.answers import Asked, Malformed, list_of, object_of, quoted, read_json
from gitops_rollback.adapters.metrics.limits import Rest, Turnstile
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.core.datadog_query import bucket, newest_bucket
from gitops_rollback.core.errors import QueryInvalid, Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series

PATH = "/api/v2/query/timeseries"
MOST_BUCKETS = 1_000  # of one request: over some 1,500 points Datadog widens the interval unasked
PLACES = {"query": 6, "query_range": 2}
PER_MINUTE = 600
KEY_HEADERS = ("DD-API-KEY", "DD-APPLICATION-KEY")

Labels = tuple[tuple[str, str], ...]
Points = dict[Labels, dict[datetime, float]]  # by series and by the beginning of the bucket


@dataclass(frozen=True)
class DatadogSettings:
    """`url` is the API of one Datadog site, such as https://api.datadoghq.eu."""

    name: str
    url: str
    api_key: str = field(default="", repr=False)
    application_key: str = field(default="", repr=False)


class DatadogSource:
    """A `MetricSource`. Safe for several threads; `close` when its settings are replaced."""

    def __init__(
        self, settings: DatadogSettings, rules: OriginRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: SettingsInvalid for a key that no header can carry."""
        self.name = settings.name
        self._url = settings.url.rstrip("/") + PATH
        self._keys = (settings.api_key, settings.application_key)
        self._http = Http(rules, HttpSettings(headers=tuple(zip(KEY_HEADERS, self._keys, strict=True))))
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
            length = bucket(asked.query)
        except QueryInvalid as exc:
            return asked.invalid(exc.message)
        wanted = [newest_bucket(at, length) for at in instants]
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
        self, asked: Asked, buckets: tuple[datetime, datetime], length: timedelta, timeout: timedelta, priority: float
    ) -> Points | Answer:
        lane = "query" if asked.instant else "query_range"
        resting = self._rest.left()
        if resting > 0:
            detail = f"Datadog's rate limit is used up; it is asked again in {resting:.0f} s"
            return asked.failed(Reason.QUERY_BUDGET, detail)
        with self._turnstile.passing(lane, priority, timeout.total_seconds() / 2) as passed:
            if not passed:
                return asked.failed(Reason.QUERY_BUDGET, "the source's query limit is used up; it is asked again later")
            found = self._sent(asked, buckets, length, timeout)
        return self._redacted(found) if isinstance(found, Answer) else found

    def _sent(
        self, asked: Asked, buckets: tuple[datetime, datetime], length: timedelta, timeout: timedelta
    ) -> Points | Answer:
        body = json.dumps(_request(asked.query, buckets, length)).encode()
        try:
            received = self._http.post(self._url, body, "application/json", timeout)
        except OutboundBlocked as exc:
            return asked.failed(exc.reason, str(exc))
        except HttpFailed as exc:
            return asked.failed(Reason.METRICS_UNAVAILABLE, str(exc))
        if received.status == 429:
            self._rest.begin(received.headers)
            return asked.failed(Reason.QUERY_BUDGET, "Datadog's rate limit is used up (HTTP 429)")
        try:
            return _refusal(asked, received) or _points(received, buckets, length)
        except Malformed as exc:
            return asked.failed(Reason.METRICS_UNAVAILABLE, f"HTTP {received.status}: {exc}")

    def _redacted(self, answer: Answer) -> Answer:
        detail = answer.detail
        for key in filter(None, self._keys):
            detail = detail.replace(key, "[redacted]")
        return replace(answer, detail=detail)


def _request(query: str, buckets: tuple[datetime, datetime], length: timedelta) -> Mapping[str, object]:
    attributes = {
        "from": _milliseconds(buckets[0]),
        "to": _milliseconds(buckets[1] + length),
        "interval": length // timedelta(milliseconds=1),
        "queries": [{"data_source": "metrics", "name": "a", "query": query}],
        "formulas": [{"formula": "a"}],
    }
    return {"data": {"type": "timeseries_request", "attributes": attributes}}


def _refusal(asked: Asked, received: HttpAnswer) -> Answer | None:
    if received.status in (401, 403):
        detail = f"Datadog refuses the keys (HTTP {received.status}): is the site right, may they query timeseries?"
        return asked.failed(Reason.CREDENTIALS_REJECTED, detail)
    if received.status == 404:
        detail = "no Datadog API at this address (HTTP 404): write https://api.<site>"
        return asked.failed(Reason.METRICS_UNAVAILABLE, detail)
    if received.status == 400:
        return asked.invalid(_errors(object_of(read_json(received.body), "the answer")) or "Datadog refuses the query")
    if received.status != 200:
        return asked.failed(Reason.METRICS_UNAVAILABLE, f"Datadog answers HTTP {received.status}")
    partial = _errors(object_of(read_json(received.body), "the answer"))
    return asked.failed(Reason.METRICS_UNAVAILABLE, f"the answer is partial: {partial}") if partial else None


def _errors(payload: Mapping[str, object]) -> str:
    """The first of the answer's errors, which v2 gives as texts and, beside data, as one text; "" if it has none."""
    given = payload.get("errors")
    first = given[0] if isinstance(given, list) and given else given
    return quoted(str(first)) if first else ""


def _points(received: HttpAnswer, buckets: tuple[datetime, datetime], length: timedelta) -> Points:
    data = object_of(object_of(read_json(received.body), "the answer").get("data"), "data")
    if data.get("type") != "timeseries_response":
        raise Malformed("the answer is no timeseries_response")
    attributes = object_of(data.get("attributes"), "attributes")
    times = [_bucket(at, buckets, length) for at in list_of(attributes.get("times"), "times")]
    series, values = list_of(attributes.get("series"), "series"), list_of(attributes.get("values"), "values")
    if len(series) != len(values):
        raise Malformed("there are not as many lists of values as series")
    found: Points = {}
    for one, row in zip(series, values, strict=True):
        labels = _labels(object_of(one, "a series").get("group_tags"))
        if labels in found:
            raise Malformed("two series have the same tags")
        found[labels] = _row(times, list_of(row, "values"))
    return found


def _bucket(at: object, buckets: tuple[datetime, datetime], length: timedelta) -> datetime:
    """The bucket that a time names. One that was not asked for shows that another interval was taken: unusable."""
    first, last = buckets
    if isinstance(at, bool) or not isinstance(at, int):
        raise Malformed("a time is not in milliseconds")
    past = at - _milliseconds(first)
    if not 0 <= past <= _milliseconds(last) - _milliseconds(first) or past % (length // timedelta(milliseconds=1)):
        raise Malformed("it holds a time that begins none of the buckets that were asked for")
    return first + timedelta(milliseconds=past)


def _row(times: Sequence[datetime], row: Sequence[object]) -> dict[datetime, float]:
    if len(row) != len(times):
        raise Malformed("a series has not as many values as there are times")
    found = {}
    for at, value in zip(times, row, strict=True):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed("a value is not a number")
        found[at] = _float(value)
    return found


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError as exc:
        raise Malformed("a value is out of range") from exc


def _labels(tags: object) -> Labels:
    texts = [str(tag) for tag in list_of(tags or [], "group_tags")]
    return tuple(sorted((name, value) for name, _, value in (text.partition(":") for text in texts)))


def _answer(asked: Asked, bucket_of: Mapping[datetime, datetime], points: Points) -> Answer:
    """A sample has the time of the instant that was asked about, as Prometheus does it."""
    series = []
    for labels, values in points.items():
        samples = tuple((at, values[begun]) for at, begun in bucket_of.items() if begun in values)
        if samples:
            series.append(Series(labels, samples))
    return Answer(Outcome.VALUE, asked.at, asked.query, tuple(series), "vector" if asked.instant else "matrix")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000
