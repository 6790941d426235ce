"""What does a Deployment's rollout look like in the API: its ReplicaSets, how many Pods of each, and its status?

Pure; whoever plays the controllers says what happens when.
Source: kubernetes pkg/controller/deployment (util.go, rolling.go, progress.go, sync.go); a recorded Deployment.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gitops_rollback.sandbox.kubernetes.pods import LETTERS, owned_by
from gitops_rollback.sandbox.rendering import Json

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
LIMIT = "25%"


class Progress(Enum):
    """How far a rollout is: the reason of the condition `Progressing`, its status, and the rest of its message."""

    UPDATING = ("ReplicaSetUpdated", "True", "is progressing.")
    AVAILABLE = ("NewReplicaSetAvailable", "True", "has successfully progressed.")
    LATE = ("ProgressDeadlineExceeded", "False", "has timed out progressing.")


@dataclass(frozen=True)
class Counts:
    """Pods of the newest template, those of them that are ready, and ready ones of older templates."""

    wanted: int
    updated: int
    ready: int
    older: int = 0

    @property
    def available(self) -> int:
        return self.ready + self.older


def while_rolling(spec: Json, wanted: int) -> tuple[int, int]:
    """How many Pods of the new template are made, and how many of the old one stay, until a new one is ready."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return wanted, 0
    limits = strategy.get("rollingUpdate") or {}
    surge = _count(limits.get("maxSurge", LIMIT), wanted, math.ceil)
    away = _count(limits.get("maxUnavailable", LIMIT), wanted, math.floor)
    if surge + away == 0:
        away = 1
    old = max(0, wanted - away)
    return min(wanted, wanted + surge - old), old


def template_hash(template: Json) -> str:
    """Ten letters that stand for a Pod template."""
    content = json.dumps(template, sort_keys=True).encode()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in hashlib.sha256(content).digest()[:10])


def replica_set(owner: Json, template: Json, number: int, label: str = HASH, note: str = REVISION) -> Json:
    """The ReplicaSet of a template, which is the `number`th that its owner asked for, without Pods yet.

    `label` and `note`: by which label and annotation the owner's controller knows it; an Argo Rollout has its own.
    """
    spec, metadata, own = owner["spec"], owner["metadata"], template.get("metadata") or {}
    mark = {label: template_hash(template)}
    labels = {**(own.get("labels") or {}), **mark}
    wanted = {"deployment.kubernetes.io/desired-replicas": str(spec.get("replicas", 1))}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{mark[label]}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {**(wanted if note == REVISION else {}), note: str(number)},
            "ownerReferences": [owned_by(owner)],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {**_selected(spec, own), **mark}},
            "template": {**template, "metadata": {**own, "labels": labels}},
        },
    }


def _selected(spec: Json, own: Json) -> Json:
    """What the owner's selector matches; one without a selector matches its Pods' labels, as old API versions said."""
    selector = spec.get("selector") or {"matchLabels": own.get("labels") or {}}
    return {**(selector.get("matchLabels") or {})}


def replica_set_status(pods: int, ready: int, generation: int) -> Json:
    """The status of a ReplicaSet that has so many Pods."""
    counts = {"fullyLabeledReplicas": pods, "readyReplicas": ready, "availableReplicas": ready}
    return {
        "replicas": pods,
        **{key: count for key, count in counts.items() if count},
        "observedGeneration": generation,
    }


def deployment_status(newest: str, progress: Progress, counts: Counts, generation: int, before: Json, now: str) -> Json:
    """The status of a Deployment whose newest ReplicaSet is `newest`; `before` is its status until `now`."""
    reason, status, said = progress.value
    enough = counts.available >= counts.wanted - counts.wanted // 4
    minimum = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    short = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    shown = {
        "observedGeneration": generation,
        "replicas": counts.updated + counts.older,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.available,
        "availableReplicas": counts.available,
        "unavailableReplicas": counts.updated - counts.ready,
    }
    conditions = [
        _condition(before, "Available", minimum if enough else short, now),
        _condition(before, "Progressing", (status, reason, f'ReplicaSet "{newest}" {said}'), now),
    ]
    return {**{key: count for key, count in shown.items() if count}, "terminatingReplicas": 0, "conditions": conditions}


def _condition(before: Json, kind: str, said: tuple[str, str, str], now: str) -> Json:
    status, reason, message = said
    known: Json = next((one for one in before.get("conditions") or () if one["type"] == kind), {})
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": known["lastUpdateTime"] if known.get("reason") == reason else now,
        "lastTransitionTime": known["lastTransitionTime"] if known.get("status") == status else now,
    }


def _count(limit: Any, wanted: int, rounded: Any) -> int:
    """A limit of a rolling update, a number or a percentage of what is wanted."""
    if isinstance(limit, str) and limit.endswith("%"):
        return int(rounded(wanted * int(limit[:-1]) / 100))
    return int(limit)
