"""Does a gate of a coordinated rollback open only for what was really seen?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from test_rollback import a_record

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Coordinated, FileField, JobStep, Strategy, Workload
from gitops_rollback.core.rollback import STEP_HELD_AT, Phase, StepRecord
from gitops_rollback.core.strategies.gate import Ahead, broken, held_between, passage
from gitops_rollback.core.strategies.migration import Sides, Unfit
from gitops_rollback.core.strategies.planning import chosen, planned
from gitops_rollback.core.strategies.seen import completed, counted_since, emptied, hook_completed, kept, quiet
from gitops_rollback.core.strategies.stages import (
    BACK,
    FINISH,
    STAGES,
    FieldValue,
    PlannedStep,
    Stages,
    StepGate,
    stages_of,
)
from gitops_rollback.core.sync import Operation, OperationPhase, ResourceResult
from gitops_rollback.core.verification import CheckResult

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
JOB = Workload("Job", "shop", "back")


def check(value: float | None) -> CheckResult:
    return CheckResult("requests", None if value is None else False, "", value)


@pytest.mark.parametrize(("value", "ok"), [(0.0, True), (0.001, None), (7.0, None), (None, None)])
def test_only_a_measured_zero_is_no_traffic(value: float | None, ok: bool | None) -> None:
    assert quiet(check(value)).ok is ok


@pytest.mark.parametrize(
    ("before", "now", "ok"),
    [(5.0, 5.0, True), (5.0, 6.0, True), (5.0, 4.0, False), (None, 5.0, None), (5.0, None, None)],
)
def test_rows_are_kept_where_both_counts_are_known(before: float | None, now: float | None, ok: bool | None) -> None:
    assert kept(check(before), check(now)).ok is ok


@pytest.mark.parametrize(
    ("completed_before", "counted", "ok"),
    [(30, True, None), (60, True, True), (None, True, None), (30, False, False), (None, None, None)],
)
def test_rows_count_as_kept_once_the_store_has_had_a_minute_to_see_it(
    completed_before: int | None, counted: bool | None, ok: bool | None
) -> None:
    at = NOW - timedelta(seconds=completed_before) if completed_before is not None else None
    assert counted_since(CheckResult("rows", counted, ""), CheckResult("Job", True, "", at=at), NOW).ok is ok


GOING = {"metadata": {"deletionTimestamp": "2026-11-25T03:00:30Z"}, "status": {"phase": "Running"}}


def deployment(wanted: int, left: int) -> dict[str, object]:
    return {"spec": {"replicas": wanted}, "status": {"replicas": left} if left else {}}


@pytest.mark.parametrize(
    ("facts", "ok"),
    [
        (WorkloadFacts(deployment(0, 0)), True),
        (WorkloadFacts(deployment(0, 1)), None),
        (WorkloadFacts(deployment(3, 0)), None),
        (WorkloadFacts(deployment(0, 0), pods=({"metadata": {}, "status": {"phase": "Running"}},)), None),
        (WorkloadFacts(deployment(0, 0), pods=(GOING,)), None),
        (WorkloadFacts(deployment(0, 0), pods=({"metadata": {}, "status": {"phase": "Failed"}},)), True),
        (WorkloadFacts({"spec": {"replicas": "none"}}), None),
        (WorkloadFacts(None), None),
    ],
    ids=[
        "none",
        "one goes",
        "wanted again",
        "a Pod",
        "one that is going",
        "one that was evicted",
        "unreadable",
        "not there",
    ],
)
def test_no_pod_may_be_left(facts: WorkloadFacts, ok: bool | None) -> None:
    assert emptied("web", facts).ok is ok


def job(kind: str = "", at: datetime | None = NOW, **more: object) -> dict[str, object]:
    conditions = [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}] if kind else []
    ended = {"completionTime": f"{at:%FT%TZ}"} if at else {}
    return {"kind": "Job", "status": {"conditions": conditions, **ended, **more}}


@pytest.mark.parametrize(
    ("found", "ok", "word"),
    [
        (job("Complete"), True, "completed at 03:00:00"),
        (job("Complete", NOW - timedelta(seconds=30)), None, "another run"),
        (job("Complete", None), None, "has not completed"),
        (job("Failed"), False, "BackoffLimitExceeded"),
        (job(at=None), None, "has not completed"),
        ({}, None, "not there"),
        ({"status": {"conditions": 3}}, None, "cannot be read"),
    ],
    ids=["complete", "of before", "without a time", "failed", "running", "not there", "unreadable"],
)
def test_a_job_has_completed_since_it_was_asked_for(found: dict[str, object], ok: bool | None, word: str) -> None:
    seen = completed("Job", found, NOW - timedelta(seconds=10))
    assert (seen.ok, word in seen.message) == (ok, True), seen


@pytest.mark.parametrize(
    ("phase", "name", "started", "ok"),
    [
        ("Succeeded", "back", NOW, True),
        ("Failed", "back", NOW, False),
        ("Running", "back", NOW, None),
        ("Succeeded", "forth", NOW, "no hook"),
        ("Succeeded", "back-x7k2p", NOW, True),
        ("Failed", "back-0a1b2c3-presync-1764039600", NOW, False),
        ("Succeeded", "backup", NOW, "no hook"),
        ("Succeeded", "back-check", NOW, "no hook"),
        ("Succeeded", "back-x7k2p-more", NOW, "no hook"),
        ("Succeeded", "back", NOW - timedelta(minutes=1), "no hook"),
    ],
)
def test_a_hook_counts_by_the_operation_that_ran_it(phase: str, name: str, started: datetime, ok: object) -> None:
    result = ResourceResult("batch", "Job", "shop", name, "Synced", hook_phase=phase, hook_type="PreSync")
    operation = Operation(OperationPhase.SUCCEEDED, ("a" * 40,), (), started, results=(result,))
    seen = hook_completed("Job", JOB, operation, NOW)
    assert (seen.ok if seen is not None else "no hook") == ok


# The gate

STOP = StepGate(BACK, "set it to 3 again", quiet=("requests",), empty=Workload("Deployment", "shop", "web"))
UNDO = StepGate(FINISH, "run the Job again", job=JOB, kept=("orders",), counted=2)
SETS = (FieldValue("web.yaml", "spec.replicas", 0),)
PLAN = Stages(
    ("schema",),
    (PlannedStep("stop traffic", SETS, STOP), PlannedStep("reverse", SETS, UNDO)),
    SETS,
    after=(PlannedStep("start traffic", SETS),),
    closing=replace(UNDO, way="wait for the old version", job=None),
)
GOOD, BAD, UNKNOWN = (CheckResult("requests", ok, "seen") for ok in (True, False, None))
LONG = timedelta(minutes=5)


def test_the_revert_comes_before_the_traffic() -> None:
    assert PLAN.words == "1. stop traffic; 2. reverse; 3. the revert; 4. start traffic"
    assert (PLAN.total, PLAN.revert, PLAN.gate(3), PLAN.gate(4)) == (4, 3, PLAN.closing, None)


def test_it_comes_back_from_the_journal_with_its_gates() -> None:
    record = replace(a_record(Phase.SYNCING), evidence={STAGES: PLAN.document}, steps=(StepRecord(1, 4, "c" * 40),))
    assert stages_of(record) == PLAN
    spoilt = {**PLAN.document, "closing": {"end": "somehow"}}
    assert stages_of(replace(record, evidence={STAGES: spoilt})) is None


@pytest.mark.parametrize(
    ("done", "gate", "unhealthy", "waited", "n", "reason"),
    [
        (1, (GOOD,), "", LONG, 2, None),
        (1, (GOOD,), "Degraded", LONG, 2, None),
        (1, (GOOD, UNKNOWN), "", timedelta(0), 0, None),
        (1, (GOOD, UNKNOWN), "", LONG, 0, Reason.GATE_SHUT),
        (2, (GOOD, BAD), "", timedelta(0), 0, Reason.STEP_FAILED),
        (3, (GOOD,), "Degraded", timedelta(0), 0, Reason.STEP_FAILED),
        (3, (GOOD,), "", timedelta(0), 4, None),
    ],
    ids=["open", "the bad version suffers", "not yet", "for long", "failed", "the old one suffers", "the last"],
)
def test_each_step_waits_for_what_it_is_for(
    done: int, gate: tuple[CheckResult, ...], unhealthy: str, waited: timedelta, n: int, reason: Reason | None
) -> None:
    way = passage(Ahead(PLAN, done, since=NOW, gate=gate), unhealthy, LONG, NOW - waited, NOW)
    assert (way.n, way.reason, way.ends) == (n, reason, False), way
    assert n or "safe end: " in way.message


def test_people_are_told_again_as_long_as_it_is_held() -> None:
    way = passage(Ahead(PLAN, 2, since=NOW, gate=(BAD,)), "", LONG, NOW, NOW)
    first = held_between(a_record(Phase.SYNCING), way, NOW)
    assert first is not None
    assert first.reason == "StepFailed"
    assert held_between(first, way, NOW + timedelta(minutes=14)) is None
    again = held_between(first, way, NOW + timedelta(minutes=15))
    assert again is not None
    assert again.times[STEP_HELD_AT] == NOW + timedelta(minutes=15)


def test_people_hear_of_each_step_that_is_held() -> None:
    """Whatever a view of the record from before the step still says."""
    record = a_record(Phase.SYNCING)
    told = {**record.times, STEP_HELD_AT: NOW}
    steps = (*record.steps, StepRecord(2, 4, "2" * 40, {}, NOW + timedelta(minutes=1)))
    way = passage(Ahead(PLAN, 2, since=NOW, gate=(BAD,)), "", LONG, NOW, NOW)
    held = held_between(replace(record, times=told, steps=steps), way, NOW + timedelta(minutes=2))
    assert held is not None
    assert held.times[STEP_HELD_AT] == NOW + timedelta(minutes=2)


def test_whoever_takes_over_hears_how_it_ends_safely() -> None:
    way = broken(Ahead(PLAN, 1, foreign="web.yaml: spec.replicas is 2 by now"))
    assert way is not None
    assert way.message.endswith("safe end: go back to the step before: set it to 3 again")


# What does not fit

WEB, KUSTOMIZATION = "web.yaml", "kustomization.yaml"
REVERSE = JobStep(FileField(KUSTOMIZATION, "resources[1]"), "back.yaml", JOB)
RULES = Coordinated(FileField(WEB, "spec.replicas"), quiet=("requests",), reverse=REVERSE)
FILES = {
    WEB: Sides(b"spec: {replicas: 2}", b"spec: {replicas: 3}"),
    KUSTOMIZATION: Sides(b"resources: [web.yaml]", b"resources: [web.yaml, forth.yaml]"),
}


def plan(rules: Coordinated | None, fixup: JobStep | None = None) -> Stages | None:
    return planned([Strategy("schema", "migration", migration=rules, fixup=fixup)], lambda path: FILES[path])


def test_the_traffic_comes_back_as_it_was_before_the_change() -> None:
    stages = plan(RULES, REVERSE)
    assert stages is not None
    assert stages.words == (
        "1. stop traffic, spec.replicas 3 -> 0; 2. reverse migration, Job shop/back; 3. data fix-up, Job shop/back; "
        "4. the revert; 5. start traffic, spec.replicas 0 -> 2"
    )
    assert [gate.counted for n in (2, 3, 4) if (gate := stages.gate(n)) is not None] == [2, 2, 2]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (None, "does not name what stops the traffic"),
        (replace(RULES, reverse=None), "declares no reverse"),
        (replace(RULES, traffic=FileField(WEB, "spec.size")), "no such field"),
        (replace(RULES, stopped=3), "is 3 already"),
        (replace(RULES, stopped=2), "is 2 already"),
        (replace(RULES, stopped="none"), "of another type"),
        (replace(RULES, reverse=replace(REVERSE, to="forth.yaml")), "is 'forth.yaml' already"),
    ],
)
def test_what_does_not_fit_a_migration_is_said(rules: Coordinated | None, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        plan(rules)


@pytest.mark.parametrize(("migrated", "names"), [(False, ("weights",)), (True, ("schema",))])
def test_a_migration_rule_without_names_goes_by_what_ran(migrated: bool, names: tuple[str, ...]) -> None:
    rules = (Strategy("schema", "migration"), Strategy("weights", "canary"))
    assert tuple(one.name for one in chosen(rules, (WEB,), lambda path: FILES[path], migrated)) == names


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_hooks_the_one_of_that_very_name_speaks(order: int) -> None:
    """A Job `back-ghjkl` is named as if it had been generated from `back`."""
    both = [
        ResourceResult("batch", "Job", "shop", name, "Synced", hook_phase=phase, hook_type="PreSync")
        for name, phase in (("back", "Failed"), ("back-ghjkl", "Succeeded"))
    ]
    operation = Operation(OperationPhase.SUCCEEDED, ("a" * 40,), (), NOW, results=tuple(both[::order]))
    seen = hook_completed("Job", JOB, operation, NOW)
    assert seen is not None
    assert seen.ok is False
