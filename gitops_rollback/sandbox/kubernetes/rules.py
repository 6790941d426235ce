"""What does the server make of an object that is written: its metadata, its generation, its status, its defaults?

Source: k8s.io/apiserver pkg/registry/rest (BeforeCreate, BeforeUpdate, BeforeDelete), apiextensions customresource
strategy, and the recorded objects.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.kubernetes.lists import as_object
from gitops_rollback.sandbox.kubernetes.workloads import filled
from gitops_rollback.sandbox.rendering import Json, copied

KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
UNSET = ("resourceVersion", "managedFields", "selfLink", *KEPT[:-1])


def stamp(moment: datetime) -> str:
    """A time as metadata shows it: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def created(kind: Kind, manifest: Json, uid: str, now: datetime) -> Json:
    """A new object as it is stored, without resourceVersion and managedFields."""
    body = copied(manifest)
    metadata = {key: value for key, value in as_object(body.get("metadata")).items() if key not in UNSET}
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{uid[-5:]}"
    metadata |= {"uid": uid, "creationTimestamp": stamp(now)}
    if kind.generation:
        metadata["generation"] = 1
    if kind.status:
        body.pop("status", None)
    body |= {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    return defaulted(kind, body)


def defaulted(kind: Kind, body: Json) -> Json:
    """Fill in what the schema gives by itself, where its parent is there."""
    for path, value in kind.defaults.items():
        place: Any = body
        *parents, last = path.split(".")
        for word in parents:
            place = place.get(word) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(last, copied(value))
    return filled(body) if kind.group == "apps" else body


def updated(kind: Kind, before: Json, after: Json, status: bool) -> Json:
    """What a write of `after` over `before` leaves: by `/status` the status alone, else all but a kept status."""
    if status:
        return {**before, "status": after.get("status", {})} if "status" in after else _without(before, "status")
    body = defaulted(kind, copied(after))
    if kind.status:
        body = {**body, "status": before["status"]} if "status" in before else _without(body, "status")
    body |= {"apiVersion": before["apiVersion"], "kind": before["kind"], "metadata": _metadata(before, body)}
    if kind.generation and _counted(kind, body) != _counted(kind, before):
        body["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
    return body


def _metadata(before: Json, after: Json) -> Json:
    old = before["metadata"]
    metadata = {key: value for key, value in as_object(after.get("metadata")).items() if value not in (None, {}, [])}
    for key in (*KEPT, "name", "namespace", "resourceVersion"):
        metadata.pop(key, None)
        if key in old:
            metadata[key] = old[key]
    return metadata


def _counted(kind: Kind, body: Json) -> Json:
    """The part whose changes move the generation."""
    return {key: value for key, value in body.items() if key != "metadata" and not (kind.status and key == "status")}


def condemned(before: Json, now: datetime) -> Json:
    """An object whose deletion waits for its finalizers."""
    metadata = {**before["metadata"], "deletionTimestamp": stamp(now), "deletionGracePeriodSeconds": 0}
    if metadata.get("generation"):
        metadata["generation"] += 1
    return {**before, "metadata": metadata}


def gone(body: Json) -> bool:
    """Whether a deletion that waited has nothing left to wait for."""
    metadata = body["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("finalizers")


def same(before: Json, after: Json) -> bool:
    """Whether a write changes nothing; such a write is not made and no watcher hears of it."""
    return _plain(before) == _plain(after)


def _plain(body: Json) -> str:
    left_out = ("managedFields", "resourceVersion")
    metadata = {key: value for key, value in body["metadata"].items() if key not in left_out}
    return json.dumps({**body, "metadata": metadata}, sort_keys=True)


def _without(body: Json, name: str) -> Json:
    return {key: value for key, value in body.items() if key != name}
