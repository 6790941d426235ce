"""How far is a sync operation? What it did so far, and how that is written into the Application, state by state.

Source: argo-cd v3.5.1 controller/appcontroller.go (setOperationState), controller/state.go (persistRevisionHistory);
the order of writes is that of the recorded operations.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from gitops_rollback.sandbox.argocd.autosync import pinned, revisions_of
from gitops_rollback.sandbox.argocd.cluster import Cluster
from gitops_rollback.sandbox.argocd.comparison import Renderer
from gitops_rollback.sandbox.argocd.live import key_of
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.argocd.spec import Timing
from gitops_rollback.sandbox.argocd.state import Key, Store, stamp
from gitops_rollback.sandbox.rendering import Json, images_of


class Ended(Exception):
    """The operation has no more to do: its application is gone."""


class Terminated(Exception):
    """Someone asked for the end of the operation."""


class Surroundings(Protocol):
    """What an operation needs from its controller."""

    store: Store
    renderer: Renderer
    timing: Timing

    def cluster(self, key: Key) -> Cluster: ...

    def resolve(self, spec: Mapping[str, Json], force: bool) -> tuple[str, ...]: ...

    def may_sync(self, key: Key, manual: bool) -> bool: ...

    def cluster_changed(self, key: Key) -> None: ...

    def applied(self, key: Key, revisions: tuple[str, ...]) -> None: ...

    def ended(self, key: Key, manual: bool) -> Steps: ...


class Progress:
    """One operation of one application, as far as it is."""

    def __init__(self, world: Surroundings, key: Key, operation: Json) -> None:
        self.world = world
        self.key = key
        self.operation = operation
        self.sync: Json = operation["sync"]
        self.results: list[Json] = []
        self.retries = 0
        self.started = world.store.clock.now()
        self.manual = not operation.get("initiatedBy", {}).get("automated")

    def begin(self) -> None:
        """Write that the operation runs. Raises: Ended."""
        self.started = self.now()

        def start(application: Json) -> None:
            application["status"]["operationState"] = self._beginning()

        self._write(start)

    def write_state(self, change: Callable[[Json], None]) -> None:
        """Change the operation's state. Raises: Ended."""
        self._write(lambda application: change(application["status"].setdefault("operationState", self._beginning())))

    def report(self, message: str) -> Steps:
        """Write how far the operation is, then check whether it should end. Raises: Ended; Terminated."""
        self.write_state(lambda state: state.update(self.so_far(message)))
        yield self.world.timing.write
        self.check()

    def nap(self, seconds: float, between_waves: bool = False) -> Steps:
        """Wait, then check whether the operation should end. Raises: Ended; Terminated."""
        yield seconds
        if between_waves and self.terminating():
            yield from self.report("operation is terminating")
        self.check()

    def check(self) -> None:
        """Raises: Terminated, if someone asked for the end; Ended."""
        if self.terminating():
            raise Terminated

    def terminating(self) -> bool:
        """Whether someone asked for the end. Raises: Ended."""
        return bool(self.application()["status"].get("operationState", {}).get("phase") == "Terminating")

    def application(self) -> Json:
        """The Application as it is now. Raises: Ended."""
        application = self.world.store.get(self.key)
        if application is None:
            raise Ended
        return application

    def so_far(self, message: str) -> Json:
        """The fields of the operation's state that say what was done."""
        progress: Json = {"message": message}
        if self.results:
            result: Json = {"revision": "", "source": {"repoURL": ""}, **self._pinned()}
            progress["syncResult"] = {"resources": copy.deepcopy(self.results), **result}
        return progress

    def add_result(self, manifest: Json, phase: str, message: str) -> Json:
        """Note what was done to one object; the row may be changed until the next report."""
        group, kind, namespace, name = key_of(manifest)
        row: Json = {
            "group": group,
            "version": str(manifest["apiVersion"]).rpartition("/")[2],
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "status": "Synced",
            "message": message,
            "hookPhase": "Running",
            "syncPhase": phase,
        }
        if images_of(manifest):
            row["images"] = list(images_of(manifest))
        self.results.append(row)
        return row

    def append_history(self) -> None:
        """Write the deployment into the history, before its success is told. Raises: Ended."""
        now = self.now()

        def append(application: Json) -> None:
            history = application["status"].setdefault("history", [])
            entry: Json = {
                "deployedAt": stamp(now),
                "id": history[-1]["id"] + 1 if history else 0,
                "deployStartedAt": stamp(self.started),
                "initiatedBy": self.operation["initiatedBy"],
                "source": {"repoURL": ""},
                **self._pinned(),
            }
            limit = application["spec"].get("revisionHistoryLimit", 10)
            application["status"]["history"] = [*history, entry][-limit:] if limit else []

        self._write(append)

    def finish(self, phase: str, message: str) -> None:
        """Write the end of the operation. Raises: Ended."""
        finished = stamp(self.now())

        def end(application: Json) -> None:
            application.pop("operation", None)
            state = application["status"].setdefault("operationState", self._beginning())
            state.update(self.so_far(message), phase=phase, finishedAt=finished)

        self._write(end)
        word = "succeeded" if phase == "Succeeded" else f"failed: {message}"
        about = f"Sync operation to {self.revision()} {word}"
        self.world.store.record_event(self.key, "OperationCompleted", about)

    def cluster(self) -> Cluster:
        """The application's live objects."""
        return self.world.cluster(self.key)

    def now(self) -> datetime:
        """The present in sandbox time."""
        return self.world.store.clock.now()

    def seconds_until(self, moment: datetime | None) -> float:
        """How long to wait for `moment`, and a hair more; without end for None."""
        return math.inf if moment is None else max(0.0, (moment - self.now()) / timedelta(seconds=1)) + 0.001

    def revision(self) -> str:
        """The (first) revision that is synced to."""
        return next(iter(revisions_of(self.sync)), "")

    def _beginning(self) -> Json:
        return {"operation": copy.deepcopy(self.operation), "phase": "Running", "startedAt": stamp(self.started)}

    def _pinned(self) -> Json:
        return pinned(
            {key: self.sync[key] for key in ("source", "sources") if key in self.sync}, revisions_of(self.sync)
        )

    def _write(self, change: Callable[[Json], None]) -> None:
        if self.world.store.write(self.key, change) is None:
            raise Ended
