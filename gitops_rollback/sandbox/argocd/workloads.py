"""What would the Kubernetes API show of a live object: itself with its status, its ReplicaSets and its Pods?

Pure, from the object and the time, so that the tree, the managed resources and a single object tell of one world.
Source: kubernetes pkg/controller/{deployment,statefulset,daemon}; argo-rollouts utils/replicaset; a recorded
Deployment (the live state of `managed-resources`) and Pod.
"""

from __future__ import annotations

import copy
import hashlib
import uuid
from collections.abc import Callable
from datetime import datetime

from gitops_rollback.sandbox.argocd.cloud import resource_status, terraform_status
from gitops_rollback.sandbox.argocd.live import IN_PLACE, LiveObject, Revision
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
    Progress,
    deployment_status,
    replica_set,
    replica_set_status,
    template_hash,
)
from gitops_rollback.sandbox.kubernetes.workloads import filled
from gitops_rollback.sandbox.rendering import Json, as_json

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROLLOUT = ("rollouts-pod-template-hash", "rollout.argoproj.io/revision")
REVISION_HASH = "controller-revision-hash"
DAEMON_SET_GENERATION, TEMPLATE_GENERATION = "deprecated.daemonset.template.generation", "pod-template-generation"
HIDDEN = "++++++++"


def shown(live: LiveObject, now: datetime) -> Json:
    """The object as Argo CD shows it: with what Kubernetes itself writes into it, and secrets hidden."""
    manifest = masked(live.manifest)
    body = filled(copy.deepcopy(manifest))
    notes = {**(body["metadata"].get("annotations") or {}), LAST_APPLIED: as_json(manifest) + "\n"}
    number = str(live.revisions[-1].number) if live.revisions else ""
    notes |= {_NOTES[body["kind"]]: number} if body["kind"] in _NOTES else {}
    body["metadata"] = {
        **body["metadata"],
        "annotations": notes,
        "creationTimestamp": stamp(live.created),
        "generation": live.generation,
        "resourceVersion": version(live),
        "uid": live.uid,
    }
    status = status_of(live, now)
    return {**body, "status": status} if status else body


def masked(manifest: Json) -> Json:
    """The values of a Secret are shown to nobody."""
    if manifest["kind"] != "Secret":
        return manifest
    hidden = {field: dict.fromkeys(manifest[field], HIDDEN) for field in ("data", "stringData") if manifest.get(field)}
    return {**manifest, **hidden}


def status_of(live: LiveObject, now: datetime) -> Json:
    """A workload's status; {} for what has none here."""
    judge = _STATUS.get(str(live.manifest["kind"]))
    return judge(live, now) if judge is not None else {}


def owned(live: LiveObject, now: datetime) -> list[Json]:
    """All that a workload's controllers made: ReplicaSets, and the Pods that there are now."""
    if not live.revisions:
        return []
    found: list[Json] = []
    counts, in_place = live.counts(now), live.manifest["kind"] in IN_PLACE
    for revision in live.revisions:
        newest = revision is live.revisions[-1]
        pods = counts.updated if newest else counts.older if revision is live.serving else 0
        first = counts.older if newest and in_place else 0
        owner = _with_hash(live, revision) if in_place else _replica_set(live, revision, pods, now)
        found += [] if in_place else [owner]
        found += [_pod(live, owner, revision, number, now) for number in range(first, first + pods)]
    return found


def _replica_set(live: LiveObject, revision: Revision, pods: int, now: datetime) -> Json:
    named = ROLLOUT if live.manifest["kind"] == "Rollout" else ()
    made = replica_set(_owner(live), _template(revision), revision.number, *named)
    made["metadata"] |= _identity(live, f"{revision.created}", revision.created)
    made["spec"]["replicas"] = pods
    ready = pods if _seen(live, revision, now).state == READY else 0
    return {**made, "status": replica_set_status(pods, ready, 1)}


def _with_hash(live: LiveObject, revision: Revision) -> Json:
    """A StatefulSet or DaemonSet, whose Pods it makes itself and knows by labels."""
    owner, template = _owner(live), _template(revision)
    own = template.get("metadata") or {}
    labels = {REVISION_HASH: _hash(live, revision)}
    if owner["kind"] == "DaemonSet":
        labels[TEMPLATE_GENERATION] = str(revision.number)
    owner["spec"]["template"] = {**template, "metadata": {**own, "labels": {**(own.get("labels") or {}), **labels}}}
    return owner


def _pod(live: LiveObject, owner: Json, revision: Revision, number: int, now: datetime) -> Json:
    what = f"{revision.created}/{revision.since}/{number}"
    chance = int(hashlib.sha256(f"{live.uid}/{what}".encode()).hexdigest()[:8], 16)
    suffix = str(number) if owner["kind"] == "StatefulSet" else letters(chance)
    made = pod(owner, owner["spec"]["template"], suffix)
    made["metadata"] |= _identity(live, what, revision.since)
    return {**made, "status": pod_status(made["spec"], _seen(live, revision, now), revision.since)}


def _owner(live: LiveObject) -> Json:
    body = filled(copy.deepcopy(live.manifest))
    body["metadata"]["uid"] = live.uid
    return body


def _template(revision: Revision) -> Json:
    whole = filled({"kind": "ReplicaSet", "spec": {"template": copy.deepcopy(revision.template)}})
    return dict(whole["spec"]["template"])


def _hash(live: LiveObject, revision: Revision) -> str:
    """By which a StatefulSet or DaemonSet knows a revision."""
    short = template_hash(_template(revision))
    return f"{live.manifest['metadata']['name']}-{short}" if live.manifest["kind"] == "StatefulSet" else short


def _identity(live: LiveObject, what: str, created: datetime) -> Json:
    uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{live.uid}/{what}"))
    return {"uid": uid, "creationTimestamp": stamp(created), "generation": 1, "resourceVersion": version(live)}


def _seen(live: LiveObject, revision: Revision, now: datetime) -> Seen:
    """How the Pods of a revision that has some are."""
    newest = revision is live.revisions[-1]
    if not newest or now >= live.ready_at or live.only_settles:
        came_up = newest and revision.since == live.applied
        return Seen(READY, live.ready_at if came_up else revision.since)
    trouble = trouble_in({"spec": {"template": revision.template}})
    return crashing(revision.since, now)[0] if trouble == CRASHES else Seen(trouble or STARTING, revision.since)


def version(live: LiveObject) -> str:
    """The resource version of an object."""
    return str(1000 + live.version)


def _observed(live: LiveObject, now: datetime) -> int:
    return live.generation - 1 if live.only_settles and now < live.ready_at else live.generation


def _deployment(live: LiveObject, now: datetime) -> Json:
    newest = f"{live.manifest['metadata']['name']}-{template_hash(_template(live.revisions[-1]))}"
    status = live.status_before
    steps = [] if live.only_settles else [(Progress.UPDATING, live.applied)]
    steps += [(Progress.AVAILABLE, live.ready_at), (Progress.LATE, live.deadline)]
    for progress, moment in steps:
        if moment <= now:
            counts = live.counts(moment)
            status = deployment_status(newest, progress, counts, live.generation, status, stamp(moment))
    return status


def _stateful_set(live: LiveObject, now: datetime) -> Json:
    counts, newest = live.counts(now), live.revisions[-1]
    done = counts.ready == counts.wanted
    current = newest if done or live.serving is None else live.serving
    return {
        "observedGeneration": _observed(live, now),
        "replicas": counts.updated + counts.older,
        "readyReplicas": counts.available,
        "availableReplicas": counts.available,
        "currentReplicas": counts.wanted if done else counts.older,
        "updatedReplicas": counts.updated,
        "currentRevision": _hash(live, current),
        "updateRevision": _hash(live, newest),
        "collisionCount": 0,
    }


def _daemon_set(live: LiveObject, now: datetime) -> Json:
    counts = live.counts(now)
    return {
        "observedGeneration": _observed(live, now),
        "currentNumberScheduled": counts.wanted,
        "desiredNumberScheduled": counts.wanted,
        "updatedNumberScheduled": counts.updated,
        "numberReady": counts.available,
        "numberAvailable": counts.available,
        "numberUnavailable": counts.wanted - counts.available,
        "numberMisscheduled": 0,
    }


def _rollout(live: LiveObject, now: datetime) -> Json:
    counts, newest, health = live.counts(now), live.revisions[-1], live.health(now)
    stable = newest if counts.ready == counts.wanted or live.serving is None else live.serving
    return {
        "observedGeneration": str(_observed(live, now)),
        "phase": health.status if health else "",
        **({"message": health.message} if health and health.message else {}),
        "replicas": counts.updated + counts.older,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.available,
        "availableReplicas": counts.available,
        "currentPodHash": template_hash(_template(newest)),
        "stableRS": template_hash(_template(stable)),
    }


def _job(live: LiveObject, now: datetime) -> Json:
    """What the Job controller says of one Pod that runs to its end."""
    started = {"startTime": stamp(live.created)}
    if now >= live.ready_at:
        done = [{"type": "Complete", "status": "True", "lastTransitionTime": stamp(live.ready_at)}]
        return {**started, "conditions": done, "completionTime": stamp(live.ready_at), "succeeded": 1}
    if now >= live.deadline:
        said = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
        return {**started, "conditions": [{"type": "Failed", "status": "True", **said}], "failed": 1}
    return {**started, "active": 1, "ready": 1}


_STATUS: dict[str, Callable[[LiveObject, datetime], Json]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Rollout": _rollout,
    "Job": _job,
    "Terraform": terraform_status,
    "Bucket": resource_status,
}
_NOTES = {"Deployment": REVISION, "DaemonSet": DAEMON_SET_GENERATION, "Rollout": ROLLOUT[1]}
