"""What does one sync operation do, write by write? From the start of an operation to its end, retries included.

Source: argo-cd v3.5.1 controller/appcontroller.go (processRequestedAppOperation), controller/sync.go (SyncAppState),
gitops-engine/pkg/sync/sync_context.go; the order of writes is that of the recorded operations.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from gitops_rollback.sandbox.argocd.autosync import pinned, result_sources, revisions_of
from gitops_rollback.sandbox.argocd.cluster import Cluster, LiveObject, key_of
from gitops_rollback.sandbox.argocd.comparison import Renderer, Target, hook_types
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.argocd.spec import Timing
from gitops_rollback.sandbox.argocd.state import Key, Store, stamp
from gitops_rollback.sandbox.rendering import Json, images_of

FAILED = "one or more synchronization tasks completed unsuccessfully"
BLOCKED = "Sync operation blocked by sync window"
WAVE = "argocd.argoproj.io/sync-wave"
DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
_FIRST_KINDS = ("Namespace", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim", "Service")


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    phase: str
    message: str


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

    def may_sync(self, key: Key, manual: bool) -> bool: ...

    def cluster_changed(self, key: Key) -> None: ...

    def applied(self, key: Key, revisions: tuple[str, ...]) -> None: ...

    def ended(self, key: Key, manual: bool) -> Steps: ...


class OperationRun:
    """One operation of one application."""

    def __init__(self, world: Surroundings, key: Key, operation: Json) -> None:
        self.world = world
        self.key = key
        self.operation = operation
        self.sync = operation["sync"]
        self.results: list[Json] = []
        self.retries = 0
        self.started = world.store.clock.now()
        self.manual = not operation.get("initiatedBy", {}).get("automated")

    def steps(self) -> Steps:
        """Run the operation to its end."""
        try:
            self.started = self._now()
            self._write(lambda state: state.update(self._beginning()), fresh=True)
            yield self.world.timing.write
            outcome = yield from self._attempt()
            while self._may_retry(outcome):
                outcome = yield from self._retry(outcome)
            yield from self._end(outcome)
        except Ended:
            return
        yield from self.world.ended(self.key, self.manual)

    def _beginning(self) -> Json:
        return {"operation": copy.deepcopy(self.operation), "phase": "Running", "startedAt": stamp(self.started)}

    def _attempt(self) -> Generator[float, None, Outcome]:
        try:
            yield from self._until_window_opens()
            self._check()
            application = self._application()
            spec = {**application["spec"], **self._sources(application["spec"])}
            target = self.world.renderer.target(spec, revisions_of(self.sync))
            if target.trouble:
                return Outcome("Error", f"ComparisonError: {target.trouble}")
            self.results = []
            outcome = yield from self._phases(target, str(spec["destination"]["namespace"]))
            if outcome.phase == "Failed":
                self._start_hooks("SyncFail", target)
            return outcome
        except Terminated:
            self._end_running_hooks()
            return Outcome("Failed", "Operation terminated")

    def _sources(self, spec: Json) -> Json:
        sources = result_sources(self.sync)
        if self.sync.get("sources"):
            return {"sources": sources}
        return {"source": sources[0] or spec.get("source")}

    def _until_window_opens(self) -> Steps:
        while not self.world.may_sync(self.key, self.manual):
            self._write(lambda state: state.update(message=BLOCKED))
            yield 1.0

    def _phases(self, target: Target, namespace: str) -> Generator[float, None, Outcome]:
        partial = bool(self.sync.get("resources"))
        hooks = Target(target.revisions) if partial or "apply" in (self.sync.get("syncStrategy") or {}) else target
        if self._create_namespace(namespace):
            yield from self._report(f"waiting for healthy state of /Namespace/{namespace}")
        failed = yield from self._run_hooks("PreSync", hooks, last=False)
        failed = failed or (yield from self._apply(target, hooks))
        failed = failed or (yield from self._run_hooks("Sync", hooks, last=True))
        if failed:
            return failed
        if not _of_type(hooks, "PostSync"):
            return Outcome("Succeeded", "successfully synced (all tasks run)")
        failed = yield from self._run_hooks("PostSync", hooks, last=True)
        return failed or Outcome("Succeeded", "successfully synced (no more tasks)")

    def _create_namespace(self, namespace: str) -> bool:
        cluster = self._cluster()
        if "CreateNamespace=true" not in self.sync.get("syncOptions", ()) or namespace in cluster.namespaces:
            return False
        cluster.namespaces.add(namespace)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._result(manifest, "PreSync", f"namespace/{namespace} created")
        return True

    def _apply(self, target: Target, hooks: Target) -> Generator[float, None, Outcome | None]:
        """Apply the objects wave by wave; wait for health between waves and before a PostSync hook."""
        waves = self._waves(target)
        for number, wave in enumerate(waves):
            rows = [self._apply_one(manifest) for manifest in wave]
            last = number == len(waves) - 1
            if last:
                self._prune(target)
            if not self.sync.get("dryRun"):
                self.world.applied(self.key, target.revisions)
            self.world.cluster_changed(self.key)
            if not last or _of_type(hooks, "PostSync"):
                failed = yield from self._await_health(rows)
                if failed:
                    return failed
        return None

    def _waves(self, target: Target) -> list[list[Json]]:
        chosen = [manifest for manifest in target.managed if self._selected(manifest)]
        waves: dict[int, list[Json]] = {}
        for manifest in sorted(chosen, key=_apply_order):
            waves.setdefault(_wave(manifest), []).append(manifest)
        return [waves[number] for number in sorted(waves)] or [[]]

    def _selected(self, manifest: Json) -> bool:
        wanted = self.sync.get("resources")
        group, kind, namespace, name = key_of(manifest)
        return not wanted or any(
            (each.get("group", ""), each.get("kind"), each.get("name")) == (group, kind, name)
            and each.get("namespace") in (None, "", namespace)
            for each in wanted
        )

    def _apply_one(self, manifest: Json) -> Json:
        what = _kubectl_name(manifest)
        if self.sync.get("dryRun"):
            return self._result(manifest, "Sync", f"{what} configured (dry run)")
        return self._result(manifest, "Sync", f"{what} {self._cluster().apply(manifest, self._now())}")

    def _prune(self, target: Target) -> None:
        wanted = {key_of(manifest) for manifest in target.managed}
        for key, live in list(self._cluster().managed().items()):
            if key in wanted or not self._selected(live.manifest) or self.sync.get("dryRun"):
                continue
            pruned = bool(self.sync.get("prune"))
            row = self._result(live.manifest, "Sync", "pruned" if pruned else "ignored (requires pruning)")
            row.update(status="Pruned" if pruned else "PruneSkipped", hookPhase="Succeeded")
            if pruned:
                self._cluster().delete(key)

    def _await_health(self, rows: Sequence[Json]) -> Generator[float, None, Outcome | None]:
        yield from self._nap(self.world.timing.wave, between_waves=True)
        waiting = [row for row in rows if self._live(row) is not None and self._health_of(row)]
        if not waiting:
            return None
        more = f" and {len(waiting) - 1} more resources" if len(waiting) > 1 else ""
        yield from self._report(f"waiting for healthy state of {_where(waiting[0])}{more}")
        while waiting:
            for row in list(waiting):
                status = self._health_of(row)
                if status == "Degraded":
                    row.update(hookPhase="Failed", message=self._live_health_message(row))
                    return Outcome("Failed", FAILED)
                if status in ("Healthy", "Suspended", ""):
                    row["hookPhase"] = "Succeeded"
                    waiting.remove(row)
            if waiting:
                yield from self._nap(self._seconds_until(self._cluster().next_change(self._now())))
        return None

    def _run_hooks(self, kind: str, target: Target, last: bool) -> Generator[float, None, Outcome | None]:
        running = self._start_hooks(kind, target)
        if not running:
            return None
        if not last:
            yield from self._nap(self.world.timing.wave)
        more = f" and {len(running) - 1} more hooks" if len(running) > 1 else ""
        yield from self._report(f"waiting for completion of hook {_where(running[0][0])}{more}")
        while running:
            failed = self._finish_hooks(running)
            if failed:
                return Outcome("Failed", FAILED)
            if running:
                moments = [moment for _, hook in running if (moment := hook.next_change(self._now()))]
                yield from self._nap(self._seconds_until(min(moments, default=None)))
        return None

    def _start_hooks(self, kind: str, target: Target) -> list[tuple[Json, LiveObject]]:
        started = []
        for manifest in sorted(_of_type(target, kind), key=_wave):
            manifest = self._named(manifest, kind)
            live = self._cluster().run_hook(manifest, kind, self._now())
            row = self._result(manifest, kind, f"{_kubectl_name(manifest)} created")
            row["hookType"] = kind
            started.append((row, live))
        if started:
            self.world.cluster_changed(self.key)
        return started

    def _named(self, manifest: Json, kind: str) -> Json:
        if manifest["metadata"].get("name"):
            return manifest
        prefix = manifest["metadata"]["generateName"]
        name = f"{prefix}{self._revision()[:7]}-{kind.lower()}-{int(self._now().timestamp())}"
        return {**manifest, "metadata": {**manifest["metadata"], "name": name}}

    def _finish_hooks(self, running: list[tuple[Json, LiveObject]]) -> bool:
        """Take ended hooks off `running`; True if one failed."""
        failed = False
        for row, live in list(running):
            health = live.health(self._now())
            if health is None or health.status in ("Healthy", "Degraded"):
                good = health is None or health.status == "Healthy"
                row.update(hookPhase="Succeeded" if good else "Failed", message=health.message if health else "")
                policy = str((live.manifest["metadata"].get("annotations") or {}).get(DELETE_POLICY, ""))
                if ("HookSucceeded" if good else "HookFailed") in policy:
                    self._cluster().delete(key_of(live.manifest))
                running.remove((row, live))
                failed = failed or not good
        return failed

    def _end_running_hooks(self) -> None:
        for row in self.results:
            if row.get("hookType") and row["hookPhase"] == "Running":
                row.update(hookPhase="Failed", message="Terminated")
                self._cluster().delete((row["group"], row["kind"], row["namespace"], row["name"]))
        self.world.cluster_changed(self.key)

    def _may_retry(self, outcome: Outcome) -> bool:
        limit = int(self.operation.get("retry", {}).get("limit", 0))
        return outcome.phase in ("Failed", "Error") and not self._terminating() and (limit < 0 or self.retries < limit)

    def _retry(self, outcome: Outcome) -> Generator[float, None, Outcome]:
        self.retries += 1
        now = self._now()
        clock = now.strftime("%I:%M%p").lstrip("0")
        message = f"{outcome.message}. Retrying attempt #{self.retries} at {clock}."
        self._write(lambda state: state.update(self._progress(message), finishedAt=stamp(now), retryCount=self.retries))
        try:
            yield from self._nap(self._backoff())
        except Terminated:
            return Outcome("Failed", "Operation terminated")
        self._write(lambda state: _again(state, f"Retrying operation. Attempt #{self.retries}"))
        yield self.world.timing.write
        return (yield from self._attempt())

    def _backoff(self) -> float:
        backoff = self.operation.get("retry", {}).get("backoff", {})
        first = _seconds(backoff.get("duration"), self.world.timing.backoff)
        limit = _seconds(backoff.get("maxDuration"), self.world.timing.backoff_limit)
        return float(min(first * float(backoff.get("factor") or 2) ** (self.retries - 1), limit))

    def _end(self, outcome: Outcome) -> Steps:
        good = outcome.phase == "Succeeded"
        if good and not self.sync.get("dryRun") and not self.sync.get("resources"):
            self._append_history()
            yield self.world.timing.write
        message = outcome.message
        if not good and self.retries:
            message = f"{message} (retried {self.retries} times)."
        finished = stamp(self._now())

        def finish(application: Json) -> None:
            application.pop("operation", None)
            state = application["status"].setdefault("operationState", self._beginning())
            state.update(self._progress(message), phase=outcome.phase, finishedAt=finished)

        self._store_write(finish)
        word = "succeeded" if good else f"failed: {message}"
        reason = "OperationCompleted"
        self.world.store.record_event(self.key, reason, f"Sync operation to {self._revision()} {word}")

    def _append_history(self) -> None:
        now = self._now()

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

        self._store_write(append)

    def _pinned(self) -> Json:
        return pinned(
            {key: self.sync[key] for key in ("source", "sources") if key in self.sync}, revisions_of(self.sync)
        )

    def _progress(self, message: str) -> Json:
        progress: Json = {"message": message}
        if self.results:
            result: Json = {"revision": "", "source": {"repoURL": ""}, **self._pinned()}
            progress["syncResult"] = {"resources": copy.deepcopy(self.results), **result}
        return progress

    def _report(self, message: str) -> Steps:
        """Persist how far the operation is, then check whether it should end."""
        self._write(lambda state: state.update(self._progress(message)))
        yield self.world.timing.write
        self._check()

    def _nap(self, seconds: float, between_waves: bool = False) -> Steps:
        yield seconds
        if self._terminating() and between_waves:
            yield from self._report("operation is terminating")
        self._check()

    def _check(self) -> None:
        if self._terminating():
            raise Terminated

    def _terminating(self) -> bool:
        return bool(self._application()["status"].get("operationState", {}).get("phase") == "Terminating")

    def _application(self) -> Json:
        application = self.world.store.get(self.key)
        if application is None:
            raise Ended
        return application

    def _write(self, change: Callable[[Json], None], fresh: bool = False) -> None:
        def onto(application: Json) -> None:
            if fresh:
                application["status"]["operationState"] = {}
            change(application["status"].setdefault("operationState", {}))

        self._store_write(onto)

    def _store_write(self, change: Callable[[Json], None]) -> None:
        if self.world.store.write(self.key, change) is None:
            raise Ended

    def _result(self, manifest: Json, phase: str, message: str) -> Json:
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

    def _live(self, row: Json) -> LiveObject | None:
        return self._cluster().objects.get((row["group"], row["kind"], row["namespace"], row["name"]))

    def _health_of(self, row: Json) -> str:
        live = self._live(row)
        health = live.health(self._now()) if live else None
        return health.status if health else ""

    def _live_health_message(self, row: Json) -> str:
        live = self._live(row)
        health = live.health(self._now()) if live else None
        return health.message if health else ""

    def _cluster(self) -> Cluster:
        return self.world.cluster(self.key)

    def _now(self) -> datetime:
        return self.world.store.clock.now()

    def _seconds_until(self, moment: datetime | None) -> float:
        # a moment later, since a wait may end a hair before its time
        return math.inf if moment is None else max(0.0, (moment - self._now()) / timedelta(seconds=1)) + 0.001

    def _revision(self) -> str:
        return next(iter(revisions_of(self.sync)), "")


def _again(state: Json, message: str) -> None:
    state["message"] = message
    state.pop("finishedAt", None)


def _of_type(target: Target, kind: str) -> list[Json]:
    return [manifest for manifest in target.hooks if kind in hook_types(manifest)]


def _wave(manifest: Json) -> int:
    return int((manifest["metadata"].get("annotations") or {}).get(WAVE, 0))


def _apply_order(manifest: Json) -> tuple[Any, ...]:
    kind = manifest["kind"]
    rank = _FIRST_KINDS.index(kind) if kind in _FIRST_KINDS else len(_FIRST_KINDS)
    return (_wave(manifest), rank, *key_of(manifest))


def _kubectl_name(manifest: Json) -> str:
    group, kind, _, name = key_of(manifest)
    return f"{kind.lower()}{f'.{group}' if group else ''}/{name}"


def _where(row: Json) -> str:
    return f"{row['group']}/{row['kind']}/{row['name']}"


def _seconds(text: object, default: float) -> float:
    """A Go duration of one unit (`5s`, `3m`) in seconds."""
    if not isinstance(text, str) or not text:
        return default
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    return float(text[:-1]) * units[text[-1]] if text[-1] in units else float(text)
