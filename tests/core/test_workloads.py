"""Is a rollout called complete exactly when `kubectl rollout status` would, and never on proof that is none?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gitops_rollback.core.workloads import Progress, rollout_status

COMPLETE, WAITING, FAILED, INCONCLUSIVE = Progress


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    group = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    return {"apiVersion": group, "kind": kind, "metadata": {"generation": 4} | metadata, "spec": spec, "status": status}


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return workload("Deployment", {"replicas": 3} | (spec or {}), done | status)


TIMED_OUT = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]


@pytest.mark.parametrize(
    ("found", "progress", "why"),
    [
        pytest.param(deployment(), COMPLETE, "3 of 3", id="complete"),
        pytest.param(deployment(observedGeneration=3), WAITING, "observed", id="not-observed"),
        pytest.param(deployment(conditions=TIMED_OUT), FAILED, "deadline", id="deadline-exceeded"),
        pytest.param(deployment(conditions=TIMED_OUT, observedGeneration=3), WAITING, "observed", id="old-deadline"),
        pytest.param(deployment(updatedReplicas=2), WAITING, "2 of 3 new", id="still-updating"),
        pytest.param(deployment(replicas=4), WAITING, "1 old replicas", id="old-ones-left"),
        pytest.param(deployment(availableReplicas=2), WAITING, "2 of 3 updated", id="not-available"),
        pytest.param(deployment(availableReplicas=None), WAITING, "0 of 3", id="no-field-is-zero"),
        pytest.param(
            deployment({"replicas": None}, replicas=1, updatedReplicas=1, availableReplicas=1),
            COMPLETE,
            "1 of 1",
            id="no-replicas-is-one",
        ),
        pytest.param(
            deployment({"replicas": 0}, replicas=0, updatedReplicas=0, availableReplicas=0),
            INCONCLUSIVE,
            "0 replicas",
            id="scaled-to-nothing",
        ),
        pytest.param(deployment({"paused": True}, updatedReplicas=0), INCONCLUSIVE, "paused", id="paused"),
        pytest.param(deployment({"paused": True}), COMPLETE, "3 of 3", id="paused-but-complete"),
        pytest.param(deployment(updatedReplicas="3"), INCONCLUSIVE, "updatedReplicas", id="text-for-a-number"),
        pytest.param(deployment(updatedReplicas=True), INCONCLUSIVE, "updatedReplicas", id="bool-for-a-number"),
        pytest.param(deployment(availableReplicas=-1), INCONCLUSIVE, "availableReplicas", id="negative"),
        pytest.param(deployment(conditions="Progressing"), INCONCLUSIVE, "conditions", id="conditions-no-list"),
    ],
)
def test_deployment(found: dict[str, Any], progress: Progress, why: str) -> None:
    verdict = rollout_status(found)
    assert (verdict.progress, why in verdict.why) == (progress, True), verdict


def stateful_set(strategy: dict[str, Any] | None = None, replicas: int = 3, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 4, "readyReplicas": 3, "updatedReplicas": 3, "updateRevision": "b"}
    default = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    spec = {"replicas": replicas, "updateStrategy": default if strategy is None else strategy}
    return workload("StatefulSet", spec, done | {"currentRevision": "b"} | status)


PARTITIONED = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}


@pytest.mark.parametrize(
    ("found", "progress"),
    [
        pytest.param(stateful_set(), COMPLETE, id="complete"),
        pytest.param(stateful_set({}), COMPLETE, id="default-strategy"),
        pytest.param(stateful_set(observedGeneration=0), WAITING, id="never-observed"),
        pytest.param(stateful_set(observedGeneration=3), WAITING, id="not-observed"),
        pytest.param(stateful_set(readyReplicas=2), WAITING, id="not-ready"),
        pytest.param(stateful_set(updatedReplicas=2, currentRevision="a"), WAITING, id="still-updating"),
        pytest.param(stateful_set(updatedReplicas=0, currentRevision="b"), WAITING, id="none-updated"),
        pytest.param(stateful_set(currentRevision="a"), WAITING, id="revision-not-the-current-one-yet"),
        pytest.param(stateful_set(PARTITIONED, updatedReplicas=1, currentRevision="a"), COMPLETE, id="partitioned"),
        pytest.param(stateful_set(PARTITIONED, updatedReplicas=0, currentRevision="a"), WAITING, id="partition-waits"),
        pytest.param(stateful_set({"type": "OnDelete"}), INCONCLUSIVE, id="on-delete"),
        pytest.param(stateful_set(replicas=0), INCONCLUSIVE, id="scaled-to-nothing"),
        pytest.param(stateful_set({"type": "RollingUpdate", "rollingUpdate": 7}), INCONCLUSIVE, id="odd-strategy"),
    ],
)
def test_stateful_set(found: dict[str, Any], progress: Progress) -> None:
    assert rollout_status(found).progress is progress


def daemon_set(kind: str = "RollingUpdate", **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 4, "desiredNumberScheduled": 5, "updatedNumberScheduled": 5, "numberAvailable": 5}
    return workload("DaemonSet", {"updateStrategy": {"type": kind}}, done | status)


@pytest.mark.parametrize(
    ("found", "progress"),
    [
        pytest.param(daemon_set(), COMPLETE, id="complete"),
        pytest.param(daemon_set(observedGeneration=3), WAITING, id="not-observed"),
        pytest.param(daemon_set(updatedNumberScheduled=4), WAITING, id="still-updating"),
        pytest.param(daemon_set(numberAvailable=4), WAITING, id="not-available"),
        pytest.param(daemon_set(desiredNumberScheduled=0), INCONCLUSIVE, id="no-node"),
        pytest.param(daemon_set("OnDelete"), INCONCLUSIVE, id="on-delete"),
    ],
)
def test_daemon_set(found: dict[str, Any], progress: Progress) -> None:
    assert rollout_status(found).progress is progress


def rollout(spec: dict[str, Any] | None = None, annotation: str | None = None, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": "4", "phase": "Healthy", "stableRS": "5d9", "currentPodHash": "5d9"}
    annotations = {"rollout.argoproj.io/workload-generation": annotation} if annotation else {}
    return workload("Rollout", {"replicas": 2} | (spec or {}), done | status, annotations=annotations)


BY_REFERENCE = {"workloadRef": {"kind": "Deployment", "name": "shop"}}


@pytest.mark.parametrize(
    ("found", "progress"),
    [
        pytest.param(rollout(), COMPLETE, id="healthy"),
        pytest.param(rollout(observedGeneration="3"), WAITING, id="not-observed"),
        pytest.param(rollout(observedGeneration=None), WAITING, id="never-observed"),
        pytest.param(rollout(observedGeneration=4), INCONCLUSIVE, id="observed-as-a-number"),
        pytest.param(rollout(observedGeneration="5d9f"), INCONCLUSIVE, id="observed-as-a-hash"),
        pytest.param(rollout(phase="Progressing", message="more replicas"), WAITING, id="progressing"),
        pytest.param(rollout(phase="Paused", message="CanaryPauseStep"), WAITING, id="paused-at-a-step"),
        pytest.param(rollout({"paused": True}, phase="Paused"), INCONCLUSIVE, id="paused-by-a-person"),
        pytest.param(rollout(phase="Degraded", message="ProgressDeadlineExceeded"), FAILED, id="degraded"),
        pytest.param(rollout(abort=True), FAILED, id="aborted"),
        pytest.param(rollout(stableRS="77c"), WAITING, id="not-promoted"),
        pytest.param(rollout(phase=None), INCONCLUSIVE, id="no-phase"),
        pytest.param(rollout({"replicas": 0}), INCONCLUSIVE, id="scaled-to-nothing"),
        pytest.param(rollout(BY_REFERENCE, "8", workloadObservedGeneration="7"), WAITING, id="reference-not-observed"),
        pytest.param(rollout(BY_REFERENCE, "8", workloadObservedGeneration="8"), COMPLETE, id="reference-observed"),
    ],
)
def test_argo_rollout(found: dict[str, Any], progress: Progress) -> None:
    assert rollout_status(found).progress is progress


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"apiVersion": "apps/v1", "kind": "ReplicaSet"}, id="another-kind"),
        pytest.param({**deployment(), "apiVersion": "extensions/v1beta1"}, id="another-group"),
        pytest.param({**deployment(), "metadata": {}}, id="no-generation"),
        pytest.param({**deployment(), "status": []}, id="status-no-object"),
        pytest.param({**deployment(), "metadata": "x"}, id="metadata-no-object"),
    ],
)
def test_what_cannot_be_read_is_never_complete(found: dict[str, Any]) -> None:
    assert rollout_status(found).progress is INCONCLUSIVE


def test_a_deployment_as_a_real_api_gives_it(shared: Path) -> None:
    lines = (shared / "recordings" / "flux" / "kubernetes-api" / "api.jsonl").read_text().splitlines()
    answers = {one["note"]: one["response"]["body"] for one in map(json.loads, lines)}
    assert rollout_status(answers["deployment complete"]).progress is COMPLETE
