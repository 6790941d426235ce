"""Has a workload finished rolling out, as `kubectl rollout status` means it? Pure, from the object as the API gives it.

Complete says that *some* template runs everywhere, not that it is the one from git: whoever asks compares the template,
and reads only after the engine has applied. What would be complete without a single Pod, or can never finish by itself,
proves nothing and is inconclusive.
Source: contracts/flux-kubernetes.md, sections 12 and 15; kubectl pkg/polymorphichelpers/rollout_status.go; Argo
Rollouts utils/rollout/rolloututil.go (`GetRolloutPhase`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitops_rollback.core.fields import Object, Unclear, condition, count, number, part

_GENERATION = re.compile(r"[0-9]{1,18}")
_SHOWN = 200  # characters of a controller's own message


class Progress(StrEnum):
    """How far a rollout is."""

    COMPLETE = "complete"
    WAITING = "waiting"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class RolloutStatus:
    """`why` is one clause for people: what is waited for, what failed, what cannot be known."""

    progress: Progress
    why: str


def rollout_status(workload: Object) -> RolloutStatus:
    """How far `workload` (Deployment, StatefulSet, DaemonSet of apps, Rollout of argoproj.io) is. Never raises."""
    group = str(workload.get("apiVersion", "")).partition("/")[0]
    judge = _KINDS.get((group, str(workload.get("kind", ""))))
    if judge is None:
        return _inconclusive("it is no Deployment, StatefulSet, DaemonSet or Argo Rollout")
    try:
        generation = number(part(workload, "metadata"), "generation")
        if generation is None:
            return _inconclusive("it has no metadata.generation")
        return judge(part(workload, "spec"), part(workload, "status"), workload)
    except Unclear as exc:
        return _inconclusive(f"{exc} cannot be read")


def _deployment(spec: Object, status: Object, workload: Object) -> RolloutStatus:
    if _unseen(workload, status):
        return _waiting("its newest spec has not been observed")
    if condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return RolloutStatus(Progress.FAILED, "it exceeded its progress deadline")
    wanted = count(spec, "replicas", 1)
    replicas, updated = count(status, "replicas"), count(status, "updatedReplicas")
    available = count(status, "availableReplicas")
    if wanted == 0:
        return _inconclusive("it is scaled to 0 replicas")
    left = ""
    if updated < wanted:
        left = f"{updated} of {wanted} new replicas have been updated"
    elif replicas > updated:
        left = f"{replicas - updated} old replicas are pending termination"
    elif available < updated:
        left = f"{available} of {updated} updated replicas are available"
    if left and spec.get("paused") is True:
        return _inconclusive(f"it is paused, and {left}")
    return _waiting(left) if left else _complete(f"{available} of {wanted} replicas are updated and available")


def _stateful_set(spec: Object, status: Object, workload: Object) -> RolloutStatus:
    strategy = part(spec, "updateStrategy")
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return _inconclusive("its update strategy replaces no Pod by itself")
    if _unseen(workload, status) or not number(status, "observedGeneration"):
        return _waiting("its newest spec has not been observed")
    wanted = count(spec, "replicas", 1)
    if wanted == 0:
        return _inconclusive("it is scaled to 0 replicas")
    ready, updated = count(status, "readyReplicas"), count(status, "updatedReplicas")
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} replicas are ready")
    partition = count(part(strategy, "rollingUpdate"), "partition")
    if partition:
        above = max(wanted - partition, 0)
        if updated < above:
            return _waiting(f"{updated} of {above} replicas above the partition have been updated")
        return _complete(f"{updated} of {wanted} replicas are updated, the partition keeps the others as they are")
    # kubectl asks for the count where `rollingUpdate` is set and for the revisions where it is not; both must hold.
    if updated < wanted or status.get("updateRevision") != status.get("currentRevision"):
        return _waiting(f"{updated} of {wanted} replicas have been updated")
    return _complete(f"{wanted} of {wanted} replicas are updated and ready")


def _daemon_set(spec: Object, status: Object, workload: Object) -> RolloutStatus:
    if part(spec, "updateStrategy").get("type", "RollingUpdate") != "RollingUpdate":
        return _inconclusive("its update strategy replaces no Pod by itself")
    if _unseen(workload, status):
        return _waiting("its newest spec has not been observed")
    wanted = count(status, "desiredNumberScheduled")
    updated, available = count(status, "updatedNumberScheduled"), count(status, "numberAvailable")
    if wanted == 0:
        return _inconclusive("no node is to run it")
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} new Pods have been updated")
    if available < wanted:
        return _waiting(f"{available} of {wanted} updated Pods are available")
    return _complete(f"{available} of {wanted} Pods are updated and available")


def _rollout(spec: Object, status: Object, workload: Object) -> RolloutStatus:
    if _rollout_unseen(spec, status, workload):
        return _waiting("its newest spec has not been observed")
    phase = status.get("phase")
    said = str(status.get("message") or "")[:_SHOWN]
    if phase == "Degraded" or status.get("abort") is True:
        return RolloutStatus(Progress.FAILED, said or "it is degraded or was aborted")
    if phase == "Paused":
        by_person = spec.get("paused") is True
        return _inconclusive("a person paused it") if by_person else _waiting(f"it is paused: {said or 'a step'}")
    if phase == "Progressing":
        return _waiting(said or "it is progressing")
    if phase != "Healthy":
        return _inconclusive("its phase is none that is known")
    if count(spec, "replicas", 1) == 0:
        return _inconclusive("it is scaled to 0 replicas")
    if status.get("stableRS") != status.get("currentPodHash"):
        return _waiting("its newest template is not the stable one yet")
    return _complete("it is healthy and its newest template is the stable one")


_KINDS: Mapping[tuple[str, str], Callable[[Object, Object, Object], RolloutStatus]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("argoproj.io", "Rollout"): _rollout,
}


def _rollout_unseen(spec: Object, status: Object, workload: Object) -> bool:
    """An Argo Rollout writes the generation that it observed as text, and follows a referenced workload's too."""
    if _generation(status, "observedGeneration") != number(part(workload, "metadata"), "generation"):
        return True
    if not spec.get("workloadRef"):
        return False
    annotations = part(part(workload, "metadata"), "annotations")
    referenced = annotations.get("rollout.argoproj.io/workload-generation")
    return referenced is not None and referenced != status.get("workloadObservedGeneration")


def _generation(status: Object, name: str) -> int | None:
    text = status.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not _GENERATION.fullmatch(text):
        raise Unclear(f"status.{name}")
    return int(text)


def _unseen(workload: Object, status: Object) -> bool:
    generation = number(part(workload, "metadata"), "generation") or 0
    return (number(status, "observedGeneration") or 0) < generation


def _complete(why: str) -> RolloutStatus:
    return RolloutStatus(Progress.COMPLETE, why)


def _waiting(why: str) -> RolloutStatus:
    return RolloutStatus(Progress.WAITING, why)


def _inconclusive(why: str) -> RolloutStatus:
    return RolloutStatus(Progress.INCONCLUSIVE, why)
