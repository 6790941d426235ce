"""What becomes of an applied Deployment? ReplicaSets, Pods that obey their image's tag, and the status they come to.

While no new Pod is ready the old ones stay, until the progress deadline and after it.
Source: kubernetes pkg/controller/deployment; the recordings' stand-in kubelet.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.flux.spec import Timing
from gitops_rollback.sandbox.kubernetes import By, Store
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind
from gitops_rollback.sandbox.kubernetes.pods import (
    CRASHES,
    READY,
    STARTING,
    Seen,
    crashing,
    letters,
    pod,
    pod_status,
    stamp,
    trouble_in,
)
from gitops_rollback.sandbox.kubernetes.rollouts import (
    REVISION,
    Counts,
    Progress,
    deployment_status,
    replica_set,
    replica_set_status,
    while_rolling,
)
from gitops_rollback.sandbox.rendering import Json

CONTROLLER = By("kube-controller-manager")
STATUS = By("kube-controller-manager", status=True)


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
        trouble = trouble_in(live)
        first, stay = while_rolling(live["spec"], wanted)
        for one in old:
            self._scale(one, min(stay, self._ready(one)), READY)
        first = first if any(map(self._ready, old)) else wanted
        if trouble:
            yield from self._stuck(live, new, old, first, trouble)
            return
        if self._ready(new) < wanted:
            self._scale(new, max(self._ready(new), first), STARTING)
            self._say(live, new, old, Progress.UPDATING)
            yield self._timing.ready
        self._scale(new, wanted, READY)
        for one in old:
            self._scale(one, 0, READY)
        self._say(live, new, old, Progress.AVAILABLE)

    def _stuck(self, live: Json, new: Json, old: Sequence[Json], pods: int, trouble: str) -> Steps:
        deadline = self._store.now() + timedelta(seconds=float(live["spec"].get("progressDeadlineSeconds", 600)))
        while True:
            now = self._store.now()
            self._scale(new, pods, trouble)
            self._say(live, new, old, Progress.LATE if now >= deadline else Progress.UPDATING)
            moments = [deadline] if now < deadline else []
            if trouble == CRASHES:
                moments += [crashing(_created(one), now)[1] for one in self._pods(new)]
            if not moments:
                return
            yield (min(moments) - now).total_seconds()

    def _replica_set(self, live: Json) -> Json:
        """The one of the present template, with the newest revision."""
        owned = self._owned(live)
        newest = max((_revision(one) for one in owned), default=0)
        made = replica_set(live, live["spec"]["template"], newest + 1)
        name, namespace = made["metadata"]["name"], live["metadata"]["namespace"]
        found = next((one for one in owned if one["metadata"]["name"] == name), None)
        if found is not None and _revision(found) == newest:
            return found
        note = {REVISION: str(newest + 1)}
        self._annotate(DEPLOYMENT, live["metadata"]["name"], namespace, note)
        if found is not None:
            return self._annotate(REPLICA_SET, name, namespace, note)
        return self._store.create(REPLICA_SET, made, CONTROLLER)

    def _annotate(self, kind: Kind, name: str, namespace: str, note: dict[str, str]) -> Json:
        def write(body: Json) -> None:
            body["metadata"].setdefault("annotations", {}).update(note)

        return self._store.change(kind, name, namespace, write, CONTROLLER)

    def _owned(self, live: Json) -> list[Json]:
        uid, namespace = live["metadata"]["uid"], live["metadata"]["namespace"]
        return [one for one in self._store.objects(REPLICA_SET, namespace) if _is_owned(one, uid)]

    def _pods(self, replica_set: Json) -> list[Json]:
        metadata = replica_set["metadata"]
        return [one for one in self._store.objects(POD, metadata["namespace"]) if _is_owned(one, metadata["uid"])]

    def _ready(self, replica_set: Json) -> int:
        return sum(_is_ready(one) for one in self._pods(replica_set))

    def _scale(self, replica_set: Json, wanted: int, state: str) -> None:
        """That many Pods, each in this state; those that are ready stay so while others start."""
        metadata = replica_set["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        self._store.change(REPLICA_SET, name, namespace, lambda body: body["spec"].update(replicas=wanted), CONTROLLER)
        pods = self._pods(replica_set)
        for one in pods[wanted:]:
            self._store.delete(POD, one["metadata"]["name"], namespace)
        template = replica_set["spec"]["template"]
        pods = pods[:wanted] + [
            self._store.create(POD, pod(replica_set, template, letters(next(self._numbers))), CONTROLLER)
            for _ in range(len(pods), wanted)
        ]
        for one in pods:
            if not _is_ready(one) or state not in (STARTING, READY):
                self._write(POD, one["metadata"]["name"], namespace, self._pod_status(one, state))
        generation = self._store.get(REPLICA_SET, name, namespace)["metadata"]["generation"]
        self._write(REPLICA_SET, name, namespace, replica_set_status(wanted, self._ready(replica_set), generation))

    def _pod_status(self, one: Json, state: str) -> Json:
        created, now = _created(one), self._store.now()
        seen = crashing(created, now)[0] if state == CRASHES else Seen(state, now)
        return pod_status(one["spec"], seen, created)

    def _say(self, live: Json, new: Json, old: Sequence[Json], progress: Progress) -> None:
        metadata, wanted = live["metadata"], int(live["spec"].get("replicas", 1))
        older = sum(self._ready(one) for one in old)
        counts = Counts(wanted, len(self._pods(new)), self._ready(new), older)
        before = self._store.get(DEPLOYMENT, metadata["name"], metadata["namespace"]).get("status") or {}
        newest, now = new["metadata"]["name"], stamp(self._store.now())
        status = deployment_status(newest, progress, counts, metadata["generation"], before, now)
        self._write(DEPLOYMENT, metadata["name"], metadata["namespace"], status)

    def _write(self, kind: Kind, name: str, namespace: str, status: Json) -> None:
        self._store.change(kind, name, namespace, lambda body: body.update(status=status), STATUS)


def _is_owned(body: Json, uid: str) -> bool:
    return any(one["uid"] == uid for one in body["metadata"].get("ownerReferences") or ())


def _is_ready(body: Json) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _revision(replica_set: Json) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _created(body: Json) -> datetime:
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"])
