"""Which Pods run a workload's newest template, and since when is it the newest? Pure, from the objects of the API.

Only such Pods can say something about a sync. A drained node, a scaler or an eviction makes Pods, too, but of a
template that was there before; an old ReplicaSet's Pods say nothing about the new one.
Source: contracts/flux-kubernetes.md section 15; Kubernetes pkg/controller/deployment/util (revision annotation), docs
"StatefulSets" (`controller-revision-hash`), pkg/controller/daemon/util (`pod-template-generation`); Argo Rollouts
utils/replicaset (`rollouts-pod-template-hash`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.fields import Object, Unclear, count, entries, moment, number, part, text

REVISION = "deployment.kubernetes.io/revision"
ROLLOUT_HASH = "rollouts-pod-template-hash"
REVISION_HASH = "controller-revision-hash"
TEMPLATE_GENERATION = "pod-template-generation"
DAEMON_SET_GENERATION = "deprecated.daemonset.template.generation"
SLACK = timedelta(seconds=5)  # the API cuts times to whole seconds, and two machines' clocks differ


@dataclass(frozen=True)
class WorkloadFacts:
    """One workload and what it owns, as the cluster showed them at one moment. None: there is no such workload.

    `changed_at`: when somebody who watched saw its template change last; None where nobody did.
    """

    workload: Object | None
    replica_sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    changed_at: datetime | None = None


@dataclass(frozen=True)
class NewPods:
    """The Pods of the newest template that count, and the others. `since` None: it is not known.

    `template` and `before` are the newest Pod template and the one before it; {} where that is not known.
    """

    pods: tuple[Object, ...]
    others: tuple[Object, ...]
    since: datetime | None
    template: Object
    before: Object

    def came_with(self, t0: datetime) -> bool:
        """The template is not older than `t0`; what is not known came before."""
        return self.since is not None and self.since >= t0 - SLACK


def new_pods(facts: WorkloadFacts) -> NewPods:
    """The Pods of the newest template of `facts.workload`. Raises: Unclear, in words, where that cannot be told."""
    workload = facts.workload
    if workload is None:
        raise Unclear("the workload, which is not there,")
    metadata = part(workload, "metadata")
    observed = part(workload, "status").get("observedGeneration")
    if str(observed or 0) != str(number(metadata, "generation")):
        raise Unclear("its newest spec, which has not been observed,")
    find = _FINDERS.get(text(workload, "kind"))
    if find is None:
        raise Unclear("its kind")
    return find(facts, workload)


def has_ended(pod: Object) -> bool:
    """True for a Pod of which no container runs any more. Raises: Unclear."""
    return text(part(pod, "status"), "phase") in ("Failed", "Succeeded")


def counts(pod: Object) -> bool:
    """False for a Pod that is going, was evicted, lost its node or has ended: its controller replaces it."""
    return not has_ended(pod) and part(pod, "metadata").get("deletionTimestamp") is None


def owner_of(found: Object) -> str:
    """The uid of the controller that owns an object; "" for none. Raises: Unclear."""
    references = entries(part(found, "metadata"), "ownerReferences")
    return next((text(one, "uid") for one in references if one.get("controller") is True), "")


def uid_of(found: Object) -> str:
    """Raises: Unclear."""
    return text(part(found, "metadata"), "uid") or "without a uid"


def _of_replica_sets(facts: WorkloadFacts, newest: Callable[[Object], bool]) -> NewPods:
    workload = facts.workload or {}
    owned = [one for one in facts.replica_sets if owner_of(one) == uid_of(workload)]
    found = [one for one in owned if newest(one)]
    if len(found) != 1:
        raise Unclear("its newest ReplicaSet, which is not there yet,")
    uids = {uid_of(one) for one in owned}
    mine = [pod for pod in facts.pods if owner_of(pod) in uids]
    created = moment(part(found[0], "metadata"), "creationTimestamp")
    since = max((at for at in (created, facts.changed_at) if at is not None), default=None)
    older = sorted((one for one in owned if one is not found[0]), key=_order)
    return _split(
        mine,
        lambda pod: owner_of(pod) == uid_of(found[0]),
        since,
        part(found[0], "spec", "template"),
        part(older[-1], "spec", "template") if older else {},
    )


def _deployment(facts: WorkloadFacts, workload: Object) -> NewPods:
    wanted = part(workload, "metadata", "annotations").get(REVISION)
    return _of_replica_sets(facts, lambda one: wanted is not None and _annotation(one, REVISION) == wanted)


def _rollout(facts: WorkloadFacts, workload: Object) -> NewPods:
    wanted = text(part(workload, "status"), "currentPodHash")
    return _of_replica_sets(facts, lambda one: bool(wanted) and _label(one, ROLLOUT_HASH) == wanted)


def _stateful_set(facts: WorkloadFacts, workload: Object) -> NewPods:
    status = part(workload, "status")
    wanted = text(status, "updateRevision")
    if not wanted:
        raise Unclear("its newest revision, which is not there yet,")
    under_way = wanted != text(status, "currentRevision")
    return _of_hash(facts, workload, {wanted}, under_way)


def _daemon_set(facts: WorkloadFacts, workload: Object) -> NewPods:
    """The newest revision is named nowhere; the Pods that were made for the newest template bear its hash."""
    generation = _annotation(workload, DAEMON_SET_GENERATION)
    made = [pod for pod in _owned(facts, workload) if generation and _label(pod, TEMPLATE_GENERATION) == generation]
    status = part(workload, "status")
    under_way = count(status, "updatedNumberScheduled") < count(status, "desiredNumberScheduled")
    return _of_hash(facts, workload, {_label(pod, REVISION_HASH) for pod in made} - {""}, under_way)


def _of_hash(facts: WorkloadFacts, workload: Object, wanted: set[str], under_way: bool) -> NewPods:
    """No object says when the revision came: an unfinished rollout began with its first Pod."""
    mine = _owned(facts, workload)
    begun = [moment(part(pod, "metadata"), "creationTimestamp") for pod in mine if _label(pod, REVISION_HASH) in wanted]
    first = min((at for at in begun if at is not None), default=None) if under_way else None
    since = max((at for at in (first, facts.changed_at) if at is not None), default=None)
    template = part(workload, "spec", "template")
    return _split(mine, lambda pod: _label(pod, REVISION_HASH) in wanted, since, template, {})


def _split(
    pods: Sequence[Object],
    is_new: Callable[[Object], bool],
    since: datetime | None,
    template: Object,
    before: Object,
) -> NewPods:
    counted = [pod for pod in pods if counts(pod)]
    new = tuple(pod for pod in counted if is_new(pod))
    return NewPods(new, tuple(pod for pod in counted if not is_new(pod)), since, template, before)


def _owned(facts: WorkloadFacts, workload: Object) -> list[Object]:
    return [pod for pod in facts.pods if owner_of(pod) == uid_of(workload)]


def _label(found: Object, name: str) -> str:
    return text(part(found, "metadata", "labels"), name)


def _annotation(found: Object, name: str) -> str:
    return text(part(found, "metadata", "annotations"), name)


def _order(replica_set: Object) -> tuple[int, str]:
    """Oldest first: by revision, which an Argo Rollout writes under another name, then by creation."""
    written = _annotation(replica_set, REVISION) or _annotation(replica_set, "rollout.argoproj.io/revision")
    created = text(part(replica_set, "metadata"), "creationTimestamp")
    return int(written) if written.isdecimal() and len(written) < 19 else 0, created


_FINDERS: Mapping[str, Callable[[WorkloadFacts, Object], NewPods]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Rollout": _rollout,
}
