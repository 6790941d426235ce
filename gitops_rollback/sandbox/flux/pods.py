"""What does a Pod look like, and what does its kubelet say of it?

Source: kubernetes pkg/kubelet/kubelet_pods.go (waiting reasons); a recorded Pod.
"""

from __future__ import annotations

import copy

from gitops_rollback.sandbox.rendering import Json

LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def pod(replica_set: Json, owner: Json, number: int) -> Json:
    """A Pod of a ReplicaSet; `number` is no other Pod's."""
    metadata = replica_set["metadata"]
    template = copy.deepcopy(replica_set["spec"]["template"])
    suffix = "".join(LETTERS[number // 27**place % 27] for place in reversed(range(5)))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **(template.get("metadata") or {}),
            "name": f"{metadata['name']}-{suffix}",
            "namespace": metadata["namespace"],
            "ownerReferences": [owner],
        },
        "spec": {**template["spec"], "nodeName": "node-0"},
    }


def pod_status(body: Json, state: str, restarts: int, now: str) -> Json:
    """The status in a state: "" (it starts), `ready`, `missing`, `crash`, `slow`."""
    ready = state == "ready"
    flags = {"Initialized": True, "Ready": ready, "ContainersReady": ready, "PodScheduled": True}
    return {
        "phase": "Pending" if state in ("", "missing") else "Running",
        "conditions": [
            {"type": kind, "status": str(flag), "lastProbeTime": None, "lastTransitionTime": now}
            for kind, flag in flags.items()
        ],
        "startTime": (body.get("status") or {}).get("startTime", now),
        "podIP": "10.1.0.1",
        "podIPs": [{"ip": "10.1.0.1"}],
        "containerStatuses": [_container(one, state, restarts, now) for one in body["spec"]["containers"]],
    }


def _container(spec: Json, state: str, restarts: int, now: str) -> Json:
    waiting, last = "", {}
    if state == "":
        waiting, message = "ContainerCreating", ""
    elif state == "missing":
        waiting, message = "ImagePullBackOff", f'Back-off pulling image "{spec["image"]}"'
    elif state == "crash":
        waiting, message = "CrashLoopBackOff", f"back-off restarting failed container={spec['name']}"
        ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
        last = {"terminated": ended} if restarts else {}
    shown = {"waiting": {"reason": waiting, **({"message": message} if message else {})}} if waiting else {}
    return {
        "name": spec["name"],
        "state": shown or {"running": {"startedAt": now}},
        "lastState": last,
        "ready": state == "ready",
        "started": not waiting,
        "restartCount": restarts,
        "image": spec["image"],
        "imageID": "",
    }
