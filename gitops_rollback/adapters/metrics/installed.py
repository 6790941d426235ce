"""Metric providers that other packages bring, each one class behind an entry point.

Its name is the `provider` of policies. A package is trusted like our own code, since whoever installs it runs it; what
it raises or answers is not: a provider that breaks is an error of its own queries, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from gitops_rollback.adapters.http import Http, HttpFailed, HttpSettings
from gitops_rollback.adapters.metrics.answers import Asked, Malformed
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.adapters.packages import METRIC_GROUP, loaded
from gitops_rollback.core.errors import QueryInvalid, Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer
from gitops_rollback.core.other_query import asked as asked_of
from gitops_rollback.ports import MetricSource


@dataclass(frozen=True)
class Access:
    """What a policy's `metrics` give to a provider. `secret` is what its `secretRef` names, "" without one."""

    url: str
    rules: OriginRules
    secret: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def http(self, *headers: tuple[str, str]) -> Http:
        """A client that goes to allowed origins alone, and sends these headers. Raises: SettingsInvalid."""
        return Http(self.rules, HttpSettings(headers=(*self.headers, *headers)))


class ClosingSource(MetricSource, Protocol):
    """A metric source that holds connections."""

    def close(self) -> None: ...


def installed_source(name: str, access: Access) -> ClosingSource:
    """The provider of this name. Raises: SettingsInvalid if it cannot be made."""
    try:
        return InstalledSource(loaded(METRIC_GROUP, name)(access), access)
    except SettingsInvalid:
        raise
    except Exception as exc:
        raise SettingsInvalid(name, f"the installed provider cannot be used: {type(exc).__name__}") from exc


class InstalledSource:
    """A `MetricSource` around somebody else's: whatever goes wrong in there is an answer that says so."""

    def __init__(self, source: ClosingSource, access: Access) -> None:
        self.name = access.url
        self._source = source
        self._secret = access.secret

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """As the provider answers."""
        return self._answered(
            Asked(expression, at, instant=True), lambda text: self._source.query(text, at, timeout, priority)
        )

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """As the provider answers."""
        return self._answered(
            Asked(expression, end, instant=False),
            lambda text: self._source.query_range(text, start, end, step, timeout),
        )

    def close(self) -> None:
        """Close what the provider holds."""
        self._source.close()

    def _answered(self, asked: Asked, ask: Callable[[str], Answer]) -> Answer:
        try:
            answer = ask(asked_of(asked.query))._replace(query=asked.query)
        except QueryInvalid as exc:
            answer = asked.invalid(exc.message)
        except OutboundBlocked as exc:
            answer = asked.failed(exc.reason, str(exc))
        except (HttpFailed, Malformed) as exc:
            answer = asked.failed(Reason.METRICS_UNAVAILABLE, str(exc))
        except Exception as exc:
            answer = asked.failed(Reason.METRICS_UNAVAILABLE, f"the installed provider raised {type(exc).__name__}")
        return answer._replace(detail=answer.detail.replace(self._secret, "[redacted]")) if self._secret else answer
