"""What does a Kustomization of Flux say: how far is its controller, what is live, and what came of it?

`lastAppliedRevision` moves with every commit of the repository and stays behind while a bad one is live, so it is only
one sign among others. Status is written in several parts: nothing is concluded until all of them agree.
Source: contracts/flux-kubernetes.md sections 2, 4 and 6; kustomize-controller api/v1, internal/controller.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from gitops_rollback.adapters.engines.flux_memory import Outcome, Waiting
from gitops_rollback.adapters.engines.flux_objects import (
    LIST_READ,
    WAITS,
    Common,
    Condition,
    commit_of,
    directory,
    other_cluster,
    parse_duration,
    read_common,
    read_duration,
)
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.sync import Health, ResourceStatus

KIND = "Kustomization"
SHORTEST_WAIT = timedelta(seconds=30)
INVENTORY_KEPT = 5000
PARAMETERS_KEPT = 16384
TOOL_SETTINGS = (
    *("targetNamespace", "namePrefix", "nameSuffix", "patches", "images", "components"),
    *("commonMetadata", "postBuild", "kubeConfig"),
)
SUCCEEDED = "ReconciliationSucceeded"

_HEALTH_WAIT = re.compile(r"Running health checks for revision (\S+) with a timeout of (\S+)")
_WORKS_ON = re.compile(r"\w[\w ]* for revision (\S+) with a timeout of \S+")
_APPLIED = re.compile(r"Applied revision: (\S+)")
_UNHEALTHY = re.compile(r"(\w+)/([^/\s\[\]]*)/([^/\s\[\]]+) status: '(\w+)'")
_KSTATUS = {
    "InProgress": Health.PROGRESSING,
    "Failed": Health.DEGRADED,
    "Terminating": Health.PROGRESSING,
    "NotFound": Health.MISSING,
}


class Stage(StrEnum):
    """How far the controller is."""

    NEW = "new"
    RUNNING = "running"  # it fetches, builds, applies, or has not written all of its result
    WAITING = "waiting"  # applied; it waits for health and looks at nothing else
    APPLIED = "applied"
    HEALTH_FAILED = "health failed"  # applied, and live
    APPLY_FAILED = "apply failed"  # a part may be live
    PRUNE_FAILED = "prune failed"  # applied, and live
    CANCELED = "canceled"  # applied; the wait was given up for something newer
    BUILD_FAILED = "build failed"  # nothing of it is live
    DEPENDENCY = "dependency"  # it was not even tried
    FAILED = "failed"  # for another reason; nothing of it is live


_STAGES = {
    "HealthCheckFailed": Stage.HEALTH_FAILED,
    "ReconciliationFailed": Stage.APPLY_FAILED,
    "PruneFailed": Stage.PRUNE_FAILED,
    "HealthCheckCanceled": Stage.CANCELED,
    "BuildFailed": Stage.BUILD_FAILED,
    WAITS: Stage.DEPENDENCY,
}
LIVE_THOUGH_FAILED = (Stage.HEALTH_FAILED, Stage.APPLY_FAILED, Stage.PRUNE_FAILED, Stage.CANCELED)


@dataclass(frozen=True)
class HistoryEntry:
    """One of at most five; `revision` is the newest that was seen with this digest, not the one that brought it."""

    digest: str
    status: str
    first_at: datetime
    last_at: datetime
    took: timedelta
    times: int
    revision: str


@dataclass(frozen=True)
class Kustomization:
    """One object, read. Revisions are as Flux writes them."""

    common: Common
    source: tuple[str, str, str]  # kind, namespace, name
    path: str
    prune: bool
    target_namespace: str
    parameters: str
    cluster: str  # as `other_cluster` says it
    depends_on: tuple[tuple[str, str], ...]
    attempted: str
    applied: str
    history: tuple[HistoryEntry, ...]  # newest first
    resources: tuple[ResourceStatus, ...]
    health_wait: timedelta | None  # how long it may wait for the health of what it has applied; None: not at all
    faults: tuple[str, ...] = ()

    @property
    def stage(self) -> Stage:
        reconciling, ready = self.common.condition("Reconciling"), self.common.ready
        if _runs(reconciling):
            return Stage.WAITING if _HEALTH_WAIT.match(reconciling.message) else Stage.RUNNING
        if ready.true:
            return Stage.RUNNING if self._half_written() else Stage.APPLIED
        if ready.false:
            return Stage.FAILED if self.common.stalled else _STAGES.get(ready.reason, Stage.FAILED)
        return Stage.RUNNING if ready.status else Stage.NEW

    @property
    def live(self) -> str:
        """The revision whose objects are in the cluster, whole or in part; "" if there is none."""
        waiting = self._health_wait() or self._half_written()
        if waiting is not None:
            return waiting.group(1)
        if self.stage in LIVE_THOUGH_FAILED:
            return self.attempted
        return self.history[0].revision if self.history else self.applied

    @property
    def health(self) -> Health:
        """The health of what is live. A run that only looks again at what is known does not change it."""
        waiting = self._health_wait() or self._half_written()
        if waiting is not None and not (self.history and waiting.group(1) == self.history[0].revision):
            return Health.PROGRESSING
        if self.stage in (Stage.HEALTH_FAILED, Stage.APPLY_FAILED):
            return Health.DEGRADED
        if self.history:
            worst = {"HealthCheckFailed": Health.DEGRADED, "ReconciliationFailed": Health.DEGRADED}
            return worst.get(self.history[0].status, Health.HEALTHY)
        if self.stage is Stage.APPLIED:
            return Health.HEALTHY
        return Health.PROGRESSING if self.stage in (Stage.RUNNING, Stage.CANCELED) else Health.UNKNOWN

    @property
    def health_changed_at(self) -> datetime | None:
        healthy = self.common.condition("Healthy")
        return (healthy if healthy.type else self.common.ready).changed_at

    @property
    def waiting(self) -> Waiting | None:
        """The wait for health that runs now: nothing newer is looked at before its end."""
        waiting, reconciling = self._health_wait(), self.common.condition("Reconciling")
        if waiting is None or reconciling.changed_at is None:
            return None
        timeout = parse_duration(waiting.group(2))
        until = reconciling.changed_at + timeout if timeout is not None else None
        return Waiting((commit_of(waiting.group(1)),), reconciling.changed_at, until)

    @property
    def works_on(self) -> str:
        """The revision that the run is about that goes on now; "" if none does, or if it does not say."""
        reconciling = self.common.condition("Reconciling")
        said = _WORKS_ON.match(reconciling.message) if _runs(reconciling) else None
        return said.group(1) if said else ""

    @property
    def reconciled_at(self) -> datetime | None:
        """When the newest run ended that compared with the cluster."""
        ended = [entry.last_at for entry in self.history]
        ready = self.common.ready
        if not ended and self.stage is Stage.APPLIED and ready.changed_at is not None:
            ended = [ready.changed_at]
        return max(ended, default=None)

    def outcomes(self, git: bool) -> tuple[Outcome, ...]:
        """Newest first. Flux before 2.7 tells no history: then one outcome by its revision, without content."""
        if self.history:
            return tuple(_outcome(entry, git, self.health_wait or timedelta()) for entry in self.history)
        ended = self.common.ready.changed_at
        failed = self.stage in (Stage.HEALTH_FAILED, Stage.APPLY_FAILED, Stage.PRUNE_FAILED)
        revision = self.live if failed or self.stage is Stage.APPLIED else ""
        if not revision or ended is None:
            return ()
        named = commit_of(revision) if git else revision
        return (Outcome((named, failed), "", (named,), ended, ended, ok=not failed),)

    def _health_wait(self) -> re.Match[str] | None:
        reconciling = self.common.condition("Reconciling")
        return _HEALTH_WAIT.match(reconciling.message) if _runs(reconciling) else None

    def _half_written(self) -> re.Match[str] | None:
        """Conditions are written before the rest of the status: the success is there, its revision is not yet."""
        ready = self.common.ready
        said = _APPLIED.match(ready.message) if ready.true and ready.reason == SUCCEEDED else None
        if said is None or _runs(self.common.condition("Reconciling")):
            return None
        told = said.group(1) == self.applied and not (self.history and self.history[0].revision != said.group(1))
        return None if told else said


def _runs(reconciling: Condition) -> bool:
    """Between two tries it is still called reconciling."""
    return reconciling.true and reconciling.reason != "ProgressingWithRetry"


def read_kustomization(value: object) -> Kustomization:
    """Never raises; what cannot be read is in `faults`."""
    root = Node(value)
    spec, status, common = root.get("spec"), root.get("status"), read_common(root, KIND)
    if not spec:
        root.faults.append("spec is missing")
    source = spec.get("sourceRef")
    return Kustomization(
        common=common,
        source=(
            source.get("kind").text(),
            source.get("namespace").text() or common.namespace,
            source.get("name").text(),
        ),
        path=directory(spec.get("path").text()),
        prune=spec.get("prune").flag(),
        target_namespace=spec.get("targetNamespace").text(),
        parameters=canonical({key: spec.get(key).value for key in TOOL_SETTINGS}),
        cluster=other_cluster(spec),
        depends_on=_depends_on(spec.get("dependsOn"), common.namespace),
        attempted=status.get("lastAttemptedRevision").text(),
        applied=status.get("lastAppliedRevision").text(),
        history=_history(status.get("history")),
        resources=read_inventory(status.get("inventory", "entries"), common),
        health_wait=_health_wait(spec),
        faults=tuple(root.faults),
    )


def _health_wait(spec: Node) -> timedelta | None:
    """The controller's own default is its interval without the last half minute, whatever the API's text says.

    It never waits for less than half a minute, a shorter `timeout` notwithstanding.
    """
    if not spec.get("wait").flag() and not any(spec.get("healthChecks").items()):
        return None
    interval = read_duration(spec.get("interval")) or timedelta()
    return max(SHORTEST_WAIT, read_duration(spec.get("timeout")) or interval - SHORTEST_WAIT)


def canonical(settings: Mapping[str, object]) -> str:
    """Settings that are set, as canonical JSON; long ones are only told apart by their digest. "" if none is set."""
    used = {key: value for key, value in settings.items() if value not in (None, "", [], {})}
    if not used:
        return ""
    text = json.dumps(used, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text if len(text) <= PARAMETERS_KEPT else json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})


def _depends_on(node: Node, namespace: str) -> tuple[tuple[str, str], ...]:
    found = islice(node.items(), LIST_READ)
    return tuple((one.get("namespace").text() or namespace, one.get("name").text()) for one in found)


def _history(node: Node) -> tuple[HistoryEntry, ...]:
    entries: list[HistoryEntry] = []
    for one in islice(node.items(), LIST_READ):
        first, last = one.get("firstReconciled").moment(), one.get("lastReconciled").moment()
        digest, revision = one.get("digest").text(), one.get("metadata", "revision").text()
        if first is None or last is None or not digest:
            node.faults.append(f"{one.path} has no readable time or digest")
            continue
        entries.append(
            HistoryEntry(
                digest=digest,
                status=one.get("lastReconciledStatus").text(),
                first_at=min(first, last),
                last_at=last,
                took=read_duration(one.get("lastReconciledDuration")) or timedelta(),
                times=max(1, one.get("totalReconciliations").number() or 1),
                revision=revision,
            )
        )
    return tuple(entries)


def _outcome(entry: HistoryEntry, git: bool, may_take: timedelta) -> Outcome:
    return Outcome(
        key=(entry.digest, entry.status, entry.last_at, entry.times),
        content=entry.digest,
        revisions=(commit_of(entry.revision) if git else entry.revision,),
        first_at=entry.first_at,
        last_at=entry.last_at,
        ok=entry.status == SUCCEEDED,
        times=entry.times,
        took=entry.took,
        may_take=timedelta() if entry.status == "ReconciliationFailed" else may_take,
    )


def read_inventory(entries: Node, common: Common) -> tuple[ResourceStatus, ...]:
    """The inventory says identities only; the health of those that a failed check names stands in its message."""
    message = common.ready.message if common.ready.false else ""
    unhealthy = {
        (kind, namespace, name): _KSTATUS.get(word, Health.UNKNOWN).value
        for kind, namespace, name, word in _UNHEALTHY.findall(message)
    }
    found: list[ResourceStatus] = []
    for entry in islice(entries.items(), INVENTORY_KEPT):
        parts = entry.get("id").text().split("_")
        if len(parts) < 4:
            entries.faults.append(f"{entry.path}.id is no object's name")
            continue
        namespace, name, group, kind = parts[0], "_".join(parts[1:-2]).replace("__", ":"), parts[-2], parts[-1]
        health = unhealthy.get((kind, namespace, name), "")
        found.append(ResourceStatus(group, kind, namespace, name, health=health))
    return tuple(found)
