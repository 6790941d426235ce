"""Any service that answers JSON, as a metric source: one number at a place of what a path answers now.

It knows no past. So nobody can tell what was before a sync, and its triggers suggest at most.
Taken is a number, a bool, a numeric string, or `{"value": ..., "ts": seconds}`; whatever else stands there is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.http import Http, HttpAnswer, HttpFailed, HttpSettings
from gitops_rollback.adapters.metrics.answers import (
    NEWEST_SAMPLE,
    NUMBER,
    OLDEST_SAMPLE,
    Asked,
    Malformed,
    list_of,
    object_of,
    read_json,
)
from gitops_rollback.adapters.metrics.limits import Rest, Turnstile
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.core.errors import QueryInvalid, Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.web_query import parts

PLACES = {"query": 8}
PER_MINUTE = 600


@dataclass(frozen=True)
class WebSettings:
    """`url` is in front of each query's path. The token goes as a bearer's."""

    name: str
    url: str
    bearer_token: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class WebSource:
    """A `MetricSource`. Safe for several threads; `close` when its settings are replaced."""

    def __init__(
        self, settings: WebSettings, rules: OriginRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: SettingsInvalid for a token or header that cannot be sent."""
        self.name = settings.name
        self._base = settings.url.rstrip("/")
        self._token = settings.bearer_token
        bearer = (("Authorization", f"Bearer {self._token}"),) if self._token else ()
        self._http = Http(rules, HttpSettings(headers=(*settings.headers, *bearer)))
        self._turnstile = Turnstile(PLACES, PER_MINUTE)
        self._rest = Rest(monotonic)

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """The number that the service answers now, as that of `at`."""
        asked = Asked(expression, at, instant=True)
        try:
            path, place = parts(expression)
        except QueryInvalid as exc:
            return asked.invalid(exc.message)
        if self._rest.left() > 0:
            detail = f"the service's rate limit is used up; it is asked again in {self._rest.left():.0f} s"
            return asked.failed(Reason.QUERY_BUDGET, detail)
        with self._turnstile.passing("query", priority, timeout.total_seconds() / 2) as passed:
            if not passed:
                return asked.failed(Reason.QUERY_BUDGET, "the source's query limit is used up; it is asked again later")
            answer = self._sent(asked, path, place, timeout)
        return answer._replace(detail=answer.detail.replace(self._token, "[redacted]")) if self._token else answer

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """No series: what was so at another time than now is not known."""
        del start, step, timeout
        return Answer(Outcome.VALUE, end, expression, (), "matrix")

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def _sent(self, asked: Asked, path: str, place: Sequence[str | int], timeout: timedelta) -> Answer:
        try:
            received = self._http.get(self._base + path, timeout, {"Accept": "application/json"})
        except OutboundBlocked as exc:
            return asked.failed(exc.reason, str(exc))
        except HttpFailed as exc:
            return asked.failed(Reason.METRICS_UNAVAILABLE, str(exc))
        if received.status == 429:
            self._rest.begin(received.headers)
            return asked.failed(Reason.QUERY_BUDGET, "the service's rate limit is used up (HTTP 429)")
        return _answer(asked, received, place)


def _answer(asked: Asked, received: HttpAnswer, place: Sequence[str | int]) -> Answer:
    if received.status in (401, 403):
        return asked.failed(Reason.CREDENTIALS_REJECTED, f"the service refuses us (HTTP {received.status})")
    if not 200 <= received.status < 300:
        return asked.failed(Reason.METRICS_UNAVAILABLE, f"the service answers HTTP {received.status}")
    try:
        value = _number(_at(read_json(received.body), place), asked.at)
    except Malformed as exc:
        return asked.failed(Reason.METRICS_UNAVAILABLE, str(exc))
    return Answer(Outcome.VALUE, asked.at, asked.query, (Series((), ((asked.at, value),)),), "scalar")


def _at(found: object, place: Sequence[str | int]) -> object:
    for step in place:
        try:
            found = object_of(found, "")[step] if isinstance(step, str) else list_of(found, "")[step]
        except (Malformed, LookupError) as exc:
            raise Malformed(f"the answer has nothing at {step!r}") from exc
    return found


def _number(found: object, at: datetime) -> float:
    if isinstance(found, dict) and "value" in found:
        _refuse_other_time(found.get("ts"), at)
        found = found["value"]
    if isinstance(found, str) and NUMBER.fullmatch(found):
        return float(found)
    if not isinstance(found, int | float):  # a bool is an int
        raise Malformed("what stands there is no number")
    try:
        return float(found)
    except OverflowError as exc:
        raise Malformed("the number is out of range") from exc


def _refuse_other_time(said: object, at: datetime) -> None:
    if said is None:
        return
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise Malformed("`ts` is not in seconds")
    try:
        age = at - datetime.fromtimestamp(said, UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise Malformed("`ts` is out of range") from exc
    if age > OLDEST_SAMPLE or -age > OLDEST_SAMPLE + NEWEST_SAMPLE:
        raise Malformed(f"the number is {abs(age.total_seconds()):.0f} s away from the instant that was asked for")
