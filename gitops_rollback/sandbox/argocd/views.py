"""What do readers see of the objects? Field masks, single live objects, and managed resources.

Source: argo-cd v3.5.1 pkg/apiclient/application/forwarder_overwrite.go (the list of maskable fields),
server/application/application.go (GetResource, ManagedResources), and the recorded answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gitops_rollback.sandbox.argocd.cluster import Cluster
from gitops_rollback.sandbox.argocd.comparison import Target
from gitops_rollback.sandbox.argocd.live import LiveObject, ObjectKey, key_of
from gitops_rollback.sandbox.argocd.tree import objects
from gitops_rollback.sandbox.argocd.workloads import masked, shown, version
from gitops_rollback.sandbox.rendering import Json, as_json, merged

LIST_FIELDS = frozenset(
    f"items.{name}"
    for name in (
        *(f"metadata.{key}" for key in ("name", "namespace", "annotations", "labels")),
        *(f"metadata.{key}" for key in ("creationTimestamp", "deletionTimestamp")),
        "spec",
        *(f"spec.{key}" for key in ("destination", "project", "source", "sources", "sourceHydrator", "syncPolicy")),
        *(f"status.{key}" for key in ("sourceHydrator", "summary", "health", "resources")),
        *(f"status.sync.{key}" for key in ("status", "revision")),
        *(f"status.operationState.{key}" for key in ("startedAt", "finishedAt", "phase", "operation.sync")),
        "operation.sync",
    )
)


def masked_list(applications: Sequence[Json], fields: str) -> list[Json]:
    """The list's items cut to `fields`; names that are not maskable are dropped without a word."""
    exclude = fields.startswith("-")
    names = [name for name in fields.lstrip("-").split(",") if name in LIST_FIELDS]
    paths = [name.removeprefix("items.").split(".") for name in names]
    return [_without(each, paths) if exclude else _only(_quirk(each), paths) for each in applications]


def masked_event(event: Json, fields: str) -> Json:
    """A stream event cut to `fields`, any path below `result`."""
    paths = [name.split(".") for name in fields.split(",") if name.startswith("result.")]
    return _only(event, paths) if paths else event


def managed_resources(target: Target, cluster: Cluster, now: datetime) -> Json:
    """Desired and live state of each managed object, as JSON strings; an absent side is "null"."""
    wanted = {key_of(manifest): manifest for manifest in target.managed}
    live = cluster.managed()
    return {"items": [_managed(key, wanted.get(key), live.get(key), now) for key in sorted({**wanted, **live})]}


def live_manifest(cluster: Cluster, now: datetime, wanted: ObjectKey) -> Json | None:
    """One object of the tree, by group, kind, namespace and name; None if the tree does not hold it."""
    return next((body for body, _ in objects(cluster, now) if key_of(body) == wanted), None)


def _managed(key: ObjectKey, wanted: Json | None, live: LiveObject | None, now: datetime) -> Json:
    group, kind, namespace, name = key
    body = shown(live, now) if live else None
    normal = _normalized(body) if body else None
    item: Json = {"group": group, "kind": kind, "namespace": namespace, "name": name}
    item = {field: value for field, value in item.items() if value}
    predicted = merged(normal, masked(wanted)) if normal and wanted else normal
    states = {
        "targetState": masked(wanted) if wanted else None,
        "liveState": body,
        "normalizedLiveState": normal,
        "predictedLiveState": predicted,
    }
    item.update({field: as_json(state) if state else "null" for field, state in states.items()})
    if live is not None:
        item["resourceVersion"] = version(live)
    if live is None or live.manifest != wanted:
        item["modified"] = True
    return item


def _normalized(body: Json) -> Json:
    """Without what only the cluster writes; that it can be compared with what is wanted."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "creationTimestamp"}
    return {**{name: value for name, value in body.items() if name != "status"}, "metadata": metadata}


def _quirk(application: Json) -> Json:
    """In a masked list `operationState.operation.sync` carries the sync result: the real server's slip, kept."""
    state = application["status"].get("operationState")
    if not state or "syncResult" not in state:
        return application
    state = {**state, "operation": {**state["operation"], "sync": state["syncResult"]}}
    return {**application, "status": {**application["status"], "operationState": state}}


def _only(body: Any, paths: Sequence[Sequence[str]]) -> Any:
    if any(not path for path in paths) or not isinstance(body, dict):
        return body
    kept = {}
    for key, value in body.items():
        deeper = [path[1:] for path in paths if path[0] == key]
        if deeper:
            cut = _only(value, deeper)
            if cut != {} or value == {}:
                kept[key] = cut
    return kept


def _without(body: Any, paths: Sequence[Sequence[str]]) -> Any:
    if not isinstance(body, dict):
        return body
    kept = {}
    for key, value in body.items():
        deeper = [path[1:] for path in paths if path and path[0] == key]
        if not any(not path for path in deeper):
            kept[key] = _without(value, deeper) if deeper else value
    return kept
