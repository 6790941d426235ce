"""Is a run of infrastructure over only when what ran holds the revert?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_rollback import NOW, a_record

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.pull_request import CommitStatus, StatusState
from gitops_rollback.core.rollback import Phase
from gitops_rollback.core.runs import PATIENCE, RUN_HELD_AT, Revert, run_by_status, run_held, run_of

OURS, BAD = "a" * 40, "b" * 40
TERRAFORM = RunObject("infra.contrib.fluxcd.io/v1alpha2", "Terraform", "shop", "db")
BUCKET = RunObject("s3.aws.upbound.io/v1beta1", "Bucket", "", "uploads")
BY_SPEC = Revert(lambda sha: sha == OURS)
BY_REVISION = Revert(lambda sha: sha == OURS, by_revision=True)


def condition(kind: str, status: str, reason: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": f"{reason} said", **more}


def an_object(*conditions: dict[str, Any], generation: int = 2, spec: Any = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation}, "spec": {"approvePlan": "auto"} if spec is None else spec,
        "status": {"conditions": list(conditions), **status},
    }  # fmt: skip


def terraform(ready: dict[str, Any], revision: str = OURS, seen: int = 2, **more: Any) -> dict[str, Any]:
    ran = dict.fromkeys(("lastAttemptedRevision", "lastPlannedRevision"), f"main@sha1:{revision}")
    return an_object(ready, observedGeneration=seen, **{**ran, **more})


DONE = condition("Ready", "True", "TerraformAppliedSucceed")
PLANNED = condition("Ready", "Unknown", "TerraformPlannedWithChanges")
FAILED = condition("Ready", "False", "TFExecApplyFailed")
WAITS = {"plan": {"pending": f"plan-main-{OURS}"}}


@pytest.mark.parametrize(
    ("found", "revert", "ok", "asks", "word"),
    [
        (terraform(DONE), BY_SPEC, True, False, "AppliedSucceed"),
        (terraform(DONE, BAD), BY_SPEC, True, False, ""),
        (terraform(DONE), BY_REVISION, True, False, ""),
        (terraform(DONE, lastPlannedRevision=f"main/{OURS}"), BY_REVISION, True, False, ""),
        (terraform(DONE, BAD), BY_REVISION, None, False, "without the revert"),
        (terraform(DONE, lastPlannedRevision=f"latest@sha256:{OURS}"), BY_REVISION, None, False, "without the revert"),
        (terraform(DONE, seen=1), BY_SPEC, None, False, "newest specification"),
        (terraform(PLANNED, **WAITS), BY_SPEC, None, False, "PlannedWithChanges"),
        (terraform(PLANNED, **WAITS, spec={}), BY_SPEC, None, True, f"plan-main-{OURS} waits for approval"),
        (terraform(PLANNED, **WAITS, spec={"approvePlan": "plan-main-aaaaaaaaaa"}), BY_SPEC, None, False, ""),
        (terraform(PLANNED, **WAITS, spec={"approvePlan": "plan-main-bbbbbbbbbb"}), BY_SPEC, None, True, ""),
        (
            terraform(PLANNED, plan={"pending": "plan-x", "isDestroyPlan": True}, spec={}),
            *(BY_SPEC, None, True, "destroys all"),
        ),
        (terraform(DONE, spec={"suspend": True}), BY_SPEC, None, True, "suspended"),
        (terraform(FAILED), BY_REVISION, False, False, "TFExecApplyFailed said"),
        (terraform(FAILED, BAD), BY_REVISION, None, False, "without the revert"),
        (terraform(condition("Ready", "False", "DriftDetected")), BY_SPEC, None, False, "DriftDetected"),
        (terraform(condition("Ready", "Unknown", "Progressing")), BY_SPEC, None, False, ""),
        (an_object(), BY_SPEC, None, False, ""),
        (an_object(plan="x"), BY_SPEC, None, False, "plan cannot be read"),
        (None, BY_SPEC, None, False, "not seen"),
    ],
)
def test_a_terraform_object_is_done_when_it_ran_the_revert(
    found: Any, revert: Revert, ok: bool | None, asks: bool, word: str
) -> None:
    seen = run_of(TERRAFORM, found, revert)
    assert (seen.check.ok, seen.asks) == (ok, asks)
    assert seen.check.name == "Terraform shop/db"
    assert word in seen.check.message


SYNCED, READY = condition("Synced", "True", "ReconcileSuccess"), condition("Ready", "True", "Available")


@pytest.mark.parametrize(
    ("found", "ok", "asks", "word"),
    [
        (an_object(SYNCED, READY), True, False, "Synced and Ready"),
        (an_object({**SYNCED, "observedGeneration": 2}, {**READY, "observedGeneration": 2}), True, False, ""),
        (an_object({**SYNCED, "observedGeneration": 1}, READY), None, False, "newest specification"),
        (an_object(SYNCED), None, False, "not Ready"),
        (an_object(SYNCED, condition("Ready", "False", "Creating")), None, False, "Creating"),
        (an_object(condition("Synced", "False", "ReconcileError"), READY), False, False, "ReconcileError said"),
        (an_object(condition("Synced", "False", "ReconcilePaused"), READY), None, True, "ReconcilePaused"),
        (an_object(SYNCED, READY, condition("LastAsyncOperation", "False", "ApplyFailure")), False, False, "Apply"),
        (an_object(SYNCED, READY, condition("AsyncOperation", "False", "Ongoing")), None, False, "under way"),
        (an_object(READY), True, False, "Ready"),
        (an_object(condition("Stalled", "True", "Broken")), False, False, "Broken"),
        (an_object(READY, observedGeneration=1), None, False, "newest specification"),
        (an_object(), None, False, "not Ready"),
    ],
)
def test_a_resource_is_done_when_it_is_synced_and_ready(found: Any, ok: bool | None, asks: bool, word: str) -> None:
    seen = run_of(BUCKET, found, BY_SPEC)
    assert (seen.check.ok, seen.asks) == (ok, asks)
    assert word in seen.check.message


def test_what_the_plan_removes_is_done_when_it_is_gone() -> None:
    gone = RunObject(*("s3.aws.upbound.io/v1beta1", "Bucket", "", "uploads"), gone=True)
    assert run_of(gone, None, BY_SPEC).check.ok is True
    assert run_of(gone, an_object(SYNCED, READY), BY_SPEC).check.ok is None


@pytest.mark.parametrize(
    ("found", "ok", "asks"),
    [
        (CommitStatus(StatusState.SUCCESS, "Apply succeeded."), True, False),
        (CommitStatus(StatusState.PENDING, "Plan: 1 to add, 0 to change, 0 to destroy."), None, False),
        (CommitStatus(StatusState.PENDING, "Plan: 0 to add, 1 to change, 2 to destroy."), None, True),
        (CommitStatus(StatusState.FAILURE, "Apply failed."), False, False),
        (CommitStatus(StatusState.ERROR), False, False),
        (None, None, False),
    ],
)
def test_a_commit_status_tells_of_a_run(found: CommitStatus | None, ok: bool | None, asks: bool) -> None:
    seen = run_by_status("atlantis/apply", found)
    assert (seen.check.ok, seen.asks) == (ok, asks)


def test_people_hear_once_of_a_run_that_does_not_go_on() -> None:
    record = replace(a_record(Phase.SYNCING), times={"pushed": NOW})
    waiting = run_of(TERRAFORM, terraform(PLANNED, **WAITS, spec={}), BY_SPEC)
    failed = run_of(TERRAFORM, terraform(FAILED), BY_SPEC)
    assert run_held(record, [waiting], NOW + PATIENCE / 2) is None
    assert run_held(record, [run_of(TERRAFORM, terraform(DONE), BY_SPEC)], NOW + PATIENCE) is None
    for runs, reason in (([failed], Reason.RUN_FAILED), ([failed, waiting], Reason.RUN_WAITS)):
        held = run_held(record, runs, NOW + PATIENCE)
        assert held is not None
        assert held.reason == reason
        assert f"plan-main-{OURS}" in held.message or reason is Reason.RUN_FAILED
        assert RUN_HELD_AT in held.times
        assert run_held(held, runs, NOW + 9 * PATIENCE) is None
