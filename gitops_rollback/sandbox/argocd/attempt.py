"""What does one attempt of a sync operation do to the cluster? Hooks before, objects wave by wave, hooks after.

Source: argo-cd v3.5.1 controller/sync.go (SyncAppState), gitops-engine/pkg/sync/sync_context.go; the messages and the
moments of writing are those of the recorded operations.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.argocd.comparison import Target, hook_types
from gitops_rollback.sandbox.argocd.live import LiveObject, key_of
from gitops_rollback.sandbox.argocd.progress import Progress
from gitops_rollback.sandbox.rendering import Json

FAILED = "one or more synchronization tasks completed unsuccessfully"
WAVE = "argocd.argoproj.io/sync-wave"
DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
_FIRST_KINDS = ("Namespace", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolumeClaim", "Service")


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    phase: str
    message: str


OutcomeIfFailed = Generator[float, None, Outcome | None]


class Attempt:
    """One attempt to bring the cluster to `target`. Every step may raise Ended or Terminated."""

    def __init__(self, progress: Progress, target: Target) -> None:
        self._progress = progress
        self._sync = progress.sync
        self._target = target
        hookless = bool(self._sync.get("resources")) or "apply" in (self._sync.get("syncStrategy") or {})
        self._hooks = () if hookless else target.hooks

    def steps(self, namespace: str) -> Generator[float, None, Outcome]:
        """Do it all; after a failure start the SyncFail hooks."""
        outcome = yield from self._phases(namespace)
        if outcome.phase == "Failed":
            self._start_hooks("SyncFail")
        return outcome

    def _phases(self, namespace: str) -> Generator[float, None, Outcome]:
        if self._create_namespace(namespace):
            yield from self._progress.report(f"waiting for healthy state of /Namespace/{namespace}")
        failed = yield from self._run_hooks("PreSync", last=False)
        failed = failed or (yield from self._apply())
        failed = failed or (yield from self._run_hooks("Sync"))
        if failed:
            return failed
        if not self._of_type("PostSync"):
            return Outcome("Succeeded", "successfully synced (all tasks run)")
        failed = yield from self._run_hooks("PostSync")
        return failed or Outcome("Succeeded", "successfully synced (no more tasks)")

    def _create_namespace(self, namespace: str) -> bool:
        cluster = self._progress.cluster()
        if "CreateNamespace=true" not in self._sync.get("syncOptions", ()) or namespace in cluster.namespaces:
            return False
        cluster.namespaces.add(namespace)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._progress.add_result(manifest, "PreSync", f"namespace/{namespace} created")
        return True

    def _apply(self) -> OutcomeIfFailed:
        """Apply the objects wave by wave; wait for health between waves and before a PostSync hook."""
        waves = self._waves()
        for number, wave in enumerate(waves):
            rows = [self._apply_one(manifest) for manifest in wave]
            last = number == len(waves) - 1
            if last:
                self._prune()
            if not self._sync.get("dryRun"):
                self._progress.world.applied(self._progress.key, self._target.revisions)
            self._progress.world.cluster_changed(self._progress.key)
            if not last or self._of_type("PostSync"):
                failed = yield from self._await_health(rows)
                if failed:
                    return failed
        return None

    def _waves(self) -> list[list[Json]]:
        chosen = [manifest for manifest in self._target.managed if self._selected(manifest)]
        waves: dict[int, list[Json]] = {}
        for manifest in sorted(chosen, key=_apply_order):
            waves.setdefault(_wave(manifest), []).append(manifest)
        return [waves[number] for number in sorted(waves)] or [[]]

    def _selected(self, manifest: Json) -> bool:
        wanted = self._sync.get("resources")
        group, kind, namespace, name = key_of(manifest)
        return not wanted or any(
            (each.get("group", ""), each.get("kind"), each.get("name")) == (group, kind, name)
            and each.get("namespace") in (None, "", namespace)
            for each in wanted
        )

    def _apply_one(self, manifest: Json) -> Json:
        what = _kubectl_name(manifest)
        if self._sync.get("dryRun"):
            return self._progress.add_result(manifest, "Sync", f"{what} configured (dry run)")
        return self._progress.add_result(
            manifest, "Sync", f"{what} {self._progress.cluster().apply(manifest, self._progress.now())}"
        )

    def _prune(self) -> None:
        wanted = {key_of(manifest) for manifest in self._target.managed}
        for key, live in list(self._progress.cluster().managed().items()):
            if key in wanted or not self._selected(live.manifest) or self._sync.get("dryRun"):
                continue
            pruned = bool(self._sync.get("prune"))
            row = self._progress.add_result(live.manifest, "Sync", "pruned" if pruned else "ignored (requires pruning)")
            row.update(status="Pruned" if pruned else "PruneSkipped", hookPhase="Succeeded")
            if pruned:
                self._progress.cluster().delete(key)

    def _await_health(self, rows: Sequence[Json]) -> OutcomeIfFailed:
        yield from self._progress.nap(self._progress.world.timing.wave, between_waves=True)
        waiting = [row for row in rows if self._live(row) is not None and self._health_of(row)]
        if not waiting:
            return None
        more = f" and {len(waiting) - 1} more resources" if len(waiting) > 1 else ""
        yield from self._progress.report(f"waiting for healthy state of {_where(waiting[0])}{more}")
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
                yield from self._progress.nap(
                    self._progress.seconds_until(self._progress.cluster().next_change(self._progress.now()))
                )
        return None

    def _run_hooks(self, kind: str, last: bool = True) -> OutcomeIfFailed:
        running = self._start_hooks(kind)
        if not running:
            return None
        if not last:
            yield from self._progress.nap(self._progress.world.timing.wave)
        more = f" and {len(running) - 1} more hooks" if len(running) > 1 else ""
        yield from self._progress.report(f"waiting for completion of hook {_where(running[0][0])}{more}")
        while running:
            failed = self._finish_hooks(running)
            if failed:
                return Outcome("Failed", FAILED)
            if running:
                moments = [moment for _, hook in running if (moment := hook.next_change(self._progress.now()))]
                yield from self._progress.nap(self._progress.seconds_until(min(moments, default=None)))
        return None

    def _start_hooks(self, kind: str) -> list[tuple[Json, LiveObject]]:
        started = []
        for manifest in sorted(self._of_type(kind), key=_wave):
            manifest = self._named(manifest, kind)
            live = self._progress.cluster().run_hook(manifest, kind, self._progress.now())
            row = self._progress.add_result(manifest, kind, f"{_kubectl_name(manifest)} created")
            row["hookType"] = kind
            started.append((row, live))
        if started:
            self._progress.world.cluster_changed(self._progress.key)
        return started

    def _named(self, manifest: Json, kind: str) -> Json:
        if manifest["metadata"].get("name"):
            return manifest
        prefix = manifest["metadata"]["generateName"]
        name = f"{prefix}{self._progress.revision()[:7]}-{kind.lower()}-{int(self._progress.now().timestamp())}"
        return {**manifest, "metadata": {**manifest["metadata"], "name": name}}

    def _finish_hooks(self, running: list[tuple[Json, LiveObject]]) -> bool:
        """Take ended hooks off `running`; True if one failed."""
        failed = False
        for row, live in list(running):
            health = live.health(self._progress.now())
            if health is None or health.status in ("Healthy", "Degraded"):
                good = health is None or health.status == "Healthy"
                row.update(hookPhase="Succeeded" if good else "Failed", message=health.message if health else "")
                policy = str((live.manifest["metadata"].get("annotations") or {}).get(DELETE_POLICY, ""))
                if ("HookSucceeded" if good else "HookFailed") in policy:
                    self._progress.cluster().delete(key_of(live.manifest))
                running.remove((row, live))
                failed = failed or not good
        return failed

    def _of_type(self, kind: str) -> list[Json]:
        return [manifest for manifest in self._hooks if kind in hook_types(manifest)]

    def _live(self, row: Json) -> LiveObject | None:
        return self._progress.cluster().objects.get((row["group"], row["kind"], row["namespace"], row["name"]))

    def _health_of(self, row: Json) -> str:
        live = self._live(row)
        health = live.health(self._progress.now()) if live else None
        return health.status if health else ""

    def _live_health_message(self, row: Json) -> str:
        live = self._live(row)
        health = live.health(self._progress.now()) if live else None
        return health.message if health else ""


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
