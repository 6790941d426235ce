"""What does an application's resource tree show of each object? Derived from the objects alone.

Source: argo-cd v3.5.1 controller/cache/info.go (`populatePodInfo`, the `Revision` of workloads and ReplicaSets),
gitops-engine/pkg/health/health_pod.go and health_replicaset.go; the recorded trees.
"""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.sandbox.argocd.cluster import Cluster
from gitops_rollback.sandbox.argocd.live import Health
from gitops_rollback.sandbox.argocd.workloads import ROLLOUT, owned, shown
from gitops_rollback.sandbox.kubernetes.rollouts import REVISION
from gitops_rollback.sandbox.rendering import Json, group_of

FAILING = ("BackOff", "Error")  # a waiting reason that ends so makes a Pod Degraded, and one that begins with Err


def resource_tree(cluster: Cluster, now: datetime) -> Json:
    """The live objects with their replica sets and pods."""
    nodes = [_node(body, health) for body, health in objects(cluster, now)]
    nodes.sort(key=lambda node: (node.get("group", ""), node["kind"], node["name"]))
    return {"nodes": nodes}


def objects(cluster: Cluster, now: datetime) -> list[tuple[Json, Health | None]]:
    """Every object of the tree as the API shows it, with its health."""
    found: list[tuple[Json, Health | None]] = []
    for live in cluster.objects.values():
        found.append((shown(live, now), live.health(now)))
        found += [(body, _health(body)) for body in owned(live, now)]
    return found


def _health(body: Json) -> Health:
    return _pod_health(body) if body["kind"] == "Pod" else _set_health(body)


def _node(body: Json, health: Health | None) -> Json:
    metadata, kind, group = body["metadata"], body["kind"], group_of(body)
    node: Json = {"group": group} if group else {}
    node.update(version=_version(body), kind=kind, namespace=metadata.get("namespace", ""), name=metadata["name"])
    node["uid"] = metadata["uid"]
    owners = metadata.get("ownerReferences") or ()
    if owners:
        node["parentRefs"] = [_reference(one, node["namespace"]) for one in owners]
    if kind == "Pod":
        node.update(info=_pod_info(body), networkingInfo={"labels": metadata.get("labels") or {}})
        node["images"] = [one["image"] for one in _containers(body)]
    number = _number(metadata)
    if number:
        node["info"] = [{"name": "Revision", "value": f"Rev:{number}"}]
    node["resourceVersion"] = metadata["resourceVersion"]
    if health:
        node["health"] = health.as_json()
    return {**node, "createdAt": metadata["creationTimestamp"]}


def _version(body: Json) -> str:
    return str(body["apiVersion"]).rpartition("/")[2]


def _number(metadata: Json) -> str:
    notes = metadata.get("annotations") or {}
    return str(notes.get(REVISION) or notes.get(ROLLOUT[1]) or "")


def _reference(owner: Json, namespace: str) -> Json:
    group, _, version = str(owner["apiVersion"]).rpartition("/")
    shown = {"group": group, "version": version, "kind": owner["kind"], "namespace": namespace}
    return {**shown, "name": owner["name"], "uid": owner["uid"]}


def _containers(pod: Json) -> list[Json]:
    return [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]


def _pod_info(pod: Json) -> list[Json]:
    states = pod["status"]["containerStatuses"]
    reasons = [one["state"]["waiting"]["reason"] for one in states if "waiting" in one["state"]]
    ready, restarts = sum(one["ready"] for one in states), sum(one["restartCount"] for one in states)
    info = [
        {"name": "Status Reason", "value": (reasons or [pod["status"]["phase"]])[0]},
        {"name": "Node", "value": pod["spec"]["nodeName"]},
        {"name": "Containers", "value": f"{ready}/{len(pod['spec']['containers'])}"},
    ]
    info += [{"name": "Restart Count", "value": str(restarts)}] if restarts else []
    return [*info, {"name": "cpu", "value": "0"}, {"name": "memory", "value": "0"}]


def _pod_health(pod: Json) -> Health:
    states = pod["status"]["containerStatuses"]
    waits = [one["state"]["waiting"] for one in states if "waiting" in one["state"]]
    failing = [one for one in waits if one["reason"].startswith("Err") or one["reason"].endswith(FAILING)]
    if failing:
        return Health("Degraded", ", ".join(one["message"] for one in failing if one.get("message")))
    if all(one["ready"] for one in states):
        return Health("Healthy")
    return Health("Degraded" if any(one["lastState"] for one in states) else "Progressing")


def _set_health(replica_set: Json) -> Health:
    wanted, available = replica_set["spec"]["replicas"], replica_set["status"].get("availableReplicas", 0)
    if available < wanted:
        said = f"Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        return Health("Progressing", said)
    return Health("Healthy")
