"""What becomes of an applied Deployment? ReplicaSets, Pods that obey their image's tag, and the status they come to.

`*missing*` cannot be pulled, `*crash*` ends at once and again, `*slow*` runs and is never ready: then the old Pods
stay, until the progress deadline and after it.
Source: kubernetes pkg/controller/deployment; the recordings' stand-in kubelet.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

from gitops_rollback.sandbox.argocd.cluster import NEVER_READY
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.flux.pods import pod, pod_status
from gitops_rollback.sandbox.flux.spec import Timing
from gitops_rollback.sandbox.flux.status import stamp
from gitops_rollback.sandbox.kubernetes import By, Store
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET
from gitops_rollback.sandbox.rendering import Json, images_of

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
CONTROLLER = By("kube-controller-manager")
STATUS = By("kube-controller-manager", status=True)
LONGEST_BACK_OFF = 300.0


class Rollouts:
    """The Deployment and ReplicaSet controllers and the kubelet, of one cluster."""

    def __init__(self, store: Store, timing: Timing) -> None:
        self._store = store
        self._timing = timing
        self._numbers = itertools.count()

    def reconcile(self, name: str, namespace: str) -> Steps:
        """Roll one Deployment out, as far as its image lets it; ends when nothing happens by itself any more."""
        live = self._store.get(DEPLOYMENT, name, namespace)
        new = self._replica_set(live)
        owned = self._owned(live)
        old = [one for one in owned if one["metadata"]["name"] != new["metadata"]["name"]]
        wanted = int(live["spec"].get("replicas", 1))
        trouble = next((word for word in NEVER_READY for image in images_of(live) if word in _tag(image)), "")
        if trouble:
            yield from self._stuck(live, new, old, wanted, trouble)
            return
        if self._ready(new) < wanted:
            self._scale(new, max(self._ready(new), _surge(wanted) if old else wanted), "")
            self._say(live, new, old, "ReplicaSetUpdated")
            yield self._timing.ready
        self._scale(new, wanted, "ready")
        for one in old:
            self._scale(one, 0, "ready")
        self._say(live, new, old, "NewReplicaSetAvailable")

    def _stuck(self, live: Json, new: Json, old: Sequence[Json], wanted: int, trouble: str) -> Steps:
        began, restarts, back_off = self._store.now(), 0, self._timing.back_off
        deadline = float(live["spec"].get("progressDeadlineSeconds", 600))
        self._scale(new, _surge(wanted) if old else wanted, trouble, restarts)
        while True:
            late = (self._store.now() - began).total_seconds() >= deadline
            self._say(live, new, old, "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated")
            if trouble != "crash":
                if late:
                    return
                yield deadline
                continue
            yield back_off
            back_off = min(LONGEST_BACK_OFF, back_off * 2)
            restarts += 1
            self._scale(new, _surge(wanted) if old else wanted, trouble, restarts)

    def _replica_set(self, live: Json) -> Json:
        """The one of the present template, with the newest revision."""
        template = live["spec"]["template"]
        content = json.dumps(template, sort_keys=True).encode()
        short_hash = "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in hashlib.sha256(content).digest()[:10])
        metadata = live["metadata"]
        name, namespace = f"{metadata['name']}-{short_hash}", metadata["namespace"]
        owned = self._owned(live)
        newest = max((_revision(one) for one in owned), default=0)
        found = next((one for one in owned if one["metadata"]["name"] == name), None)
        if found is not None and _revision(found) == newest:
            return found
        note = {REVISION: str(newest + 1)}
        self._annotate(live, note)
        if found is not None:
            return self._store.change(
                REPLICA_SET, name, namespace, lambda body: body["metadata"]["annotations"].update(note), CONTROLLER
            )
        labels = {**(template.get("metadata") or {}).get("labels", {}), HASH: short_hash}
        owner = _owner("apps/v1", "Deployment", live)
        made = {
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": note,
                         "ownerReferences": [owner]},
            "spec": {"replicas": 0,
                     "selector": {"matchLabels": {**live["spec"]["selector"]["matchLabels"], HASH: short_hash}},
                     "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}},
        }  # fmt: skip
        return self._store.create(REPLICA_SET, made, CONTROLLER)

    def _annotate(self, live: Json, note: dict[str, str]) -> None:
        def write(body: Json) -> None:
            body["metadata"].setdefault("annotations", {}).update(note)

        self._store.change(DEPLOYMENT, live["metadata"]["name"], live["metadata"]["namespace"], write, CONTROLLER)

    def _owned(self, live: Json) -> list[Json]:
        uid, namespace = live["metadata"]["uid"], live["metadata"]["namespace"]
        return [one for one in self._store.objects(REPLICA_SET, namespace) if _is_owned(one, uid)]

    def _pods(self, replica_set: Json) -> list[Json]:
        metadata = replica_set["metadata"]
        return [one for one in self._store.objects(POD, metadata["namespace"]) if _is_owned(one, metadata["uid"])]

    def _ready(self, replica_set: Json) -> int:
        return sum(_is_ready(one) for one in self._pods(replica_set))

    def _scale(self, replica_set: Json, wanted: int, state: str, restarts: int = 0) -> None:
        """That many Pods, each in this state: "" has just begun."""
        metadata = replica_set["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        self._store.change(REPLICA_SET, name, namespace, lambda body: body["spec"].update(replicas=wanted), CONTROLLER)
        pods = self._pods(replica_set)
        for one in pods[wanted:]:
            self._store.delete(POD, one["metadata"]["name"], namespace)
        now = stamp(self._store.now())
        owner = _owner("apps/v1", "ReplicaSet", replica_set)
        pods = pods[:wanted] + [
            self._store.create(POD, pod(replica_set, owner, next(self._numbers)), CONTROLLER)
            for _ in range(len(pods), wanted)
        ]
        for one in pods:
            if not _is_ready(one) or state not in ("", "ready"):
                status = pod_status(one, state, restarts, now)
                self._write(POD, one["metadata"]["name"], namespace, status)
        ready = self._ready(replica_set)
        live = self._store.get(REPLICA_SET, name, namespace)
        counts = {"replicas": wanted, "fullyLabeledReplicas": wanted, "readyReplicas": ready}
        counts["availableReplicas"] = ready
        more = {key: value for key, value in counts.items() if value or key == "replicas"}
        self._write(REPLICA_SET, name, namespace, {**more, "observedGeneration": live["metadata"]["generation"]})

    def _say(self, live: Json, new: Json, old: Sequence[Json], reason: str) -> None:
        name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
        wanted, ready = int(live["spec"].get("replicas", 1)), self._ready(new)
        ready_old = sum(self._ready(one) for one in old)
        updated, total = len(self._pods(new)), len(self._pods(new)) + sum(len(self._pods(one)) for one in old)
        available = ready + ready_old
        counts = {"replicas": total, "updatedReplicas": updated, "readyReplicas": available}
        counts["availableReplicas"], counts["unavailableReplicas"] = available, max(0, wanted - available)
        if ready < updated:
            counts["unavailableReplicas"] = updated - ready
        present = self._store.get(DEPLOYMENT, name, namespace)
        said = {
            "NewReplicaSetAvailable": ("True", f'ReplicaSet "{new["metadata"]["name"]}" has successfully progressed.'),
            "ReplicaSetUpdated": ("True", f'ReplicaSet "{new["metadata"]["name"]}" is progressing.'),
            "ProgressDeadlineExceeded": (
                "False", f'ReplicaSet "{new["metadata"]["name"]}" has timed out progressing.',
            ),
        }[reason]  # fmt: skip
        enough = available >= wanted - wanted // 4
        minimum = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        short = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        conditions = [
            self._condition(present, "Available", *(minimum if enough else short)),
            self._condition(present, "Progressing", said[0], reason, said[1]),
        ]
        status = {key: value for key, value in counts.items() if value}
        generation = live["metadata"]["generation"]
        self._write(DEPLOYMENT, name, namespace, {**status, "conditions": conditions, "observedGeneration": generation})

    def _condition(self, present: Json, kind: str, status: str, reason: str, message: str) -> Json:
        now = stamp(self._store.now())
        known = (present.get("status") or {}).get("conditions") or ()
        before: Json = next((one for one in known if one["type"] == kind), {})
        moved = before.get("lastTransitionTime", now) if before.get("status") == status else now
        updated = before.get("lastUpdateTime", now) if before.get("reason") == reason else now
        return {
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": updated, "lastTransitionTime": moved,
        }  # fmt: skip

    def _write(self, kind: Any, name: str, namespace: str, status: Json) -> None:
        self._store.change(kind, name, namespace, lambda body: body.update(status=status), STATUS)


def _owner(version: str, kind: str, body: Json) -> Json:
    metadata = body["metadata"]
    return {
        "apiVersion": version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def _is_owned(body: Json, uid: str) -> bool:
    return any(one["uid"] == uid for one in body["metadata"].get("ownerReferences") or ())


def _is_ready(body: Json) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _revision(replica_set: Json) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _surge(wanted: int) -> int:
    return math.ceil(wanted / 4)


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[2]
