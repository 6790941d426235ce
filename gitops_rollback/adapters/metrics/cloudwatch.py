"""CloudWatch as a metric source: for each instant the newest bucket that is over and has arrived, and no other.

Source: CloudWatch API Reference, `GetMetricData` (JSON protocol 1.0 of botocore's model: `X-Amz-Target
GraniteServiceVersion20100801.GetMetricData`; times in seconds, `EndTime` exclusive; results of one query that share
its `Id` and differ in `Label`; `StatusCode` Complete, PartialData, InternalError or Forbidden; `NextToken`;
`Messages`); Common Errors (`__type`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gitops_rollback.adapters.http import Http, HttpAnswer
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
from gitops_rollback.adapters.metrics.sigv4 import Credentials, Signer
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.cloudwatch_query import ARRIVAL, bucket
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer

TARGET = "GraniteServiceVersion20100801.GetMetricData"
CONTENT_TYPE = "application/x-amz-json-1.0"
REGION = re.compile(r"(?:^|\.)monitoring(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
DEFAULT_REGION = "us-east-1"  # of the name without a region, monitoring.amazonaws.com
MOST_PAGES = 20
ACCESS = re.compile(r"Access|Token|Signature|Credential|Unrecognized|OptIn|Authenti|NotAuthorized", re.IGNORECASE)
TOO_OFTEN = re.compile(r"Throttl|RequestLimit|TooManyRequests|LimitExceeded|SlowDown", re.IGNORECASE)
WRONG = re.compile(r"Validation|InvalidParameter|MissingParameter|MissingRequired|InvalidFormat", re.IGNORECASE)


@dataclass(frozen=True)
class CloudwatchSettings:
    """`url` is the endpoint of one region. `access_key` as `Credentials.of` reads it."""

    name: str
    url: str
    access_key: str = field(default="", repr=False)


class CloudwatchSource(BucketedSource):
    """A `MetricSource`. Safe for several threads; `close` when its settings are replaced."""

    def __init__(
        self, settings: CloudwatchSettings, rules: OriginRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: SettingsInvalid for a key that is no pair."""
        self._url = settings.url.rstrip("/") + "/"
        credentials = Credentials.of(settings.access_key)
        if credentials is None:
            raise SettingsInvalid(settings.name, "the secret is no `access key id:secret access key`")
        region = REGION.search(urlsplit(settings.url).hostname or "")
        self._signer = Signer(credentials, region[1] if region else DEFAULT_REGION, "monitoring")
        secrets = (credentials.secret_key, credentials.session_token, credentials.key_id)
        dialect = Dialect("CloudWatch", bucket, ARRIVAL, self._send, secrets)
        super().__init__(settings.name, Http(rules), dialect, monotonic)

    def _send(self, asked: Asked, buckets: Buckets, length: timedelta, timeout: timedelta) -> Points | Answer:
        """All pages of one answer; a part of it is worth nothing."""
        points: Points = {}
        states: dict[Labels, str] = {}
        request = _request(asked.query, buckets, length)
        for _ in range(MOST_PAGES):
            body = json.dumps(request).encode()
            headers = self._signer.headers(self._url, body, {"Content-Type": CONTENT_TYPE, "X-Amz-Target": TARGET})
            received = self._http.send("POST", self._url, timeout, body, headers)
            try:
                payload = object_of(read_json(received.body), "the answer")
                if received.status != 200:
                    return _refusal(asked, received, payload)
                partial = _messages(payload)
                for labels, state, values in _results(payload, buckets, length):
                    states[labels] = state
                    points.setdefault(labels, {}).update(values)
            except Malformed as exc:
                raise Malformed(f"HTTP {received.status}: {exc}") from exc
            token = payload.get("NextToken")
            if partial or not token:
                return _whole(asked, points, states, partial)
            request = {**request, "NextToken": str(token)}
        raise Malformed("the answer has too many pages; select fewer metrics")


def _request(query: str, buckets: Buckets, length: timedelta) -> dict[str, object]:
    wanted = {"Id": "a", "Expression": query, "Period": int(length.total_seconds()), "ReturnData": True}
    first, last = buckets
    return {
        "MetricDataQueries": [wanted],
        "StartTime": int(first.timestamp()),
        "EndTime": int((last + length).timestamp()),
        "ScanBy": "TimestampAscending",
    }


def _refusal(asked: Asked, received: HttpAnswer, payload: Mapping[str, object]) -> Answer:
    """Raises: TooOften."""
    error = str(payload.get("__type", "")).rpartition("#")[2]
    said = quoted(str(payload.get("message") or payload.get("Message") or error or "no reason given"))
    if received.status == 429 or TOO_OFTEN.search(error):
        raise TooOften(received)
    if received.status in (401, 403) or ACCESS.search(error):
        detail = f"CloudWatch refuses us (HTTP {received.status}, {quoted(error)}): may the key call GetMetricData?"
        return asked.failed(Reason.CREDENTIALS_REJECTED, detail)
    if received.status == 400 and WRONG.search(error):
        return asked.invalid(said)
    return asked.failed(Reason.METRICS_UNAVAILABLE, f"CloudWatch answers HTTP {received.status}: {said}")


def _messages(found: Mapping[str, object]) -> str:
    """What it says besides data: that not all could be had. "" if nothing."""
    messages = found.get("Messages")
    if not messages:
        return ""
    first = object_of(list_of(messages, "Messages")[0], "a message")
    return quoted(f"{first.get('Code')}: {first.get('Value')}")


def _results(
    payload: Mapping[str, object], buckets: Buckets, length: timedelta
) -> Iterator[tuple[Labels, str, dict[datetime, float]]]:
    """Of each series of a page its labels, its state and its values."""
    results = [object_of(one, "a result") for one in list_of(payload.get("MetricDataResults"), "MetricDataResults")]
    names = [str(one.get("Label", "")) for one in results]
    if len(set(names)) < len(names):
        raise Malformed("two series have the same label")
    for name, one in zip(names, results, strict=True):
        times, values = list_of(one.get("Timestamps"), "Timestamps"), list_of(one.get("Values"), "Values")
        if len(times) != len(values):
            raise Malformed("a series has not as many values as timestamps")
        found = {_bucket(at, buckets, length): finite_or_not(value) for at, value in zip(times, values, strict=True)}
        said = _messages(one)
        yield (("label", name),), f"PartialData, {said}" if said else str(one.get("StatusCode")), found


def _bucket(at: object, buckets: Buckets, length: timedelta) -> datetime:
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise Malformed("a timestamp is not in seconds")
    return begun(round((at - buckets[0].timestamp()) * 1000), buckets, length)


def _whole(asked: Asked, points: Points, states: Mapping[Labels, str], partial: str) -> Points | Answer:
    """The points, if CloudWatch says that these are all."""
    if "Forbidden" in states.values():
        return asked.failed(Reason.CREDENTIALS_REJECTED, "CloudWatch refuses this metric: may the key read it?")
    partial = partial or next((state for state in states.values() if state != "Complete"), "")
    if partial:
        return asked.failed(Reason.METRICS_UNAVAILABLE, f"the answer is partial: {partial}")
    return points
