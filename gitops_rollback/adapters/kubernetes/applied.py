"""What of an object's present state is what a manager applied? And which kinds are worth asking that of?

Server-side apply writes down which fields each manager owns: with their present values they are what it applied last.
Source: Kubernetes docs, Server-Side Apply, "Field management".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.resources import DAEMON_SETS, DEPLOYMENTS, ROLLOUTS, STATEFUL_SETS, Resource

# What the guards ask about: what runs, what scales it, and what a sync would run once.
READ = (
    *(DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, ROLLOUTS),
    Resource("batch", "v1", "jobs"),
    Resource("batch", "v1", "cronjobs"),
    Resource("autoscaling", "v2", "horizontalpodautoscalers"),
    Resource("keda.sh", "v1alpha1", "scaledobjects"),
    Resource("policy", "v1", "poddisruptionbudgets"),
)
IDENTITY = ("apiVersion", "kind")


def wanted(live: Mapping[str, Any], manager: str, by_apply: bool = False) -> dict[str, Any]:
    """The part of an object that `manager` owns; {} if it owns nothing of it, or that cannot be read.

    `by_apply`: only what it owns by server-side apply, which is all that it wants. By updates it owns what it wrote.
    """
    entries = Node(live).get("metadata", "managedFields").items()
    owned: dict[str, Any] = {}
    for entry in entries:
        applied = entry.get("operation").text() == "Apply" or not by_apply
        if applied and entry.get("manager").text() == manager and not entry.get("subresource").text():
            _merge(owned, entry.get("fieldsV1").mapping())
    if not owned:
        return {}
    metadata = {name: live.get("metadata", {}).get(name) for name in ("name", "namespace")}
    found = _project(live, owned)
    found = found if isinstance(found, dict) else {}
    identity = {name: live[name] for name in IDENTITY if name in live}
    return {**found, **identity, "metadata": {**found.get("metadata", {}), **metadata}}


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, below in fields.items():
        if isinstance(below, dict):
            _merge(into.setdefault(key, {}), below)


def _project(value: Any, fields: Mapping[str, Any]) -> Any:
    """`value` cut to the owned fields: `f:name` is a field, `k:{...}` an entry by keys, `v:...` one by value."""
    inner = {key: below for key, below in fields.items() if key != "."}
    if not inner:
        return value
    if isinstance(value, dict):
        pairs = ((key[2:], below) for key, below in inner.items() if key.startswith("f:"))
        return {name: _project(value[name], below) for name, below in pairs if name in value}
    if isinstance(value, list):
        found = ((entry, _fields_of(entry, inner)) for entry in value)
        return [_project(entry, below) for entry, below in found if below is not None]
    return value


def _fields_of(entry: Any, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What is owned of this entry of a list; None if nothing is."""
    for key, below in fields.items():
        try:
            named = json.loads(key[2:]) if key[:2] in ("k:", "v:") else None
        except ValueError:
            continue
        if key.startswith("k:") and isinstance(named, dict) and isinstance(entry, dict):
            if named.items() <= entry.items():
                return below if isinstance(below, dict) else None
        elif key.startswith("v:") and named == entry:
            return {}
    return None
