"""Which services are no control, since something was deployed to them too? By what the engines list.

A peer that had a deployment of its own may be in trouble by that, and would excuse another one's fault with it. What no
engine of ours lists is taken for a control: nobody here can tell.
Source: detection.md 4.4.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.core.deployments import distinct, remembered
from gitops_rollback.core.sync import ApplicationState, DeploymentRecord

LATELY = timedelta(minutes=30)  # before the deployment that is judged, and for as long as that is


class Deploying:
    """Knows the newest listing, and `records`: what was deployed, by full name, that an engine may have forgotten."""

    def __init__(self, records: Mapping[str, tuple[DeploymentRecord, ...]]) -> None:
        self._records = records
        self._listing: Listing | None = None
        self._by_service: dict[str, list[ApplicationState]] | None = None

    def see(self, listing: Listing) -> None:
        self._listing, self._by_service = listing, None

    def among(self, services: Iterable[str], t0: datetime) -> frozenset[str]:
        """Those of `services` to which something was deployed within half an hour before `t0`, or since."""
        return frozenset(name for name in services if self._deployed_since(name, t0 - LATELY))

    def _deployed_since(self, service: str, since: datetime) -> bool:
        for state in self._states(service):
            records = distinct(remembered(self._records.get(str(state.id), ()), state))  # the same again is no change
            if any(one.started_at > since for one in records):
                return True
        return False

    def _states(self, service: str) -> Collection[ApplicationState]:
        found = self._by_service
        if found is None:
            found = {}
            for one in self._listing.watched if self._listing else ():
                found.setdefault(one.target.name, []).append(one.state)
            self._by_service = found  # as a whole: other looks ask at the same time
        return found.get(service, ())
