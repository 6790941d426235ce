"""An engine as it would have answered at a past instant: each commit that changes an application's inputs was a sync.

Where an engine still tells its history, that holds; for what is older, and without an engine, the commits' own times
do. Whether the application was healthy, and what ran, nobody kept: it is taken for healthy, and nothing else is said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Obstacle,
    Operation,
    OperationPhase,
    Source,
    SyncStatus,
)
from gitops_rollback.ports import ManagedObject

KEPT = 100  # records of an application that are told at once, the newest


@dataclass
class PastClock:
    """Policy time that stands still until it is set."""

    at: datetime

    def now(self) -> datetime:
        """As in `ports.Clock`."""
        return self.at

    def monotonic(self) -> float:
        """As in `ports.Clock`."""
        return self.at.timestamp()

    def real_seconds(self, duration: timedelta) -> float:
        """As in `ports.Clock`."""
        return duration.total_seconds()


class PastEngine:
    """An `Engine` that can be asked and does nothing."""

    instance = "past"

    def __init__(
        self,
        states: Sequence[ApplicationState],
        records: Mapping[str, Sequence[DeploymentRecord]],
        now: Callable[[], datetime],
    ) -> None:
        """`records` are by full name, oldest first."""
        self._states = {str(state.id): state for state in states}
        self._records = records
        self._now = now

    def applications(self) -> tuple[ApplicationState, ...]:
        """As in `ports.Engine`."""
        return tuple(self._at(name) for name in self._states)

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """As in `ports.Engine`."""
        return self._at(str(application)) if str(application) in self._states else None

    def _at(self, name: str) -> ApplicationState:
        state, now = self._states[name], self._now()
        records = tuple(one for one in self._records.get(name, ()) if one.started_at <= now)[-KEPT:]
        last = records[-1] if records else None
        return replace(
            state,
            observed_at=now,
            history=records,
            operation=_operation(last) if last is not None else None,
            sync_revisions=last.revisions if last is not None else (),
        )

    def refresh(self, application: ApplicationId, project: str) -> None:
        """The past does not change."""

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """The past does not change."""
        return False

    def terminate(self, application: ApplicationId, project: str) -> None:
        """The past does not change."""

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """None that anybody kept."""
        return ()

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """None that anybody kept."""
        return ()

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """Nothing wakes."""

    def probe(self) -> tuple[str, ...]:
        """Nothing is reached."""
        return ()


def _operation(record: DeploymentRecord) -> Operation:
    return Operation(
        phase=OperationPhase.SUCCEEDED,
        revisions=record.revisions,
        sources=record.sources,
        started_at=record.started_at,
        finished_at=record.deployed_at or record.started_at,
    )


def state_in_git(id: ApplicationId, sources: Sequence[Source], namespace: str, at: datetime) -> ApplicationState:
    """An application of which only git tells: synced by itself, and healthy."""
    return ApplicationState(
        id=id,
        uid="",
        project="",
        destination="",
        namespace=namespace,
        sources=tuple(sources),
        sync=SyncStatus.SYNCED,
        sync_revisions=(),
        health=Health.HEALTHY,
        observed_at=at,
        auto_sync=True,
    )


def deployments_of(state: ApplicationState, commits: Sequence[tuple[str, datetime]]) -> tuple[DeploymentRecord, ...]:
    """A record for each of `commits` (sha, time), oldest first; the engine's own ones from its oldest on."""
    told = tuple(one for one in state.history if any(is_sha(sha) for sha in one.revisions))
    since = told[0].started_at if told else None
    of_git = [
        DeploymentRecord((sha,) * len(state.sources), state.sources, at, at)
        for sha, at in commits
        if since is None or at < since
    ]
    whole = [*of_git, *told]
    ends = [one.started_at for one in whole[1:]]
    return tuple(replace(one, replaced_at=end) for one, end in zip(whole, [*ends, None], strict=True))
