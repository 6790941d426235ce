"""Do the Pods of a new template fail to come up, and is it the template's fault? Pure.

One Pod of the new template that is Ready clears it: then a node, a quota or an accident is at work, and whatever a
sync broke that way a metric shows. Restarts of init containers do not count, since waiting for something by failing is
what many are for. What a registry, a node or a full cluster does is told apart from what the template asks: where it
pulls as before, a tag that is gone or a credential that has ended is no fault of the sync.
Source: detection.md 4.6 (third restart, or the second of every first-wave Pod, while none is Ready); kubelet
pkg/kubelet/images/types.go (reasons of a pull), pkg/kubelet/kuberuntime (CreateContainerConfigError); kube-scheduler.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitops_rollback.core.fields import Object, condition, count, entries, moment, part, text
from gitops_rollback.core.new_pods import NewPods, WorkloadFacts, new_pods

THIRD, SECOND = 3, 2
SHOWN = 160  # characters of the kubelet's own message


class Symptom(StrEnum):
    """In what way the Pods do not come up. Each word is a value of the policy's `symptoms`."""

    CRASH_LOOP = "crashLoop"
    IMAGE_PULL = "imagePull"
    CONFIGURATION = "configuration"
    UNSCHEDULABLE = "unschedulable"
    PROGRESS_DEADLINE = "progressDeadline"


# How long a Pod may have waited before it counts: an image or a Secret may come a little after what names it, and a
# cluster that grows needs minutes for a node.
PATIENCE: Mapping[Symptom, timedelta] = {
    Symptom.IMAGE_PULL: timedelta(seconds=45),
    Symptom.CONFIGURATION: timedelta(seconds=45),
    Symptom.UNSCHEDULABLE: timedelta(minutes=3),
}
UNSURE = timedelta(seconds=90)  # where the kubelet does not say why an image cannot be pulled
SILENT = timedelta(minutes=3)  # where it says no more than that it waits, and the image is another one than before

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_CONFIGURATION = frozenset({"CreateContainerConfigError", "CreateContainerError"})
# Words of a registry or network that does not answer: no image is at fault.
_OUTAGE = (
    *("timeout", "timed out", "deadline exceeded", "connection refused", "connection reset", "no such host"),
    *("tls handshake", "unexpected eof", ": eof", "toomanyrequests", "too many requests", "internal server error"),
    *("bad gateway", "service unavailable", "network is unreachable", "no route to host", "temporary failure"),
    *("no space left", "x509"),
)
_ABSENT = ("not found", "manifest unknown", "does not exist", "no match for platform", "not present")
_NAMES = re.compile(r'"[^"]*"|\S*/\S*')  # an image may be called `timeout`
_BARE = "back-off pulling image"  # a kubelet before 1.31 says no more while it waits for its next try


@dataclass(frozen=True)
class PodTrouble:
    """`symptom` None: the new Pods come up, or are not of this sync. `why` is a clause for people."""

    symptom: Symptom | None
    why: str


def judge_pods(facts: WorkloadFacts, t0: datetime, at: datetime, asked: Collection[Symptom]) -> PodTrouble:
    """What ails the Pods that came with the sync at `t0`, seen at `at`. Raises: Unclear where nobody can tell."""
    found = new_pods(facts)
    if not found.came_with(t0):
        return PodTrouble(None, "its Pods are of a template that is older than the sync")
    ready = sum(_is_ready(pod) for pod in found.pods)
    if ready:
        return PodTrouble(None, f"{ready} of {len(found.pods)} new Pods are ready")
    seen = _Seen(found, facts.workload or {}, at)
    for symptom in Symptom:
        why = _JUDGES[symptom](seen) if symptom in asked else ""
        if why:
            return PodTrouble(symptom, f"{why}; none of {len(found.pods)} new Pods is ready")
    return PodTrouble(None, f"{len(found.pods)} new Pods are starting")


@dataclass(frozen=True)
class _Seen:
    new: NewPods
    workload: Object
    at: datetime


def _crash_loop(seen: _Seen) -> str:
    restarts = [(_restarts(pod), pod) for pod in seen.new.pods if not _on_bad_node(pod, seen.new.others)]
    most, pod = max(restarts, key=lambda pair: pair[0], default=(0, {}))
    everywhere = len(restarts) >= 2 and all(number >= SECOND for number, _ in restarts)
    if most >= THIRD:
        return f"Pod {_name(pod)} restarted {most} times{_last_end(pod)}"
    return f"all {len(restarts)} new Pods restarted twice{_last_end(pod)}" if everywhere else ""


def _image_pull(seen: _Seen) -> str:
    if _pulls_as_before(seen.new):
        return ""
    told = [(pod, _waiting(pod, _PULL)) for pod in seen.new.pods]
    failing = [(pod, state) for pod, state in told if state and _said(state) != _BARE and not _says(state, _OUTAGE)]
    for pod, state in failing:
        certain = text(state, "reason") == "InvalidImageName" or _says(state, _ABSENT)
        everywhere = len(failing) == len(seen.new.pods)
        if _waited(pod, seen.at, PATIENCE[Symptom.IMAGE_PULL] if certain else UNSURE) and (certain or everywhere):
            return f"Pod {_name(pod)} waits for its image: {_words(state)}"
    silent = [pod for pod, state in told if _said(state) == _BARE and _waited(pod, seen.at, SILENT)]
    new = _images(seen.new.template) - _images(seen.new.before) if seen.new.before else frozenset()
    if new and told and len(silent) == len(told):
        return f"Pod {_name(silent[0])} waits for its image, which is another one than before: {_words(told[0][1])}"
    return ""


def _images(template: Object) -> frozenset[str]:
    spec = part(template, "spec")
    return frozenset(text(one, "image") for kind in ("initContainers", "containers") for one in entries(spec, kind))


def _pulls_as_before(new: NewPods) -> bool:
    """The template before asked for the same images in the same way; False where that is not known."""
    return bool(new.before) and _pulled(new.template) == _pulled(new.before)


def _pulled(template: Object) -> tuple[object, ...]:
    """What decides whether the images of a Pod of this template can be pulled, its nodes included."""
    spec = part(template, "spec")
    containers = [one for kind in ("initContainers", "containers") for one in entries(spec, kind)]
    images = frozenset((text(one, "image"), text(one, "imagePullPolicy")) for one in containers)
    return images, spec.get("imagePullSecrets"), text(spec, "serviceAccountName"), _placement(template)


def _configuration(seen: _Seen) -> str:
    for pod in seen.new.pods:
        state = _waiting(pod, _CONFIGURATION)
        certain = bool(state) and text(state, "reason") == "CreateContainerConfigError"
        if state and _waited(pod, seen.at, PATIENCE[Symptom.CONFIGURATION] if certain else UNSURE):
            return f"Pod {_name(pod)} cannot be made: {_words(state)}"
    return ""


def _unschedulable(seen: _Seen) -> str:
    """A full cluster is nobody's fault, unless the template asks for another place or for more than before."""
    if not seen.new.pods or not seen.new.before or _placement(seen.new.template) == _placement(seen.new.before):
        return ""
    waits: list[Object] = []
    for pod in seen.new.pods:
        scheduled = condition(part(pod, "status"), "PodScheduled")
        since = moment(scheduled, "lastTransitionTime")
        if not _is_unschedulable(pod) or since is None:
            return ""
        if seen.at - since < PATIENCE[Symptom.UNSCHEDULABLE] or part(pod, "status").get("nominatedNodeName"):
            return ""
        waits.append(scheduled)
    return f"no node takes Pod {_name(seen.new.pods[0])}, which asks for another place than before: {_words(waits[0])}"


def _progress_deadline(seen: _Seen) -> str:
    """A rollout that waits for a node or for a registry is late through no fault of its own."""
    pulls = [(pod, _waiting(pod, _PULL)) for pod in seen.new.pods]
    if any(_is_unschedulable(pod) or _says(state, _OUTAGE) for pod, state in pulls):
        return ""
    if any(state for _, state in pulls) and _pulls_as_before(seen.new):
        return ""
    progressing = condition(part(seen.workload, "status"), "Progressing")
    changed = moment(progressing, "lastTransitionTime") or moment(progressing, "lastUpdateTime")
    exceeded = text(progressing, "reason") == "ProgressDeadlineExceeded" and progressing.get("status") == "False"
    current = changed is not None and seen.new.since is not None and changed >= seen.new.since
    return "the rollout exceeded its progress deadline" if seen.new.pods and exceeded and current else ""


_JUDGES: Mapping[Symptom, Callable[[_Seen], str]] = {
    Symptom.CRASH_LOOP: _crash_loop,
    Symptom.IMAGE_PULL: _image_pull,
    Symptom.CONFIGURATION: _configuration,
    Symptom.UNSCHEDULABLE: _unschedulable,
    Symptom.PROGRESS_DEADLINE: _progress_deadline,
}


def restarted_since(pod: Object, since: datetime) -> bool:
    """A main container ended at or after `since` and was started again, or waits for that."""
    ends = (part(one, "lastState", "terminated") for one in _containers(pod))
    return any((ended := moment(end, "finishedAt")) is not None and ended >= since for end in ends)


def _is_ready(pod: Object) -> bool:
    return condition(part(pod, "status"), "Ready").get("status") == "True"


def _is_unschedulable(pod: Object) -> bool:
    scheduled = condition(part(pod, "status"), "PodScheduled")
    return scheduled.get("status") == "False" and text(scheduled, "reason") == "Unschedulable"


def _restarts(pod: Object) -> int:
    """Of the main container that restarted most; one whose node was lost did not end by itself."""
    mine = [
        one
        for one in _containers(pod)
        if text(part(one, "lastState", "terminated"), "reason") != "ContainerStatusUnknown"
    ]
    return max((count(one, "restartCount") for one in mine), default=0)


def _on_bad_node(pod: Object, others: Sequence[Object]) -> bool:
    """A Pod of the old template on the same node is not ready either: the node is to blame."""
    node = text(part(pod, "spec"), "nodeName")
    beside = [one for one in others if node and text(part(one, "spec"), "nodeName") == node]
    return any(not _is_ready(one) for one in beside)


def _containers(pod: Object) -> tuple[Object, ...]:
    return entries(part(pod, "status"), "containerStatuses")


def _waiting(pod: Object, reasons: Collection[str]) -> Object:
    """What the first container, init containers included, waits for, if that is one of `reasons`; else {}."""
    statuses = (*entries(part(pod, "status"), "initContainerStatuses"), *_containers(pod))
    states = (part(one, "state", "waiting") for one in statuses)
    return next((state for state in states if text(state, "reason") in reasons), {})


def _waited(pod: Object, at: datetime, patience: timedelta) -> bool:
    started = moment(part(pod, "status"), "startTime") or moment(part(pod, "metadata"), "creationTimestamp")
    return started is not None and at - started >= patience


def _says(state: Object, words: Collection[str]) -> bool:
    return any(word in _said(state) for word in words)


def _said(state: Object) -> str:
    """The kubelet's words without the names in them."""
    return " ".join(_NAMES.sub("", text(state, "message").lower()).split())


def _placement(template: Object) -> dict[str, object]:
    """What decides on which nodes a Pod of this template fits."""
    spec = part(template, "spec")
    names = ("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "volumes", "nodeName")
    more = ("priorityClassName", "runtimeClassName", "hostNetwork", "schedulerName")
    asked = [
        (text(one, "name"), part(one, "resources").get("requests"), one.get("ports"))
        for kind in ("initContainers", "containers")
        for one in entries(spec, kind)
    ]
    return {"requests": asked, **{name: spec.get(name) for name in (*names, *more) if spec.get(name)}}


def _last_end(pod: Object) -> str:
    for one in _containers(pod):
        end = part(one, "lastState", "terminated")
        if end:
            code = end.get("exitCode")
            return f", container {text(one, 'name')} last ended with {text(end, 'reason') or 'no reason'} (code {code})"
    return ""


def _words(state: Object) -> str:
    said = " ".join(text(state, "message").split())[:SHOWN]
    return f"{text(state, 'reason')}: {said}" if said else text(state, "reason")


def _name(pod: Object) -> str:
    return text(part(pod, "metadata"), "name")
