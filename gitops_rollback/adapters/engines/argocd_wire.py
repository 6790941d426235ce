"""What does an Argo CD Application, as JSON, say in our words?

Nothing here raises for what the server sends. Absent and null are normal (a new application has no status) and read as
empty; a value of a wrong type reads as empty too, and leaves the condition `Malformed` with what was wrong, so that
one broken object neither hides the others nor looks healthy.
Source: argo-cd v3.5.1 pkg/apis/application/v1alpha1/types.go; contracts/argocd.md sections 3, 5 and 6.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import (
    MALFORMED,
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Obstacle,
    Operation,
    OperationPhase,
    ResourceResult,
    ResourceStatus,
    Source,
    SyncStatus,
)
from gitops_rollback.ports import ManagedObject

KIND = "Application"
HISTORY_KEPT = 100
MESSAGE_KEPT = 2000  # characters
PLUGIN = "Plugin"  # of `status.sourceType`: a config management plugin, whether the spec names one or not
PARAMETERS_KEPT = 16384  # characters; longer ones are only told apart by their digest
IGNORED_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
TOOLS = ("helm", "kustomize", "directory", "plugin")

_Word = TypeVar("_Word", bound=StrEnum)


def read_applications(
    answer: object, instance: str, now: datetime, reader: Reader | None = None
) -> tuple[ApplicationState, ...]:
    """The states of an ApplicationList, unreadable ones included. `items: null` is an empty list."""
    items = (item.value for item in Node(answer).get("items").items())
    return read_each(items, instance, now, reader or Reader())


def read_each(objects: Iterable[object], instance: str, now: datetime, reader: Reader) -> tuple[ApplicationState, ...]:
    """The state of each object, of which `reader` knows those that are as they were when it was asked last."""
    found = reader.read(lambda value: read_application(value, instance, now), objects)
    reader.next_look()
    return tuple(one if one.observed_at == now else replace(one, observed_at=now) for one in found)


def read_application(answer: object, instance: str, now: datetime) -> ApplicationState:
    """The state of one Application. Without a readable name its id has the name ""."""
    root = Node(answer)
    metadata, spec, status = root.get("metadata"), root.get("spec"), root.get("status")
    name = metadata.get("name").text()
    if not name:
        root.faults.append("metadata.name is missing")
    if not spec:
        root.faults.append("spec is missing")
    state = ApplicationState(
        id=ApplicationId(instance, KIND, metadata.get("namespace").text(), name),
        uid=metadata.get("uid").text(),
        project=spec.get("project").text() or "default",
        destination=spec.get("destination", "name").text() or spec.get("destination", "server").text(),
        namespace=spec.get("destination", "namespace").text(),
        sources=_spec_sources(spec),
        sync=_word(SyncStatus, status.get("sync", "status"), SyncStatus.UNKNOWN),
        sync_revisions=_revisions(status.get("sync")),
        health=_word(Health, status.get("health", "status"), Health.UNKNOWN),
        observed_at=now,
        health_changed_at=status.get("health", "lastTransitionTime").moment(),
        reconciled_at=status.get("reconciledAt").moment(),
        annotations=_without_noise(metadata.get("annotations").pairs()),
        labels=metadata.get("labels").pairs(),
        applicationset=_applicationset(metadata),
        deleting=metadata.get("deletionTimestamp").moment() is not None,
        hydrated=bool(spec.get("sourceHydrator")),
        dry_source=_dry_source(spec.get("sourceHydrator")),
        dry_revision=status.get("sourceHydrator", "lastSuccessfulOperation", "drySHA").text(),
        plugin=PLUGIN in (status.get("sourceType").text(), *status.get("sourceTypes").texts()),
    )
    return _finished(_with_policy(_with_status(_with_operation(state, root), status), spec), root)


def read_windows(answer: object) -> tuple[Obstacle, ...]:
    """The window that forbids a manual sync, as ours is; () if none does.

    A missing `canSync` is no: Go leaves it out when it is false.
    """
    root = Node(answer)
    if root.get("canSync").flag():
        return ()
    return (window_closed("deny" in [window.get("kind").text() for window in root.get("activeWindows").items()]),)


def window_closed(denied: bool) -> Obstacle:
    """A sync window is in the way: one that denies is active, or none that allows."""
    words = "a deny window is active" if denied else "no allow window is active"
    remedy = "wait for the window, or open it in the engine"
    return Obstacle(Reason.WINDOW_CLOSED, f"a sync window forbids it: {words}", remedy)


def read_objects(answer: object) -> tuple[ManagedObject, ...]:
    """Desired and live manifests; both stand in the answer as JSON in strings. Raises: ValueError for broken JSON."""
    return tuple(
        ManagedObject(_manifest(item.get("targetState")), _manifest(item.get("liveState")))
        for item in Node(answer).get("items").items()
    )


def read_sources(node: Node) -> tuple[Source, ...]:
    """The sources of a spec, a history entry or an operation; `sources` hides `source`, which is then empty."""
    several = tuple(_source(item) for item in node.get("sources").items())
    if several:
        return several
    single = _source(node.get("source"))
    return (single,) if single.repo_url else ()


def _finished(state: ApplicationState, root: Node) -> ApplicationState:
    faults = tuple((MALFORMED, fault) for fault in root.faults)
    return replace(state, conditions=state.conditions + faults) if faults else state


def _with_status(state: ApplicationState, status: Node) -> ApplicationState:
    conditions = ((one.get("type").text(), _message(one)) for one in status.get("conditions").items())
    return replace(
        state,
        history=_history(status.get("history")),
        conditions=tuple(conditions),
        images=status.get("summary", "images").texts(),
        resources=tuple(_resource(item) for item in status.get("resources").items()),
    )


def _with_policy(state: ApplicationState, spec: Node) -> ApplicationState:
    """Auto-sync is on if `automated` is there, even empty, unless `enabled` says false (null is true)."""
    automated = spec.get("syncPolicy", "automated")
    present = automated.value is not None
    return replace(
        state,
        auto_sync=present and automated.get("enabled").flag(default=True),
        prune=automated.get("prune").flag(),
        self_heal=automated.get("selfHeal").flag(),
    )


def _with_operation(state: ApplicationState, root: Node) -> ApplicationState:
    """`operation` is there while one is pending or runs; `status.operationState` tells of that one or of the last."""
    requested, reported = root.get("operation"), root.get("status", "operationState")
    pending = requested.value is not None
    last = _operation(reported, state)
    running = last is not None and last.in_progress
    if reported and last is None:
        # It cannot be placed in time. Whatever it does, nothing may be concluded from its absence.
        root.faults.append("status.operationState has no readable startedAt")
    return replace(
        state,
        operation=last,
        operation_requested=pending and not running,
        requested_revisions=_asked(requested.get("sync"), state.sources) if pending else (),
        requested_info=_info(requested) if pending else {},
    )


def _operation(reported: Node, state: ApplicationState) -> Operation | None:
    started = reported.get("startedAt").moment()
    if started is None:
        return None
    order, result = reported.get("operation"), reported.get("syncResult")
    phase = _word(OperationPhase, reported.get("phase"), OperationPhase.UNKNOWN)
    asked = order.get("sync")
    return Operation(
        phase=phase,
        revisions=_revisions(result) if any(_revisions(result)) else _asked(asked, state.sources),
        sources=read_sources(result) or read_sources(asked) or state.sources,
        started_at=started,
        finished_at=reported.get("finishedAt").moment(),
        in_progress=not phase.ended,
        message=_message(reported),
        retry_count=reported.get("retryCount").number() or 0,
        initiated_by=_initiator(order.get("initiatedBy")),
        dry_run=asked.get("dryRun").flag(),
        partial=any(True for _ in asked.get("resources").items()),
        info=_info(order),
        results=tuple(_result(item) for item in result.get("resources").items()),
    )


def _history(node: Node) -> tuple[DeploymentRecord, ...]:
    records: list[DeploymentRecord] = []
    for entry in node.items(newest=HISTORY_KEPT):
        deployed = entry.get("deployedAt").moment()
        started = entry.get("deployStartedAt").moment() or deployed
        if started is None:
            node.faults.append(f"{entry.path} has no readable time")
            continue
        record = DeploymentRecord(
            revisions=_revisions(entry),
            sources=read_sources(entry),
            started_at=started,
            deployed_at=deployed,
            history_id=entry.get("id").number(),
            initiated_by=_initiator(entry.get("initiatedBy")),
        )
        if records:
            records[-1] = replace(records[-1], replaced_at=started)
        records.append(record)
    return tuple(records)


def _revisions(node: Node) -> tuple[str, ...]:
    """One text for each source as it stands there: a SHA, a short one, a tag, a chart version, or ""."""
    several = node.get("revisions").texts()
    if several:
        return several
    single = node.get("revision").text()
    return (single,) if single or node else ()


def _asked(sync: Node, spec: tuple[Source, ...]) -> tuple[str, ...]:
    """What an operation was asked to apply, if that is a resolved revision: a branch name is none."""
    revisions = _revisions(sync)
    sources = read_sources(sync) or spec
    charts = [bool(source.chart) for source in sources] + [False] * len(revisions)
    resolved = all(is_sha(revision) or chart for revision, chart in zip(revisions, charts, strict=False))
    return revisions if resolved and any(revisions) else ()


def _spec_sources(spec: Node) -> tuple[Source, ...]:
    hydrator = spec.get("sourceHydrator")
    if not hydrator:
        return read_sources(spec)
    # Argo CD syncs what the hydrator wrote; the sync source may leave out its repository, then it is the dry one.
    target, dry = hydrator.get("syncSource"), hydrator.get("drySource")
    repo = target.get("repoURL").text() or dry.get("repoURL").text()
    return (Source(repo, _path(target), target.get("targetBranch").text()),)


def _dry_source(hydrator: Node) -> Source | None:
    """What the hydrator reads. Source: argo-cd v3.5.1 types.go (SourceHydrator, SuccessfulHydrateOperation)."""
    dry = hydrator.get("drySource")
    return Source(dry.get("repoURL").text(), _path(dry), dry.get("targetRevision").text()) if dry else None


def _source(node: Node) -> Source:
    return Source(
        repo_url=node.get("repoURL").text(),
        path=_path(node),
        target_revision=node.get("targetRevision").text(),
        chart=node.get("chart").text(),
        ref=node.get("ref").text(),
        value_files=node.get("helm", "valueFiles").texts(),
        parameters=_parameters(node),
    )


def _path(node: Node) -> str:
    """The directory without `./` and slashes around it; "" is the root."""
    parts = [part for part in node.get("path").text().split("/") if part not in ("", ".")]
    return "/".join(parts)


def _parameters(node: Node) -> str:
    tools = {tool: dict(node.get(tool).mapping()) for tool in TOOLS}
    tools["helm"].pop("valueFiles", None)
    used = {tool: settings for tool, settings in tools.items() if settings}
    if not used:
        return ""
    text = json.dumps(used, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    if len(text) <= PARAMETERS_KEPT:
        return text
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})


def _resource(node: Node) -> ResourceStatus:
    return ResourceStatus(
        group=node.get("group").text(),
        kind=node.get("kind").text(),
        namespace=node.get("namespace").text(),
        name=node.get("name").text(),
        sync=node.get("status").text(),
        health=node.get("health", "status").text(),
    )


def _result(node: Node) -> ResourceResult:
    return ResourceResult(
        group=node.get("group").text(),
        kind=node.get("kind").text(),
        namespace=node.get("namespace").text(),
        name=node.get("name").text(),
        status=node.get("status").text(),
        message=_message(node),
        hook_phase=node.get("hookPhase").text(),
        hook_type=node.get("hookType").text(),
        images=node.get("images").texts(),
    )


def _message(node: Node) -> str:
    return node.get("message").text()[:MESSAGE_KEPT]


def _info(order: Node) -> Mapping[str, str]:
    return {item.get("name").text(): item.get("value").text() for item in order.get("info").items()}


def _initiator(node: Node) -> str:
    """ "automated", also for a RollingSync, which names itself as the user; else the user; "" if nobody is named."""
    return "automated" if node.get("automated").flag() else node.get("username").text()


def _applicationset(metadata: Node) -> str:
    owners = metadata.get("ownerReferences").items()
    return next((one.get("name").text() for one in owners if one.get("kind").text() == "ApplicationSet"), "")


def _without_noise(annotations: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if key not in IGNORED_ANNOTATIONS}


def _word(words: Callable[[str], _Word], node: Node, unknown: _Word) -> _Word:
    try:
        return words(node.text())
    except ValueError:
        return unknown


def _manifest(node: Node) -> Mapping[str, object]:
    text = node.text()
    value = load(text.encode()) if text else None
    return value if isinstance(value, dict) else {}
