"""Makes what reads alerts, from the Alertmanagers of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from gitops_rollback.adapters.metrics.alertmanager import Alertmanager, AlertmanagerSettings, deaf
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_alerts import AlertmanagerPlace
from gitops_rollback.core.alerts import Alert, together
from gitops_rollback.core.errors import Reason, RollbackError, TransientError

NOBODY = {"alertname": "gitops-rollback-doctor"}  # an alert that there is nowhere
PATIENCE = timedelta(seconds=10)


class Alertmanagers:
    """All Alertmanagers of the settings, as `ports.Alerts`."""

    def __init__(self, settings: Settings) -> None:
        """Raises: SettingsInvalid for what cannot be used."""
        self._all = tuple(Alertmanager(_settings(one), settings.origin_rules) for one in settings.alertmanagers)

    def read(self, wanted: Mapping[str, str], cluster: str, timeout: timedelta) -> tuple[Alert, ...]:
        """Raises: RollbackError where one that serves the cluster does not answer, or none serves it."""
        serving = [one for one in self._all if not one.settings.clusters or cluster in one.settings.clusters]
        if not serving:
            known = f"none of them serves the cluster {cluster or '(unknown)'}" if self._all else "there is none"
            message = f"`alertmanagers` of the settings: {known}"
            raise TransientError("alerts", message, Reason.METRICS_UNAVAILABLE)
        return together([alert for one in serving for alert in one.read(wanted, timeout / len(serving))])

    def tried(self) -> Iterator[tuple[str, str]]:
        """Each address, and why it cannot be asked; "" if it can."""
        for one in self._all:
            watchdog = dict(one.settings.watchdog)
            for url in one.settings.urls:
                try:
                    found = one.read_peer(url, watchdog or NOBODY, PATIENCE)
                except RollbackError as exc:
                    yield url, exc.message
                else:
                    yield url, deaf(watchdog) if watchdog and not found else ""

    def close(self) -> None:
        """Close the kept connections."""
        for one in self._all:
            one.close()


def _settings(place: AlertmanagerPlace) -> AlertmanagerSettings:
    return AlertmanagerSettings(
        name=place.name,
        urls=place.urls,
        tenant=place.tenant,
        bearer_token=place.auth.token.get_secret_value() if place.auth.token else "",
        username=place.auth.username,
        password=place.auth.password.get_secret_value() if place.auth.password else "",
        ca_file=place.ca_file or "",
        clusters=place.clusters,
        watchdog=tuple(sorted(place.watchdog.items())),
    )
