"""Which alerts are active now? Asked of one Alertmanager, or of all peers of a cluster of them.

A webhook only says when to look: it may be cut (`truncatedAlerts`), come twice from two peers, or late. Each peer gets
every alert, so one that answers is enough; one that was just started may know none yet, so all are asked.
One that hears no alerts at all looks as quiet as one that has none to hear, and is told apart by an alert that is
always active (`Watchdog` in kube-prometheus): without that, no alert is no word.
Source: alertmanager `api/v2/openapi.yaml` (`GET /alerts`, `filter` given several times; `gettableAlert`).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from gitops_rollback.adapters.http import Http, HttpAnswer, HttpFailed, HttpSettings
from gitops_rollback.adapters.metrics.answers import Malformed, list_of, object_of, read_json
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.alerts import ACTIVE, Alert, together
from gitops_rollback.core.errors import CredentialsRejected, Reason, RollbackError, TransientError

HEARD_SECONDS = 10.0  # so long one sight of the watchdog is enough, for all applications
STATES = ("active", "suppressed", "unprocessed")


@dataclass(frozen=True)
class AlertmanagerSettings:
    """`urls` are the peers of one cluster, each may have a path prefix. `clusters` () serves all applications.

    `watchdog` are the labels of an alert that is always active; () where there is none.
    """

    name: str
    urls: tuple[str, ...]
    tenant: str = ""
    bearer_token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    clusters: tuple[str, ...] = ()
    watchdog: tuple[tuple[str, str], ...] = ()


class Alertmanager:
    """One cluster of peers. Safe for several threads; `close` when its settings are replaced."""

    def __init__(
        self, settings: AlertmanagerSettings, rules: OriginRules, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises: SettingsInvalid for a header or file that cannot be used."""
        self.settings = settings
        self._now = monotonic
        self._heard = float("-inf")  # when the watchdog was seen last
        self._http = Http(rules, HttpSettings(settings.ca_file, headers=_headers(settings)))

    def read(self, wanted: Mapping[str, str], timeout: timedelta) -> tuple[Alert, ...]:
        """The alerts that have all the `wanted` labels, each once.

        Raises: RollbackError where no peer answers, or where there are none and none would be there either way.
        """
        watchdog = dict(self.settings.watchdog)
        timeout = timeout / 2 if watchdog else timeout
        found = self._read(wanted, timeout)
        if found or not watchdog or self._now() - self._heard < HEARD_SECONDS:
            return found
        if not any(alert.state == ACTIVE for alert in self._read(watchdog, timeout)):
            raise _unavailable(self.settings.name, deaf(watchdog))
        self._heard = self._now()
        return found

    def _read(self, wanted: Mapping[str, str], timeout: timedelta) -> tuple[Alert, ...]:
        found: list[Alert] = []
        faults: list[RollbackError] = []
        for url in self.settings.urls:
            try:
                found += self.read_peer(url, wanted, timeout / len(self.settings.urls))
            except RollbackError as exc:
                faults.append(exc)
        if len(faults) == len(self.settings.urls):
            raise faults[0]
        return together(found)

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def read_peer(self, url: str, wanted: Mapping[str, str], timeout: timedelta) -> list[Alert]:
        """What one peer of `urls` knows. Raises: RollbackError."""
        asked = urlencode([("filter", f"{name}={_quoted(value)}") for name, value in sorted(wanted.items())])
        try:
            received = self._http.get(f"{url.rstrip('/')}/api/v2/alerts?{asked}", timeout)
        except HttpFailed as exc:
            raise _unavailable(exc.subject, exc.message) from exc
        if received.status in (401, 403):
            message = f"Alertmanager refuses us (HTTP {received.status})"
            raise CredentialsRejected(self.settings.name, message)
        if received.status != 200:
            raise _unavailable(self.settings.name, f"Alertmanager answers HTTP {received.status}")
        try:
            return _alerts(received, wanted)
        except Malformed as exc:
            raise _unavailable(self.settings.name, f"Alertmanager's answer: {exc}") from exc


def deaf(watchdog: Mapping[str, str]) -> str:
    """What is said of an Alertmanager without its watchdog."""
    labels = ", ".join(f"{name}={value}" for name, value in watchdog.items())
    return f"Alertmanager has no active alert with {labels}, so that no alert may mean that none reaches it"


def _unavailable(name: str, message: str) -> TransientError:
    return TransientError(name, message, Reason.METRICS_UNAVAILABLE)


def _headers(settings: AlertmanagerSettings) -> tuple[tuple[str, str], ...]:
    headers = [("X-Scope-OrgID", settings.tenant)] if settings.tenant else []
    if settings.bearer_token:
        headers.append(("Authorization", f"Bearer {settings.bearer_token}"))
    elif settings.username:
        pair = base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
        headers.append(("Authorization", f"Basic {pair}"))
    return tuple(headers)


def _quoted(value: str) -> str:
    """A matcher's value, in which a backslash, a quote and a line's end are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _alerts(received: HttpAnswer, wanted: Mapping[str, str]) -> list[Alert]:
    """Those with the wanted labels: a proxy that drops the filter must not show us another application's."""
    found = [_alert(object_of(one, "an alert")) for one in list_of(read_json(received.body), "the answer")]
    return [alert for alert in found if wanted.items() <= dict(alert.labels).items()]


def _alert(given: Mapping[str, object]) -> Alert:
    labels = object_of(given.get("labels"), "labels")
    state = object_of(given.get("status"), "status").get("state")
    if state not in STATES:
        raise Malformed("an alert's state is none that is known")
    ordered = tuple(sorted((name, str(value)) for name, value in labels.items()))
    return Alert(ordered, str(state), _time(given.get("startsAt")))


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as exc:
        raise Malformed("an alert's `startsAt` is no time") from exc
    if at.tzinfo is None:
        raise Malformed("an alert's `startsAt` has no time zone")
    return at.astimezone(UTC)
