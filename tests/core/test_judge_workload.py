"""Is a rollback called good by its workload only when it is rolled out, runs what git names, and stays up?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pods_made import Json, container, deployment, pod, rollout, template

from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.verification import CheckResult, all_of, judge_workload

T0 = datetime(2026, 11, 26, 12, tzinfo=UTC)
NOW = T0 + timedelta(minutes=3)
DONE = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
WANTED = {"kind": "Deployment", "spec": {"template": template()}}


def complete(*pods: Json, **status: Any) -> WorkloadFacts:
    workload = deployment()
    workload["spec"]["replicas"], workload["status"] = 1, {**DONE, **status}
    return rollout(T0, *(pods or (pod("a", T0, ready=True),)), workload=workload)


def judged(facts: WorkloadFacts, wanted: Json = WANTED) -> CheckResult:
    return judge_workload("pods", facts, wanted, T0, NOW)


def test_complete_with_the_images_that_git_names() -> None:
    assert judged(complete()) == CheckResult("pods", True, "1 of 1 replicas are updated and available")


LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
OTHER = {"kind": "Deployment", "spec": {"template": template("registry.example/web:v1")}}


@pytest.mark.parametrize(
    ("facts", "wanted", "ok", "words"),
    [
        (WorkloadFacts(None), WANTED, None, "not there"),
        (complete(availableReplicas=0), WANTED, None, "0 of 1"),
        (complete(conditions=LATE), WANTED, False, "deadline"),
        (complete(), OTHER, False, "runs registry.example/web:v2, not registry.example/web:v1"),
        (complete(), {}, None, "which images it wants"),
        (rollout(T0, workload=complete().workload), WANTED, None, "no Pod"),
        (complete(pod("a", T0, container(1, ended=NOW - timedelta(seconds=20)))), WANTED, False, "a restarted"),
        (complete(pod("a", T0, status={"containerStatuses": "?"})), WANTED, None, "cannot be read"),
    ],
    ids=["gone", "waiting", "late", "another-image", "nothing-wanted", "no-pods", "restarted", "unreadable"],
)
def test_all_else_is_bad_or_not_known(facts: WorkloadFacts, wanted: Json, ok: bool | None, words: str) -> None:
    result = judged(facts, wanted)
    assert result.ok is ok
    assert words in result.message


def test_a_restart_before_the_switch_or_long_ago_is_no_restart() -> None:
    before = complete(pod("a", T0, container(1, ended=T0 - timedelta(seconds=1))))
    assert judge_workload("pods", before, WANTED, T0, T0 + timedelta(seconds=30)).ok
    assert judged(complete(pod("a", T0, container(1, ended=NOW - timedelta(seconds=90))))).ok


def test_of_several_workloads_the_worst_counts() -> None:
    good, unknown, bad = (CheckResult("pods", ok, "") for ok in (True, None, False))
    assert all_of("pods", [good, unknown]) is unknown
    assert all_of("pods", [good, unknown, bad]) is bad
    assert all_of("pods", []).ok is None
