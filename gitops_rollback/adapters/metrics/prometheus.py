"""One Prometheus-compatible metric source: Prometheus, Thanos, Mimir, Cortex, VictoriaMetrics.

Source: Prometheus HTTP API v1 (form-encoded POST, `time` as unix seconds); Thanos `partial_response`, `dedup`,
`max_source_resolution`; Mimir `X-Scope-OrgID`; VictoriaMetrics `nocache`, `deny_partial_response`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gitops_rollback.adapters.http import Failure, Http, HttpFailed, HttpSettings
from gitops_rollback.adapters.metrics.answers import Asked, read_answer
from gitops_rollback.adapters.metrics.limits import Outage, Turnstile
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer
from gitops_rollback.crash_points import crash_point

# Each asks its backend for a whole, fresh answer or an error, in place of a silent part.
FLAVOURS: Mapping[str, Mapping[str, str]] = {
    "prometheus": {},
    "mimir": {},
    "thanos": {"partial_response": "false", "dedup": "true", "max_source_resolution": "0"},
    "victoriametrics": {"nocache": "1", "deny_partial_response": "1"},
}

PROBE_PATIENCE = timedelta(seconds=2)


@dataclass(frozen=True)
class PrometheusSettings:
    """Where a source is and how we show who we are. `url` may have a path prefix, but no credentials and no query."""

    name: str
    url: str
    flavour: str = "prometheus"
    tenant: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    bearer_token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    max_in_flight: int = 8
    max_queries_per_minute: int = 600
    allowed_warnings: tuple[str, ...] = ()


class PrometheusSource:
    """A `MetricSource`. Safe for several threads; `close` when its settings are replaced."""

    def __init__(self, settings: PrometheusSettings, rules: OriginRules) -> None:
        """Raises: SettingsInvalid for a URL, flavour, header, file or limit that cannot be used."""
        _refuse_unusable(settings)
        self.name = settings.name
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._secrets = tuple(word for word in (settings.bearer_token, settings.password) if word)
        self._secrets += tuple(value for _, value in settings.headers if value)
        self._http = Http(
            rules,
            HttpSettings(
                settings.ca_file, settings.cert_file, settings.key_file, _headers(settings), settings.max_in_flight
            ),
        )
        ranges = max(1, settings.max_in_flight // 4)
        places = {"query": max(1, settings.max_in_flight - ranges), "query_range": ranges}
        self._turnstile = Turnstile(places, settings.max_queries_per_minute)
        self._outage = Outage()

    @crash_point("query")
    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """The instant value(s) at `at`; of queries that wait for a place the highest `priority` goes first."""
        asked = Asked(expression, at, instant=True, allowed_warnings=self._settings.allowed_warnings)
        return self._ask(asked, "query", {"query": expression, "time": _seconds(at)}, timeout, priority)

    @crash_point("range-query")
    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """Samples from `start` to `end`, both inclusive; the newest `start` goes first."""
        asked = Asked(expression, end, instant=False, allowed_warnings=self._settings.allowed_warnings)
        form = {
            "query": expression,
            "start": _seconds(start),
            "end": _seconds(end),
            "step": f"{step.total_seconds():.3f}",
        }
        return self._ask(asked, "query_range", form, timeout, start.timestamp())

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def _ask(self, asked: Asked, verb: str, form: Mapping[str, str], timeout: timedelta, priority: float) -> Answer:
        if refusal := self._outage.refusal(asked.at, lambda: self._probe(asked.at, min(timeout, PROBE_PATIENCE))):
            return self._redacted(asked.failed(Reason.METRICS_UNAVAILABLE, refusal))
        with self._turnstile.passing(verb, priority, timeout.total_seconds() / 2) as passed:
            if not passed:
                return asked.failed(Reason.QUERY_BUDGET, "the source's query limit is used up; it is asked again later")
            if refusal := self._outage.known():  # those that went before it found nobody
                return self._redacted(asked.failed(Reason.METRICS_UNAVAILABLE, refusal))
            return self._redacted(self._send(asked, verb, form, timeout))

    def _probe(self, at: datetime, timeout: timedelta) -> None:
        """A query that costs nothing, so that only whether somebody answers is told by it."""
        self._send(Asked("1", at, instant=False), "query", {"query": "1", "time": _seconds(at)}, timeout)

    def _send(self, asked: Asked, verb: str, form: Mapping[str, str], timeout: timedelta) -> Answer:
        whole = {**form, "timeout": f"{timeout // timedelta(milliseconds=1)}ms", **FLAVOURS[self._settings.flavour]}
        try:
            received = self._http.post_form(f"{self._base}/api/v1/{verb}", whole, timeout)
        except OutboundBlocked as exc:
            self._outage.answered()  # nobody is to be spared a request that is not sent; and this is the reason to tell
            return asked.failed(exc.reason, str(exc))
        except HttpFailed as exc:
            if exc.failure is not Failure.TOO_LARGE:
                self._outage.failed(str(exc), asked.at if exc.failure is Failure.CONNECT else None)
            return asked.failed(Reason.METRICS_UNAVAILABLE, str(exc), oversized=exc.failure is Failure.TOO_LARGE)
        answer = read_answer(asked, received)
        if received.status >= 500:
            self._outage.failed(answer.detail)
        else:
            self._outage.answered()
        return answer

    def _redacted(self, answer: Answer) -> Answer:
        detail = answer.detail
        for secret in self._secrets:
            detail = detail.replace(secret, "[redacted]")
        return answer if detail == answer.detail else answer._replace(detail=detail)


def _refuse_unusable(settings: PrometheusSettings) -> None:
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsInvalid(settings.name, "the URL must start with http:// or https://")
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsInvalid(settings.name, "the URL may hold a path prefix, but no credentials and no query")
    if settings.flavour not in FLAVOURS:
        raise SettingsInvalid(settings.name, f"the flavour is one of {', '.join(FLAVOURS)}")
    if settings.max_in_flight < 1 or settings.max_queries_per_minute < 1:
        raise SettingsInvalid(settings.name, "the query limits are at least 1")


def _headers(settings: PrometheusSettings) -> tuple[tuple[str, str], ...]:
    headers = list(settings.headers)
    if settings.tenant:
        headers.append(("X-Scope-OrgID", settings.tenant))
    if settings.bearer_token:
        headers.append(("Authorization", f"Bearer {settings.bearer_token}"))
    elif settings.username:
        pair = f"{settings.username}:{settings.password}".encode()
        headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode()}"))
    return tuple(headers)


def _seconds(at: datetime) -> str:
    return f"{at.timestamp():.3f}"
