"""How do objects look on the wire? Field order, lists, and the two forms of an Event.

Custom resources sort their fields by name and repeat their kind in lists; built-in ones do neither.
Source: the recorded answers; Kubernetes pkg/apis/core and events/v1 conversion for Events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitops_rollback.sandbox.kubernetes.kinds import EVENT, NEW_EVENT, Kind
from gitops_rollback.sandbox.rendering import Json

_RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_BACK = {new: old for old, new in _RENAMED.items()}
_METADATA = (
    *("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
)
_ALWAYS_IN_EVENT: Json = {
    "involvedObject": {},
    "reason": "",
    "message": "",
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "count": 0,
    "type": "",
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def kept_as(kind: Kind) -> Kind:
    """Where objects of a kind are kept: Events of both groups are the same objects."""
    return EVENT if kind is NEW_EVENT else kind


def kept_body(kind: Kind, body: Json) -> Json:
    """A body from the wire as it is kept."""
    if kind is not NEW_EVENT:
        return body
    return {**{_BACK.get(name, name): value for name, value in body.items()}, "apiVersion": EVENT.api_version}


def shown(kind: Kind, body: Json) -> Json:
    """An object alone, as it is sent."""
    if kind.custom:
        return dict(_sorted(body))
    return {"kind": kind.kind, "apiVersion": kind.api_version, **_inner(kind, body)}


def partial_of(body: Json) -> Json:
    """The metadata of an object alone, as it is sent to who asks for no more."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}


def listed(kind: Kind, items: Sequence[Json], metadata: Json) -> Json:
    """A list of objects, as it is sent."""
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata}
    if not kind.custom:
        return {**head, "items": [_inner(kind, item) for item in items]}
    body = {**head, "items": [shown(kind, item) for item in items]}
    return {name: body[name] for name in sorted(body)}


def list_metadata(kind: Kind, version: int, token: str, remaining: int | None) -> Json:
    """A list's metadata; custom resources always say `continue`, built-in ones only where there is more."""
    metadata: Json = {"resourceVersion": str(version)}
    if token or kind.custom:
        metadata["continue"] = token
    if remaining is not None and token:
        metadata["remainingItemCount"] = remaining
    return dict(sorted(metadata.items())) if kind.custom else metadata


def bookmark(kind: Kind, metadata: Json) -> Json:
    """The object of a bookmark: a kind and a version."""
    body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
    return {name: body[name] for name in sorted(body)} if kind.custom else body


def _sorted(value: Any) -> Any:
    """As Go writes a map: by name, at every depth."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value


def _inner(kind: Kind, body: Json) -> Json:
    metadata = body["metadata"]
    ordered = {name: metadata[name] for name in _METADATA if name in metadata}
    rest = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    if kind.kind == "Event":
        rest = {**_ALWAYS_IN_EVENT, **rest}
        rest = {key: value for key, value in rest.items() if key != "count" or value}
    if kind is NEW_EVENT:
        rest = {_RENAMED.get(name, name): value for name, value in rest.items()}
    return {"metadata": {**ordered, **metadata}, **rest}
