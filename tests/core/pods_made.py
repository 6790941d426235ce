"""Deployments, ReplicaSets and Pods as the API of Kubernetes shows them, for tests that judge Pods."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gitops_rollback.core.new_pods import WorkloadFacts

Json = dict[str, Any]


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def template(image: str = "registry.example/web:v2", **spec: Any) -> Json:
    container = {"name": "web", "image": image, "resources": {"requests": spec.pop("requests", {"cpu": "1"})}}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container], **spec}}


def deployment(revision: int = 2, conditions: list[Json] | None = None, **metadata: Any) -> Json:
    about = {"name": "web", "namespace": "shop", "uid": "d", "generation": 2}
    about["annotations"] = {"deployment.kubernetes.io/revision": str(revision)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**about, **metadata},
        "spec": {"replicas": 4, "template": template()},
        "status": {"observedGeneration": 2, "conditions": conditions or []},
    }


def replica_set(revision: int, created: datetime, pods: Json | None = None) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{revision}",
            "namespace": "shop",
            "uid": f"r{revision}",
            "creationTimestamp": stamp(created),
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d", "controller": True}],
        },
        "spec": {"template": pods or template()},
    }


def container(
    restarts: int = 0, waiting: str = "", message: str = "", ended: datetime | None = None, why: str = "Error"
) -> Json:
    state: Json = {"waiting": {"reason": waiting, "message": message}} if waiting else {"running": {}}
    last = {"terminated": {"exitCode": 1, "reason": why, **({"finishedAt": stamp(ended)} if ended else {})}}
    shown = {"name": "web", "image": "registry.example/web:v2", "restartCount": restarts, "state": state}
    return {**shown, "lastState": last if restarts else {}}


def pod(
    name: str,
    created: datetime,
    *containers: Json,
    owner: str = "r2",
    ready: bool = False,
    node: str = "a",
    status: Json | None = None,
    **metadata: Any,
) -> Json:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": stamp(created),
            "ownerReferences": [{"kind": "ReplicaSet", "uid": owner, "controller": True}],
            **metadata,
        },
        "spec": {"nodeName": node, **template()["spec"]},
        "status": {
            "phase": "Running",
            "startTime": stamp(created),
            "conditions": conditions,
            "containerStatuses": list(containers) or [container()],
            **(status or {}),
        },
    }


def rollout(t0: datetime, *pods: Json, **more: Any) -> WorkloadFacts:
    """A Deployment whose second ReplicaSet came a second after `t0`."""
    sets = (replica_set(1, t0 - timedelta(days=3)), replica_set(2, t0 + timedelta(seconds=1)))
    facts: Json = {"workload": deployment(), "replica_sets": sets, "pods": pods}
    return WorkloadFacts(**{**facts, **more})
