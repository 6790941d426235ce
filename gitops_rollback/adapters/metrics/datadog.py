"""Datadog as a metric source: for each instant the newest bucket that is over and has arrived, and no other.

Source: docs.datadoghq.com, API v2 `POST /api/v2/query/timeseries` (times in milliseconds, `to` exclusive, `interval`
in milliseconds; `attributes.times`, and for each of `series` a list of `values` beside them, null where there is
nothing), `errors[]` as texts; Rate limits (429, `X-RateLimit-Reset` as seconds until it is over).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.adapters.http import Http, HttpAnswer, HttpSettings
from gitops_rollback.adapters.metrics.answers import Asked, Malformed, list_of, object_of, quoted, read_json
from gitops_rollback.adapters.metrics.bucketed import (
    BucketedSource,
    Buckets,
    Dialect,
    Labels,
    Points,
    TooOften,
    begun,
    finite_or_not,
)
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.datadog_query import ARRIVAL, bucket
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer

PATH = "/api/v2/query/timeseries"
KEY_HEADERS = ("DD-API-KEY", "DD-APPLICATION-KEY")


@dataclass(frozen=True)
class DatadogSettings:
    """`url` is the API of one Datadog site, such as https://api.datadoghq.eu."""

    name: str
    url: str
    api_key: str = field(default="", repr=False)
    application_key: str = field(default="", repr=False)


class DatadogSource(BucketedSource):
    """A `MetricSource`. Safe for several threads; `close` when its settings are replaced."""

    def __init__(
        self, settings: DatadogSettings, rules: OriginRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: SettingsInvalid for a key that no header can carry."""
        self._url = settings.url.rstrip("/") + PATH
        keys = (settings.api_key, settings.application_key)
        http = Http(rules, HttpSettings(headers=tuple(zip(KEY_HEADERS, keys, strict=True))))
        super().__init__(settings.name, http, Dialect("Datadog", bucket, ARRIVAL, self._send, keys), monotonic)

    def _send(self, asked: Asked, buckets: Buckets, length: timedelta, timeout: timedelta) -> Points | Answer:
        body = json.dumps(_request(asked.query, buckets, length)).encode()
        received = self._http.post(self._url, body, "application/json", timeout)
        if received.status == 429:
            raise TooOften(received)
        try:
            return _refusal(asked, received) or _points(received, buckets, length)
        except Malformed as exc:
            raise Malformed(f"HTTP {received.status}: {exc}") from exc


def _request(query: str, buckets: Buckets, length: timedelta) -> Mapping[str, object]:
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


def _points(received: HttpAnswer, buckets: Buckets, length: timedelta) -> Points:
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


def _bucket(at: object, buckets: Buckets, length: timedelta) -> datetime:
    """The bucket that a time names. One that was not asked for shows that another interval was taken: unusable."""
    if isinstance(at, bool) or not isinstance(at, int):
        raise Malformed("a time is not in milliseconds")
    return begun(at - _milliseconds(buckets[0]), buckets, length)


def _row(times: Sequence[datetime], row: Sequence[object]) -> dict[datetime, float]:
    if len(row) != len(times):
        raise Malformed("a series has not as many values as there are times")
    return {at: finite_or_not(value) for at, value in zip(times, row, strict=True) if value is not None}


def _labels(tags: object) -> Labels:
    texts = [str(tag) for tag in list_of(tags or [], "group_tags")]
    return tuple(sorted((name, value) for name, _, value in (text.partition(":") for text in texts)))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000
