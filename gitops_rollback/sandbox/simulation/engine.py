"""The Argo CD of a simulated world: it polls, compares, syncs, gets stuck, and tells of it late.

Source: contracts/argocd.md sections 4, 6, 7: a compared revision is no deployment, auto-sync tries a revision once, a
running operation keeps its revision until it ends or is terminated, history holds ten entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Operation,
    OperationPhase,
    ResourceResult,
    Source,
    SyncStatus,
)
from gitops_rollback.sandbox.simulation.cluster import LATELY, Cluster, Move
from gitops_rollback.sandbox.simulation.files import FLEET_FILE
from gitops_rollback.sandbox.simulation.remote import MAIN

HISTORY = 10
KEPT_STATES = 6
INSTANCE = "default"


@dataclass
class App:
    """One application as the engine has it."""

    state: ApplicationState
    poll_seconds: float
    attempted: str = ""
    live: str = ""
    turn: int = 0  # which operation this is
    past: list[tuple[datetime, ApplicationState]] = field(default_factory=list)


@dataclass
class ArgoCluster(Cluster):
    """An Argo CD that acts by itself, and by `sync` and `terminate`."""

    engine: ClassVar[str] = "argocd"
    prefix: ClassVar[str] = f"{INSTANCE}/Application/argocd/"

    apps: dict[str, App] = field(default_factory=dict)
    stuck: Callable[[str], bool] = lambda _application: False
    more_objects: Callable[[str], Iterable[dict[str, object]]] = lambda _application: ()

    def start(self, names: Iterable[str], manual: Iterable[str], revision: str, since: datetime) -> None:
        """As in `Cluster`."""
        by_hand = set(manual)
        for name in names:
            self._add(name, name not in by_hand, revision, since)

    def _add(self, name: str, auto_sync: bool, revision: str, since: datetime) -> None:
        """An application that has been running `revision` since then."""
        shared = self.truth.shared.get(name)
        source = Source(
            self.url, f"apps/{name}", "main", value_files=(f"/{FLEET_FILE}",) if shared == FLEET_FILE else ()
        )
        done = since + timedelta(seconds=5)
        record = DeploymentRecord((revision,), (source,), since, done, history_id=1)
        operation = Operation(OperationPhase.SUCCEEDED, (revision,), (source,), since, done)
        state = ApplicationState(
            ApplicationId(INSTANCE, "Application", "argocd", name), f"uid-{name}", "default", "in-cluster", "shop",
            (source,), SyncStatus.SYNCED, (revision,), Health.HEALTHY, done, health_changed_at=done,
            reconciled_at=done, operation=operation, history=(record,), auto_sync=auto_sync,
        )  # fmt: skip
        app = App(state, self.random.uniform(20, 120), attempted=revision, live=revision)
        self.apps[name] = app
        self.truth.started(name, revision, since)
        self._keep(app)
        self.schedule.after(self.random.uniform(1, app.poll_seconds), lambda: self._turn(name))

    def live(self, name: str) -> str:
        """As in `Cluster`."""
        return self.apps[name].live

    def was_healthy(self, name: str, at: datetime) -> bool:
        """As in `Cluster`."""
        past = self.apps[name].past
        known = [state for when, state in past if when <= at]
        forgotten = len(past) == KEPT_STATES and past[0][0] > at - LATELY
        return forgotten or not known or any(state.health is Health.HEALTHY for state in known)

    def moving(self, name: str, bad: str) -> Move | None:
        """As in `Cluster`."""
        operation = self.apps[name].state.operation
        if operation is None or operation.started_at is None or not self.is_newer(name, operation, bad):
            return None
        return Move(operation.started_at, operation.revisions[0])

    def is_newer(self, name: str, told: Operation, bad: str) -> bool:
        """As in `Cluster`: it counts what it brings. One that failed may have applied nothing, so it proves nothing."""
        return told.phase is not OperationPhase.FAILED and self._brings(name, told.revisions[0], bad)

    def _brings(self, name: str, revision: str, bad: str) -> bool:
        return revision != bad and self.content(name, revision) != self.content(name, bad)

    def _turn(self, name: str) -> None:
        app = self.apps[name]
        if self.schedule.now >= self.down_until:
            self.compare(name)
        self.schedule.after(app.poll_seconds * self.random.uniform(0.8, 1.2), lambda: self._turn(name))

    def compare(self, name: str) -> None:
        """Look at git, and sync where that is automatic."""
        app, head = self.apps[name], self.remote.refs[MAIN]
        same = self.truth.inputs(name, head) == self.truth.inputs(name, app.live)
        status = SyncStatus.SYNCED if same else SyncStatus.OUT_OF_SYNC
        self._set(app, sync=status, sync_revisions=(head,), reconciled_at=self.second)
        if app.state.auto_sync and not same and app.attempted != head and not app.state.busy:
            self._start(name, head, {}, "automated")

    def _start(self, name: str, revision: str, info: Mapping[str, str], by: str) -> None:
        """An operation begins."""
        app = self.apps[name]
        app.attempted, app.turn = revision, app.turn + 1
        operation = Operation(
            OperationPhase.RUNNING, (revision,), app.state.sources, self.second, in_progress=True, info=info,
            initiated_by=by, message="waiting for healthy state",
        )  # fmt: skip
        self._set(app, operation=operation)
        self.story.tell(self.schedule.now, "engine", f"syncs {name} to {revision[:8]} ({by})")
        self.begun.setdefault((name, revision), self.second)
        turn = app.turn
        self.schedule.after(self.random.uniform(0.2, 2), lambda: self._apply(name, turn))
        if not self._hangs(name, revision):
            self.schedule.after(self.random.uniform(3, 15), lambda: self._end(name, turn, OperationPhase.SUCCEEDED))

    def _hangs(self, name: str, revision: str) -> bool:
        return self.stuck(name) or bool(self.truth.named(name, revision) & self.truth.hangs)

    def _apply(self, name: str, turn: int) -> None:
        app = self.apps[name]
        operation = app.state.operation
        if app.turn != turn or operation is None or operation.phase is not OperationPhase.RUNNING:
            return
        revision = operation.revisions[0]
        changed = self.truth.inputs(name, revision) != self.truth.inputs(name, app.live)
        app.live = revision
        self.truth.started(name, revision, self.schedule.now)
        results: tuple[ResourceResult, ...] = (
            ResourceResult("apps", "Deployment", "shop", name, "Synced", "configured"),
        )
        if self.databases is not None:
            self.databases.applied(name, revision)
            results += self.databases.results(name)
        self._set(app, operation=replace(operation, results=results))
        if changed:
            self._health(app, Health.PROGRESSING)

    def _end(self, name: str, turn: int, phase: OperationPhase) -> None:
        app = self.apps[name]
        operation = app.state.operation
        if app.turn != turn or operation is None or not operation.in_progress:
            return
        done = replace(operation, phase=phase, finished_at=self.second, in_progress=False, message=phase.value)
        history = app.state.history
        if phase is OperationPhase.SUCCEEDED:
            at = operation.started_at
            number = (history[-1].history_id or 0) + 1
            record = DeploymentRecord(
                operation.revisions, operation.sources, at, self.second, None, number, operation.initiated_by
            )
            closed = [replace(one, replaced_at=one.replaced_at or at) for one in history]
            history = (*closed, record)[-HISTORY:]
        self._set(app, operation=done, history=history)
        self.schedule.after(self.random.uniform(0.5, 2), lambda: self.compare(name))
        self.schedule.after(self.random.uniform(2, 20), lambda: self._settle(name, turn))

    def _settle(self, name: str, turn: int) -> None:
        app = self.apps[name]
        if app.turn == turn:
            broken = bool(self.truth.named(name, app.live) & self.truth.crashes)
            jobs = self.databases.health(name) if self.databases is not None else Health.HEALTHY
            self._health(app, Health.DEGRADED if broken else jobs)

    def settle(self, name: str) -> None:
        """Something that ran there has ended."""
        if not self.apps[name].state.busy:
            self._settle(name, self.apps[name].turn)

    def terminate(self, name: str) -> None:
        """End the running operation, in a while."""
        app = self.apps[name]
        operation = app.state.operation
        if operation is None or operation.phase is not OperationPhase.RUNNING:
            return
        self._set(app, operation=replace(operation, phase=OperationPhase.TERMINATING))
        self.story.tell(self.schedule.now, "engine", f"terminates the operation of {name}")
        turn = app.turn
        self.schedule.after(self.random.uniform(1, 6), lambda: self._end(name, turn, OperationPhase.FAILED))

    def sync(self, name: str, info: Mapping[str, str], by: str = "gitops-rollback") -> bool:
        """As in `Cluster`."""
        app = self.apps[name]
        if app.state.busy:
            return False
        head = self.remote.refs[MAIN]
        self._set(app, sync_revisions=(head,), reconciled_at=self.second)
        self._start(name, head, info, by)
        return True

    def set_auto_sync(self, name: str, auto_sync: bool) -> None:
        """A person's switch."""
        self._set(self.apps[name], auto_sync=auto_sync)

    def _health(self, app: App, health: Health) -> None:
        if app.state.health is not health:
            self._set(app, health=health, health_changed_at=self.second)

    def _set(self, app: App, **changed: Any) -> None:
        app.state = replace(app.state, **changed)
        self._keep(app)

    def _keep(self, app: App) -> None:
        app.past = [*app.past[-KEPT_STATES + 1 :], (self.schedule.now, app.state)]

    def state(self, name: str, lag: timedelta) -> ApplicationState:
        """The application as it was `lag` ago, as far as that is remembered."""
        app = self.apps[name]
        if not lag:
            return app.state
        then = self.schedule.now - lag
        known = [state for at, state in app.past if at <= then]
        return known[-1] if known else app.past[0][1]
