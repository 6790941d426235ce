"""One replica's way to Argo CD: the port `Engine`, with stale reads, lost answers and things done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle
from gitops_rollback.ports import ManagedObject
from gitops_rollback.sandbox.simulation.engine import INSTANCE, ArgoCluster
from gitops_rollback.sandbox.simulation.files import CANARY, POISON
from gitops_rollback.sandbox.simulation.gate import Gate


class SimArgo:
    """`clock` is the replica's own. `may_sync` False: the token has no right to sync."""

    instance = INSTANCE

    def __init__(self, gate: Gate, cluster: ArgoCluster, clock: Callable[[], datetime], may_sync: bool) -> None:
        self._gate = gate
        self._cluster = cluster
        self._clock = clock
        self._may_sync = may_sync

    def applications(self) -> tuple[ApplicationState, ...]:
        """As in `ports.Engine`: a summary, of one moment, which may lag."""
        self._reach("engine.applications")
        lag = self._lag()
        return tuple(self._seen(self._cluster.state(name, lag), history=()) for name in self._cluster.apps)

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """As in `ports.Engine`."""
        self._reach("engine.application")
        if application.name == POISON:
            raise EngineUnavailable(INSTANCE, "the answer is no JSON")
        if application.name not in self._cluster.apps:
            return None
        state = self._cluster.state(application.name, self._lag())
        self._cluster.shows(self._gate.who, application.name, state)
        return self._seen(state)

    def refresh(self, application: ApplicationId, project: str) -> None:
        """As in `ports.Engine`."""
        self._act("engine.refresh", lambda: self._cluster.compare(application.name))

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """As in `ports.Engine`."""
        if not self._may_sync:
            self._reach("engine.sync")
            raise CredentialsRejected(INSTANCE, "permission denied")
        started: list[bool] = []
        self._cluster.sync_asked(self._gate.who, application.name, info.get(ROLLBACK_ID_INFO, ""))
        self._act("engine.sync", lambda: started.append(self._cluster.sync(application.name, info)))
        return started[0]

    def terminate(self, application: ApplicationId, project: str) -> None:
        """As in `ports.Engine`."""
        self._act("engine.terminate", lambda: self._cluster.terminate(application.name))

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """As in `ports.Engine`."""
        self._reach("engine.obstacles")
        return ()

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """As in `ports.Engine`; a secret is among them."""
        self._reach("engine.live_objects")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"token": CANARY}}
        databases = self._cluster.databases
        jobs = databases.shown(application.name) if databases is not None else ()
        more = (ManagedObject(one, one) for one in self._cluster.more_objects(application.name))
        return (ManagedObject(secret, secret), *jobs, *more)

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """As in `ports.Engine`; the simulation has no streams."""

    def probe(self) -> tuple[str, ...]:
        """As in `ports.Engine`."""
        return ()

    def _reach(self, port: str) -> None:
        self._gate.call(port, lambda: None, self._failure)
        if self._cluster.schedule.now < self._cluster.down_until:
            raise self._failure()

    def _act(self, port: str, effect: Callable[[], None]) -> None:
        if self._cluster.schedule.now < self._cluster.down_until:
            raise self._failure()
        self._gate.call(port, effect, self._failure)
        if self._gate.is_twice():
            effect()

    def _failure(self) -> EngineUnavailable:
        return EngineUnavailable(INSTANCE, "did not answer")

    def _lag(self) -> timedelta:
        return timedelta(seconds=self._gate.seconds(1, 45)) if self._gate.is_stale() else timedelta(0)

    def _seen(self, state: ApplicationState, **changed: Any) -> ApplicationState:
        """The state as of now; `dataclasses.replace` would take most of a tick's time."""
        seen = object.__new__(ApplicationState)
        seen.__dict__.update(state.__dict__, observed_at=self._clock(), **changed)
        return seen
