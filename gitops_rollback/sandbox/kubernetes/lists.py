"""Which lists are one value, which are sets, and which have items that are known by a key? As the real schemas say.

Source: the `x-kubernetes-list-type` and `patchMergeKey` marks of k8s.io/api; lists of custom resources are one value
each unless marked, and those that the sandbox serves are not.
"""

from __future__ import annotations

import json
from typing import Any

from gitops_rollback.sandbox.rendering import Json

SETS = frozenset({"finalizers"})
KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "conditions": "type",
    "ownerReferences": "uid",
}
ALWAYS_KEYED = frozenset({"ownerReferences"})


def key_of_list(name: str, items: object, custom: bool) -> str:
    """The field by which the items of the list called `name` are known; "" when the list is one value or a set."""
    key = KEYS.get(name, "")
    if not key or not isinstance(items, list) or (custom and name not in ALWAYS_KEYED):
        return ""
    if name == "ports" and any(isinstance(item, dict) and "port" in item for item in items):
        key = "port"
    return key if all(isinstance(item, dict) and key in item for item in items) else ""


def merged_by_key(ours: list[Json], theirs: list[Json], key: str) -> list[tuple[Json | None, Json | None]]:
    """The items of both lists side by side, ours in their order first."""
    left = {json.dumps(item[key]): item for item in theirs}
    pairs: list[tuple[Json | None, Json | None]] = [(item, left.pop(json.dumps(item[key]), None)) for item in ours]
    return [*pairs, *((None, item) for item in left.values())]


def as_object(value: Any) -> Json:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
