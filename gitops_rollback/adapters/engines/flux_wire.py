"""What do Flux's objects, as JSON, say in our words?

Each Kustomization and each HelmRelease is an application. Nothing here raises for what the cluster sends: a value of a
wrong type reads as empty and leaves the condition `Malformed`, so that one broken object neither hides the others nor
looks healthy. What is known from earlier looks comes in as `Memory` and goes out again.
Source: contracts/flux-kubernetes.md sections 2 to 9.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from gitops_rollback.adapters.engines import flux_kustomization as ks
from gitops_rollback.adapters.engines.flux_kustomization import Kustomization, Stage
from gitops_rollback.adapters.engines.flux_memory import (
    Look,
    Memory,
    Waiting,
    as_judged,
    fold,
    is_older,
    pending_run,
    records,
    with_health,
)
from gitops_rollback.adapters.engines.flux_objects import WAITS, Common, commit_of
from gitops_rollback.adapters.engines.flux_past import NoPast, Past
from gitops_rollback.adapters.engines.flux_sources import (
    FluxSource,
    Sources,
    image_automations,
    rewriting_obstacles,
    source_conditions,
    source_obstacles,
    written_again,
)
from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import (
    MALFORMED,
    ApplicationId,
    ApplicationState,
    Health,
    Obstacle,
    Operation,
    OperationPhase,
    Source,
    SyncStatus,
)

GATE = "run {} with --feature-gates=CancelHealthCheckOnNewRevision=true, or set a shorter spec.timeout"
SOONER = {
    "Kustomization": f"To end such a wait sooner: {GATE.format('kustomize-controller')}",
    "HelmRelease": f"To end such a wait sooner: {GATE.format('helm-controller')}",
}
IN_CLUSTER = "in-cluster"
_ASKED = re.compile(r"(rb-[0-9a-f]+)/(\S+)")


@dataclass(frozen=True)
class Known:
    """All objects around an application, and what others know of its past."""

    sources: Sources = field(default_factory=Sources)
    kustomizations: Mapping[tuple[str, str], Kustomization] = field(default_factory=dict)
    past: Past = field(default_factory=NoPast)

    def source_of(self, one: Kustomization) -> FluxSource | None:
        return self.sources.find(*one.source)


@dataclass(frozen=True)
class Told:
    """An application's state, and what is to be remembered of it."""

    state: ApplicationState
    memory: Memory


def kustomization_state(instance: str, one: Kustomization, known: Known, memory: Memory | None, now: datetime) -> Told:
    """The state of one Kustomization after this look."""
    identity = ApplicationId(instance, ks.KIND, one.common.namespace, one.common.name)
    source = known.source_of(one)
    sources = kustomization_sources(one, source)
    look = Look(
        uid=one.common.uid,
        sources=sources,
        outcomes=one.outcomes(source is None or source.git),
        waiting=one.waiting,
        now=now,
        differs=differing(one, source, known.past),
    )
    stale = is_older(memory, look)
    memory = as_judged(fold(memory, look), known.past.judged(identity), look.differs, known.past.is_older)
    waiting = memory.waiting or one.waiting if one.waiting is not None else None
    again = _looks_again(one, look, waiting)
    health = Health.HEALTHY if again else settled_health(one.health, waiting, memory, now)
    memory = with_health(memory, health, one.health_changed_at)
    compared = one.attempted if one.stage is Stage.BUILD_FAILED else one.live
    state = ApplicationState(
        id=identity,
        uid=one.common.uid,
        project=one.common.namespace,
        destination=f"kubeconfig {one.cluster}" if one.cluster else IN_CLUSTER,
        namespace=one.target_namespace or _only_namespace(one) or one.common.namespace,
        sources=sources,
        sync=kustomization_sync(one, source, look.differs),
        sync_revisions=(revision_of(source, compared),) if compared else (),
        health=health,
        observed_at=now,
        reconciled_at=one.reconciled_at,
        operation=operation(memory, _runs(one) and not again, waiting, one.common, now),
        auto_sync=not one.common.suspended and not (source is not None and source.common.suspended),
        prune=one.prune,
        self_heal=True,
        conditions=_kustomization_conditions(one, source, known, stale),
        obstacles=_kustomization_obstacles(one, source, known),
        image_automations=image_automations(known.sources.writers_of(source, one.path) if source else ()),
        resources=one.resources,
        needs=needed_by(instance, ks.KIND, one.depends_on),
    )
    return Told(finished(state, one.common, memory), memory)


def needed_by(instance: str, kind: str, depends_on: Iterable[tuple[str, str]]) -> tuple[ApplicationId, ...]:
    """`spec.dependsOn` names objects of the same kind."""
    return tuple(ApplicationId(instance, kind, namespace, name) for namespace, name in depends_on)


def _runs(one: Kustomization) -> bool:
    return one.stage in (Stage.RUNNING, Stage.WAITING)


def _looks_again(one: Kustomization, look: Look, waiting: Waiting | None) -> bool:
    """A run at what is live and well, as Flux makes one at each interval and for each commit to something else.

    It is no operation: what is verified would begin to hold anew with each of them. A wait that lasts is one.
    """
    last = one.history[0] if one.history else None
    if last is None or last.status != ks.SUCCEEDED or not one.works_on or (waiting and waiting.lasts(look.now)):
        return False
    return not _other(one.works_on, last.revision, look.differs)


def kustomization_sources(one: Kustomization, source: FluxSource | None) -> tuple[Source, ...]:
    """One source; without an address where the source object is not there, so that it is nobody's repository."""
    return (
        Source(
            repo_url=source.url if source else "",
            path=one.path,
            target_revision=source.follows if source else "",
            parameters=one.parameters,
        ),
    )


def differing(one: Kustomization, source: FluxSource | None, past: Past) -> Callable[[str, str], bool]:
    """Whether two commits differ in what a Kustomization applies, as far as its own directory tells."""
    return partial(past.differs, source.url if source else "", one.path)


def kustomization_sync(
    one: Kustomization, source: FluxSource | None, differs: Callable[[str, str], bool]
) -> SyncStatus:
    """Is what the source holds now what is live? `UNKNOWN` where the desired state could not even be built.

    A newer commit to something else changes nothing about that: there is one every minute in a busy repository.
    """
    if one.stage in (Stage.NEW, Stage.BUILD_FAILED, Stage.FAILED):
        return SyncStatus.UNKNOWN
    behind = source is not None and bool(source.revision) and _other(source.revision, one.live, differs)
    unseen_spec = one.stage is Stage.APPLIED and not one.common.spec_seen
    under_way = one.stage is Stage.RUNNING and _other(one.attempted, one.live, differs)
    failed = one.stage in (Stage.DEPENDENCY, Stage.APPLY_FAILED, Stage.PRUNE_FAILED)
    return SyncStatus.OUT_OF_SYNC if behind or unseen_spec or under_way or failed else SyncStatus.SYNCED


def _other(revision: str, live: str, differs: Callable[[str, str], bool]) -> bool:
    return revision != live and (not revision or not live or differs(commit_of(live), commit_of(revision)))


def revision_of(source: FluxSource | None, text: str) -> str:
    """As it stands in records: the commit for a git source, the whole text for any other."""
    return commit_of(text) if source is None or source.git else text


def operation(
    memory: Memory, in_progress: bool, waiting: Waiting | None, common: Common, now: datetime, at_once: bool = False
) -> Operation | None:
    """What the engine works on, or the newest run. It names revisions only once they are sure to be a change.

    `at_once`: a wait is a deployment from its beginning, not only once it lasts.
    """
    last = memory.last
    if not in_progress:
        if last is None:
            return None
        phase = OperationPhase.FAILED if last.failed else OperationPhase.SUCCEEDED
        message = common.ready.message
        return Operation(
            phase, last.revisions, last.sources, last.started_at, last.finished_at,
            message=message, initiated_by=last.initiated_by,
        )  # fmt: skip
    message = common.condition("Reconciling").message or common.ready.message
    if waiting is None:
        began = common.condition("Reconciling").changed_at or now
        return Operation(OperationPhase.RUNNING, (), (), began, in_progress=True, message=message)
    again = last is not None and last.revisions == waiting.revisions
    new = at_once or pending_run(memory, now) is not None
    sources = last.sources if again and last is not None else ()
    return Operation(
        phase=OperationPhase.RUNNING,
        revisions=waiting.revisions if again or new else (),
        sources=sources,
        started_at=last.started_at if again and last is not None else waiting.since,
        in_progress=True,
        message=f"{message}, until {waiting.until:%H:%M:%S}Z" if waiting.until else message,
        ends_by=waiting.until,
        sooner=SOONER.get(common.kind, ""),
    )


def finished(state: ApplicationState, common: Common, memory: Memory) -> ApplicationState:
    """What both kinds of applications have in common: requests, names, health since when, and the deployments."""
    if state.operation is not None and state.operation.in_progress and not state.operation.sources:
        state = replace(state, operation=replace(state.operation, sources=state.sources))
    asked = _ASKED.fullmatch(common.requested)
    return replace(
        state,
        health_changed_at=memory.health_at,
        history=records(memory),
        requested_revisions=_worked_on(state, memory),
        operation_requested=bool(common.waiting_request) and not (state.operation and state.operation.in_progress),
        requested_info={ROLLBACK_ID_INFO: asked.group(1)} if asked else {},
        annotations=common.annotations,
        labels=common.labels,
        deleting=common.deleting,
    )


def _worked_on(state: ApplicationState, memory: Memory) -> tuple[str, ...]:
    """What the engine waits for now, whether that is a change or the same again."""
    waits = memory.waiting is not None and state.operation is not None and state.operation.in_progress
    return memory.waiting.revisions if memory.waiting is not None and waits else ()


def settled_health(told: Health, waiting: Waiting | None, memory: Memory, now: datetime) -> Health:
    """A short look of the engine at what has not changed is no change of health; a wait that lasts is one."""
    brief = told is Health.PROGRESSING and not (waiting is not None and waiting.lasts(now))
    return memory.health if brief and memory.health is not None else told


def asked_at(token: str) -> datetime | None:
    """When a request of ours was made, by its own word; None for a foreign token."""
    asked = _ASKED.fullmatch(token)
    try:
        return datetime.fromisoformat(asked.group(2)).astimezone(UTC) if asked else None
    except (ValueError, OverflowError):
        return None


def shared_conditions(common: Common, faults: Iterable[str], stale: bool) -> list[tuple[str, str]]:
    """Conditions that any application may have."""
    found = [(MALFORMED, fault) for fault in faults]
    if stale:
        found.append((MALFORMED, "an older state than was seen before: the answer is stale"))
    if common.stalled:
        condition = common.condition("Stalled")
        found.append(("Stalled", f"{condition.reason}: {condition.message}"))
    return found


def own_obstacles(common: Common) -> list[Obstacle]:
    """What of the object itself keeps a commit from being applied."""
    found: list[Obstacle] = []
    if common.suspended:
        message = f"{common.short} is suspended: it applies nothing until a person resumes it"
        found.append(Obstacle(Reason.SUSPENDED_APPLICATION, message, common.resume))
    if common.stalled and common.ready.reason == "AccessDenied":
        message = f"{common.short} may not read its source: {common.ready.message}"
        remedy = "let it refer to a source in its own namespace, or Flux allow references across namespaces"
        found.append(Obstacle(Reason.SOURCE_MISSING, message, remedy))
    return found


class Depending(Protocol):
    """What may be waited for, and waits itself."""

    @property
    def common(self) -> Common: ...

    @property
    def depends_on(self) -> tuple[tuple[str, str], ...]: ...


def dependency_obstacles(
    depends_on: Iterable[tuple[str, str]], others: Callable[[tuple[str, str]], Depending | None], kind: str
) -> list[Obstacle]:
    """Dependencies that will not get ready by themselves: until then nothing is applied here, a revert included.

    One that waits for its own is looked through: what blocks that blocks this one as well.
    """
    found: list[Obstacle] = []
    pending, seen = deque(depends_on), set[tuple[str, str]]()
    while pending:
        key = pending.popleft()
        if key in seen:
            continue
        seen.add(key)
        other = others(key)
        found += _blocks(f"{kind} {key[0]}/{key[1]}", other.common if other is not None else None)
        if other is not None and other.common.ready.reason == WAITS:
            pending.extend(other.depends_on)
    return found


def _blocks(name: str, other: Common | None) -> list[Obstacle]:
    remedy = f"look at {name}, which blocks it"
    if other is None:
        message = f"{name} does not exist, and this one depends on it"
    elif other.suspended:
        message, remedy = f"{name} is suspended, and this one depends on it", other.resume
    elif other.stalled or (other.ready.false and other.ready.reason != WAITS):
        why = f"{other.ready.reason}: {other.ready.message}"
        message = f"{name} is not ready, and this one depends on it: {why}"
    else:
        return []
    return [Obstacle(Reason.DEPENDENCY_BLOCKS, message, remedy)]


def _kustomization_obstacles(one: Kustomization, source: FluxSource | None, known: Known) -> tuple[Obstacle, ...]:
    found = own_obstacles(one.common)
    found += source_obstacles(source, f"{one.source[0]} {one.source[1]}/{one.source[2]}")
    found += dependency_obstacles(one.depends_on, known.kustomizations.get, ks.KIND)
    if source is not None:
        found += rewriting_obstacles(known.sources.writers_of(source, one.path))
    return tuple(found)


def _kustomization_conditions(
    one: Kustomization, source: FluxSource | None, known: Known, stale: bool
) -> tuple[tuple[str, str], ...]:
    faults = (*one.faults, *(source.faults if source else ()))
    found = shared_conditions(one.common, faults, stale)
    found += source_conditions(source)
    ready, failed = one.common.ready, f"{one.common.ready.reason}: {one.common.ready.message}"
    if one.stage in (Stage.BUILD_FAILED, Stage.APPLY_FAILED, Stage.PRUNE_FAILED):
        found.append(("SyncError", failed))
    elif one.stage is Stage.FAILED:
        found.append(("ComparisonError", failed))
    elif one.stage in (Stage.DEPENDENCY, Stage.HEALTH_FAILED):
        found.append((ready.reason, ready.message))
    if one.cluster:
        found.append(("OtherCluster", f"its objects live on the cluster of the kubeconfig {one.cluster}"))
    if source is not None:
        found += written_again(known.sources.writers_of(source, one.path))
    return tuple(found)


def _only_namespace(one: Kustomization) -> str:
    found = {resource.namespace for resource in one.resources if resource.namespace}
    return next(iter(found)) if len(found) == 1 else ""
