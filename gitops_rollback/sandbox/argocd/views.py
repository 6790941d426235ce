"""What do readers see of the objects? Field masks, the tree of live objects, and managed resources.

Source: argo-cd v3.5.1 pkg/apiclient/application/forwarder_overwrite.go (the list of maskable fields),
server/application/application.go (ResourceTree, ManagedResources), and the recorded answers.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from gitops_rollback.sandbox.argocd.cluster import WORKLOADS, Cluster, Health, LiveObject, ObjectKey, key_of
from gitops_rollback.sandbox.argocd.comparison import Target
from gitops_rollback.sandbox.argocd.state import stamp
from gitops_rollback.sandbox.rendering import Json, as_json

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


def resource_tree(cluster: Cluster, now: datetime) -> Json:
    """The live objects with their replica sets and pods."""
    nodes: list[Json] = []
    for live in cluster.objects.values():
        nodes.append(_node(live, live.health(now)))
        if live.manifest["kind"] in WORKLOADS:
            nodes += _pods_of(live, now)
    kinds = {"Pod": 0}
    nodes.sort(key=lambda node: (node.get("group", ""), kinds.get(node["kind"], 1), node["kind"], node["name"]))
    return {"nodes": nodes}


def managed_resources(target: Target, cluster: Cluster) -> Json:
    """Desired and live state of each managed object, as JSON strings; an absent side is "null"."""
    wanted = {key_of(manifest): manifest for manifest in target.managed}
    live = cluster.managed()
    return {"items": [_managed(key, wanted.get(key), live.get(key)) for key in sorted({**wanted, **live})]}


def _managed(key: ObjectKey, wanted: Json | None, live: LiveObject | None) -> Json:
    group, kind, namespace, name = key
    body = _live_manifest(live) if live else None
    text = as_json(body) if body else "null"
    item: Json = {"group": group, "kind": kind, "namespace": namespace, "name": name}
    item = {field: value for field, value in item.items() if value}
    predicted = (
        as_json({**body, **wanted, "metadata": {**body["metadata"], **wanted["metadata"]}}) if body and wanted else text
    )
    item.update(
        targetState=as_json(_masked_secret(wanted)) if wanted else "null",
        liveState=text,
        normalizedLiveState=text,
        predictedLiveState=predicted,
        resourceVersion=str(1000 + live.version) if live else "",
    )
    if live is None or live.manifest != wanted:
        item["modified"] = True
    return {field: value for field, value in item.items() if value != ""}


def _live_manifest(live: LiveObject) -> Json:
    metadata = {
        **live.manifest["metadata"],
        "creationTimestamp": stamp(live.created),
        "generation": live.revision,
        "resourceVersion": str(1000 + live.version),
        "uid": live.uid,
    }
    return _masked_secret({**live.manifest, "metadata": metadata})


def _masked_secret(manifest: Json) -> Json:
    if manifest["kind"] != "Secret":
        return manifest
    hidden = {**manifest}
    for field in ("data", "stringData"):
        if manifest.get(field):
            hidden[field] = dict.fromkeys(manifest[field], "++++++++")
    return hidden


def _node(live: LiveObject, health: Health | None) -> Json:
    group, kind, namespace, name = key_of(live.manifest)
    node: Json = {"version": str(live.manifest["apiVersion"]).rpartition("/")[2], "kind": kind, "namespace": namespace}
    node.update(name=name, uid=live.uid, resourceVersion=str(1000 + live.version), createdAt=stamp(live.created))
    if group:
        node["group"] = group
    if kind in WORKLOADS:
        node["info"] = [{"name": "Revision", "value": f"Rev:{live.revision}"}]
    if health:
        node["health"] = health.as_json()
    return node


def _pods_of(live: LiveObject, now: datetime) -> list[Json]:
    """The replica sets of a workload, and a pod for each generation of images that runs."""
    nodes = []
    health = live.health(now) or Health("Healthy")
    for revision, images in [*live.older_revisions, (live.revision, live.images)]:
        current = revision == live.revision
        running = current or (now < live.ready_at and images == live.older_images)
        owner = _replica_set(live, revision, images, health if current and health.status != "Degraded" else None)
        nodes.append(owner)
        if running and live.replicas:
            ready = not current or health.status == "Healthy"
            pod = _pod(owner, _pod_labels(live), images, ready)
            nodes += [_numbered(pod, number) for number in range(live.replicas if ready else 1)]
    return nodes


def _replica_set(live: LiveObject, revision: int, images: Sequence[str], health: Health | None) -> Json:
    group, kind, namespace, name = key_of(live.manifest)
    digest = hashlib.sha256("\n".join(images).encode()).hexdigest()[:10]
    parent = {"group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": name, "uid": live.uid}
    stuck = Health(
        "Progressing", f"Waiting for rollout to finish: 0 out of {live.replicas} new replicas are available..."
    )
    shown = health or (stuck if revision == live.revision else Health("Healthy"))
    return {
        "group": group,
        "version": "v1",
        "kind": "ReplicaSet",
        "namespace": namespace,
        "name": f"{name}-{digest}",
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{live.uid}/{revision}")),
        "parentRefs": [parent],
        "info": [{"name": "Revision", "value": f"Rev:{revision}"}],
        "resourceVersion": str(1000 + live.version),
        "health": shown.as_json(),
        "createdAt": stamp(live.applied if revision == live.revision else live.created),
    }


def _pod_labels(live: LiveObject) -> Json:
    template = (live.manifest.get("spec") or {}).get("template") or {}
    return dict((template.get("metadata") or {}).get("labels") or {})


def _numbered(pod: Json, number: int) -> Json:
    suffix = hashlib.sha256(f"{pod['name']}{number}".encode()).hexdigest()[:5]
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{pod['uid']}/{number}"))
    return {**pod, "name": f"{pod['name']}-{suffix}", "uid": uid}


def _pod(owner: Json, labels: Json, images: Sequence[str], ready: bool) -> Json:
    status, message = _trouble(images) if not ready else ("Running", "")
    info: list[Json] = [
        {"name": "Status Reason", "value": status},
        {"name": "Node"},
        {"name": "Containers", "value": f"{len(images) if ready else 0}/{len(images)}"},
    ]
    if status == "CrashLoopBackOff":
        info.append({"name": "Restart Count", "value": "3"})
    info += [{"name": "cpu", "value": "0"}, {"name": "memory", "value": "0"}]
    healthy = "Healthy" if ready else ("Degraded" if message else "Progressing")
    fields = ("group", "version", "kind", "namespace", "name", "uid")
    return {
        "version": "v1",
        "kind": "Pod",
        "namespace": owner["namespace"],
        "name": owner["name"],
        "uid": owner["uid"],
        "parentRefs": [{field: owner[field] for field in fields}],
        "info": info,
        "networkingInfo": {"labels": {**labels, "pod-template-hash": owner["name"].rpartition("-")[2]}},
        "resourceVersion": owner["resourceVersion"],
        "images": list(images),
        "health": Health(healthy, message).as_json(),
        "createdAt": owner["createdAt"],
    }


def _trouble(images: Iterable[str]) -> tuple[str, str]:
    for image in images:
        if "missing" in image:
            return "ImagePullBackOff", f'Back-off pulling image "{image}"'
        if "crash" in image:
            return "CrashLoopBackOff", "back-off restarting failed container"
    return "Running", ""


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
