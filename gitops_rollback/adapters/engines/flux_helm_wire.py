"""What does a HelmRelease with its chart, and the Kustomization that brings it, say in our words?

Its sources are the chart and the directory of the Kustomization that holds the HelmRelease and its values. For a record
both bear one revision where they are one repository: the commit that the chart was made from, or the one that the
Kustomization had applied when Helm released.
Source: contracts/flux-kubernetes.md sections 3.5 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_rollback.adapters.engines import flux_helm as helm
from gitops_rollback.adapters.engines.flux_helm import HelmChart, HelmRelease
from gitops_rollback.adapters.engines.flux_kustomization import Kustomization
from gitops_rollback.adapters.engines.flux_memory import (
    Look,
    Memory,
    Run,
    Waiting,
    as_judged,
    fold,
    is_older,
    with_health,
)
from gitops_rollback.adapters.engines.flux_objects import WAITS, commit_of
from gitops_rollback.adapters.engines.flux_past import Past
from gitops_rollback.adapters.engines.flux_sources import (
    FluxSource,
    ImageWriter,
    image_automations,
    rewriting_obstacles,
    source_conditions,
    source_obstacles,
    written_again,
)
from gitops_rollback.adapters.engines.flux_wire import (
    IN_CLUSTER,
    Known,
    Told,
    asked_at,
    dependency_obstacles,
    differing,
    finished,
    kustomization_sync,
    needed_by,
    operation,
    own_obstacles,
    revision_of,
    shared_conditions,
)
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import REMEDIATION, ApplicationId, ApplicationState, Obstacle, Source, SyncStatus

FAILED_RELEASE = ("UpgradeFailed", "InstallFailed", "TestFailed", "RollbackFailed", "UninstallFailed")
NOT_BUILT = ("SourceNotReady", "ArtifactFailed", "ValuesError", "StateError", "AccessDenied")


@dataclass(frozen=True)
class Around:
    """The objects around one HelmRelease, each None where it is not there. `owner_memory`: what its owner deployed."""

    chart: HelmChart | None = None
    chart_source: FluxSource | None = None
    owner: Kustomization | None = None
    owner_source: FluxSource | None = None
    owner_memory: Memory | None = None
    memory: Memory | None = None  # its own, from before this look
    releases: Mapping[tuple[str, str], HelmRelease] = field(default_factory=dict)  # all of them, for `dependsOn`

    @property
    def chart_in_git(self) -> bool:
        return self.chart_source is not None and self.chart_source.git

    @property
    def one_source(self) -> bool:
        """Chart and values come from the very same source object."""
        chart, owner = self.chart_source, self.owner_source
        return chart is not None and owner is not None and chart.common == owner.common

    @property
    def applied(self) -> str:
        """The commit that the owner has applied last; "" without one."""
        return revision_of(self.owner_source, self.owner.live) if self.owner else ""


def chart_key(one: HelmRelease) -> tuple[str, str]:
    """Namespace and name of the HelmChart that the release uses; ("", "") if it is not known yet."""
    if one.chart_ref is not None and one.chart_ref[0] == helm.CHART_KIND:
        return one.chart_ref[1], one.chart_ref[2]
    return one.helm_chart


def chart_source_key(one: HelmRelease, chart: HelmChart | None) -> tuple[str, str, str]:
    """Kind, namespace and name of what the chart is taken from."""
    if chart is not None:
        return chart.ref.source
    if one.chart is not None:
        return one.chart.source
    return one.chart_ref or ("", "", "")


def helm_state(instance: str, one: HelmRelease, near: Around, known: Known, now: datetime) -> Told:
    """The state of one HelmRelease after this look."""
    identity = ApplicationId(instance, helm.KIND, one.common.namespace, one.common.name)
    memory = near.memory
    sources = helm_sources(one, near)
    waiting = _mapped(one, near, sources)
    look = Look(
        uid=one.common.uid,
        sources=sources,
        outcomes=one.outcomes(lambda shot: _made_from(near, sources, one, shot)),
        waiting=waiting,
        now=now,
    )
    stale = is_older(memory, look)
    memory = as_judged(fold(memory, look), known.past.judged(identity), look.differs, known.past.is_older)
    memory = _with_reconciled(with_health(memory, one.health, one.common.ready.changed_at), one, near)
    state = ApplicationState(
        id=identity,
        uid=one.common.uid,
        project=one.common.namespace,
        destination=f"kubeconfig {one.cluster}" if one.cluster else IN_CLUSTER,
        namespace=one.target_namespace or one.common.namespace,
        sources=sources,
        sync=helm_sync(one, near, known.past),
        sync_revisions=_compared(one, near, sources),
        health=one.health,
        observed_at=now,
        reconciled_at=memory.reconciled_at,
        operation=operation(memory, one.in_progress, waiting, one.common, now, at_once=True),
        auto_sync=not any(_suspended(one, near)),
        prune=True,
        self_heal=one.self_heal,
        conditions=_conditions(one, near, known, stale),
        obstacles=_obstacles(one, near, known),
        image_automations=image_automations(_writers(near, known)),
        resources=one.resources,
        needs=needed_by(instance, helm.KIND, one.depends_on),
    )
    return Told(finished(_accepted(state, memory), one.common, memory), memory)


def _accepted(state: ApplicationState, memory: Memory) -> ApplicationState:
    """What Flux went back to may be what git asks for now: then Flux calls that released, and Helm does nothing."""
    done, last = state.operation, memory.last
    went_back = last is not None and last.initiated_by == REMEDIATION
    if done is None or done.in_progress or not went_back or state.sync is not SyncStatus.SYNCED:
        return state
    return replace(state, operation=replace(done, revisions=state.sync_revisions))


def helm_sources(one: HelmRelease, near: Around) -> tuple[Source, ...]:
    """The chart, then the directory of the owner. What the owner's commits decide is not the release's own setting."""
    ref = near.chart.ref if near.chart else one.chart
    url = near.chart_source.url if near.chart_source else ""
    settings = "" if one.owner else one.parameters
    if near.chart_in_git and near.chart_source is not None and ref is not None:
        chart = Source(url, path=ref.chart, target_revision=near.chart_source.follows, parameters=settings)
    else:
        name = ref.chart if ref else near.chart_source.common.name if near.chart_source else one.common.name
        version = "" if one.owner or ref is None else ref.version
        chart = Source(url, chart=name or one.common.name, target_revision=version, parameters=settings)
    if near.owner is None:
        return (chart,)
    source = near.owner_source
    held = Source(source.url if source else "", path=near.owner.path, target_revision=source.follows if source else "")
    return (chart, held)


def _made_from(near: Around, sources: tuple[Source, ...], one: HelmRelease, shot: helm.Snapshot) -> tuple[str, ...]:
    """What a release was made from: as it was told before, since Flux forgets what a rollback went back to."""
    seen = near.memory.seen if near.memory else ()
    known = (outcome.revisions for outcome in seen if outcome.key[0] == shot.key)
    older = next((other for other in one.history if other.version < shot.version), shot)
    new_chart = older.chart_version != shot.chart_version
    return next(known, ()) or revisions_at(near, sources, shot.chart_version, shot.released_at, new_chart)


def revisions_at(
    near: Around, sources: tuple[Source, ...], version: str, moment: datetime, new_chart: bool
) -> tuple[str, ...]:
    """What a release of this chart version at that moment was made from, one revision for each source.

    `new_chart`: the release before it was of another version.
    """
    run = near.owner_memory.run_at(moment) if near.owner_memory else None
    owner = run.revisions[0] if run else near.applied
    if not near.chart_in_git:
        return (version, owner)[: len(sources)]
    chart = _chart_commit(near, version)
    if near.one_source:
        # The owner's commit may be an older one with the same manifests: then the chart's commit counts.
        counts = is_sha(chart) and _chart_tells(near, version, run, new_chart)
        chart, owner = (chart, chart) if counts else (owner or chart, owner)
    return (chart, owner)[: len(sources)]


def _chart_tells(near: Around, version: str, run: Run | None, new_chart: bool) -> bool:
    """Whether the chart's commit tells what was released: by its own digits, or where the chart was new after the rest.

    A chart that is built by its version alone is told by the commit that it was looked at last.
    """
    if helm.commit_prefix(version) or run is None:
        return True
    built = near.chart.built_at if near.chart else None
    return new_chart and built is not None and built > run.started_at


def helm_sync(one: HelmRelease, near: Around, past: Past) -> SyncStatus:
    """Is what the chart, the values and their Kustomization say now what is released?"""
    ready, chart = one.common.ready, near.chart
    if ready.reason in NOT_BUILT or not ready.status:
        return SyncStatus.UNKNOWN
    owner, source = near.owner, near.owner_source
    owner_behind = owner is not None and (
        kustomization_sync(owner, source, differing(owner, source, past)) is not SyncStatus.SYNCED
    )
    built = chart.version if chart else ""
    chart_behind = bool(built) and built != one.attempted
    settled = ready.true and one.common.spec_seen and not one.in_progress
    return SyncStatus.SYNCED if settled and not owner_behind and not chart_behind else SyncStatus.OUT_OF_SYNC


def _compared(one: HelmRelease, near: Around, sources: tuple[Source, ...]) -> tuple[str, ...]:
    """What the release was last compared to: the chart that was attempted, and what its owner has applied."""
    if not one.attempted:
        return ()
    chart = _chart_commit(near, one.attempted) if near.chart_in_git else one.attempted
    return (chart, near.applied)[: len(sources)]


def _chart_commit(near: Around, version: str) -> str:
    """The commit of a chart in git: by the digits in its version, else what it was built from last."""
    source, chart, owner = near.chart_source, near.chart, near.owner
    if not helm.commit_prefix(version):
        return commit_of(chart.observed) if chart and chart.version == version else ""
    known = [source.revision if source else "", chart.observed if chart else ""]
    if owner is not None and near.one_source:
        known += [owner.applied, owner.attempted, *(entry.revision for entry in owner.history)]
        known += [run.revisions[0] for run in (near.owner_memory.runs if near.owner_memory else ()) if run.revisions]
    known += [run.revisions[0] for run in (near.memory.runs if near.memory else ()) if run.revisions]
    return helm.chart_commit(version, tuple(one for one in known if one))


def _mapped(one: HelmRelease, near: Around, sources: tuple[Source, ...]) -> Waiting | None:
    """The action that runs, once it says what it works on: that is written after the action has been announced."""
    waiting, built = one.waiting, near.chart.version if near.chart else ""
    if waiting is None or built not in ("", one.attempted) or one.attempted_generation != one.common.generation:
        return None
    new_chart = bool(one.history) and one.history[0].chart_version != one.attempted
    return replace(waiting, revisions=revisions_at(near, sources, one.attempted, waiting.since, new_chart))


def _with_reconciled(memory: Memory, one: HelmRelease, near: Around) -> Memory:
    """When it last compared. A run that finds nothing to do leaves no time behind, so its beginning is kept.

    A request of ours that was answered tells that a run began after it was made. A run that began before its owner had
    applied what it takes values from compared with the old ones: it says nothing.
    """
    began = one.common.condition("Reconciling").changed_at if one.in_progress else None
    asked = asked_at(one.common.handled) if not one.common.suspended else None
    ended = None if one.in_progress else memory.began_at
    brought = near.owner_memory.last if near.owner_memory and one.values_from else None
    values_at = brought.finished_at if brought else None
    runs = [time for time in (asked, ended) if time is not None and (values_at is None or time >= values_at)]
    newest = max((time for time in (memory.reconciled_at, one.finished_at, *runs) if time is not None), default=None)
    return replace(memory, reconciled_at=newest, began_at=began)


def _suspended(one: HelmRelease, near: Around) -> tuple[bool, ...]:
    others = (near.owner, near.owner_source, near.chart, near.chart_source)
    return (one.common.suspended, *(other.common.suspended for other in others if other is not None))


def _conditions(one: HelmRelease, near: Around, known: Known, stale: bool) -> tuple[tuple[str, str], ...]:
    others = (near.chart, near.owner, near.chart_source, near.owner_source)
    found = shared_conditions(one.common, [*one.faults, *(f for other in others if other for f in other.faults)], stale)
    found += [*source_conditions(near.owner_source), *source_conditions(near.chart_source)]
    ready = one.common.ready
    failed = f"{ready.reason}: {ready.message}"
    if ready.reason in FAILED_RELEASE and not one.in_progress:
        found.append(("SyncError", failed))
    elif ready.reason in NOT_BUILT:
        found.append(("ComparisonError", failed))
    elif ready.reason == WAITS:
        found.append((ready.reason, ready.message))
    for kind in ("Remediated", "Drifted"):
        condition = one.common.condition(kind)
        if condition.true:
            found.append((kind, f"{condition.reason}: {condition.message}"))
    if one.cluster:
        found.append(("OtherCluster", f"its objects live on the cluster of the kubeconfig {one.cluster}"))
    found += written_again(_writers(near, known))
    return tuple(dict.fromkeys(found))


def _obstacles(one: HelmRelease, near: Around, known: Known) -> tuple[Obstacle, ...]:
    """Why a commit may not get here. A chart from a registry is not in the way: its version stands in git."""
    found = [*own_obstacles(one.common), *_of_owner(one, near)]
    chart = near.chart_source
    if chart is not None and (chart.git or chart.common.suspended) and not near.one_source:
        found += [one for one in source_obstacles(chart, chart.common.short) if one.reason is not Reason.NOT_GIT]
    if near.chart is not None and near.chart.common.suspended:
        message = f"{near.chart.common.short} is suspended: no other chart is built until a person resumes it"
        found.append(Obstacle(Reason.SUSPENDED_SOURCE, message, near.chart.common.resume))
    found += dependency_obstacles(one.depends_on, near.releases.get, helm.KIND)
    found += rewriting_obstacles(_writers(near, known))
    return tuple(dict.fromkeys(found))


def _writers(near: Around, known: Known) -> tuple[ImageWriter, ...]:
    """The automations that write where the release itself stands in git."""
    if near.owner is None or near.owner_source is None:
        return ()
    return known.sources.writers_of(near.owner_source, near.owner.path)


def _of_owner(one: HelmRelease, near: Around) -> list[Obstacle]:
    if one.owner is None:
        if near.chart_in_git:
            return []
        message = f"no Kustomization brings {one.common.short}: no commit changes its values"
        return [Obstacle(Reason.NOT_GIT, message, "change it where it was made")]
    if near.owner is None:
        message = f"Kustomization {one.owner[0]}/{one.owner[1]}, which brought {one.common.short}, does not exist"
        return [Obstacle(Reason.SOURCE_MISSING, message, "create it again, or take its label away")]
    found = list(source_obstacles(near.owner_source, f"the source of {near.owner.common.short}"))
    if near.owner.common.suspended:
        message = f"{near.owner.common.short}, which brings it, is suspended"
        found.append(Obstacle(Reason.SUSPENDED_SOURCE, message, near.owner.common.resume))
    return found
