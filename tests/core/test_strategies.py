"""Do a plan's steps set the right fields to the right values, and does the gate between two of them hold?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from test_rollback import a_record

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.manifest_fields import Value
from gitops_rollback.core.policy import FileField, Policy, Strategy, Trigger
from gitops_rollback.core.rollback import Phase, StepRecord
from gitops_rollback.core.strategies.gate import Ahead, broken, passage, unless_better
from gitops_rollback.core.strategies.migration import Read, Sides, Unfit
from gitops_rollback.core.strategies.planning import chosen, planned, weights
from gitops_rollback.core.strategies.stages import (
    HOLD,
    PAGE,
    STAGES,
    FieldValue,
    PlannedStep,
    Stages,
    stages_of,
    unfinished,
)
from gitops_rollback.core.verification import CheckResult

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
ROUTE, SERVICE, FLAGS = "route.yaml", "service.yaml", "flags.json"
CANARY = Strategy("weights", "canary", edits=FileField(ROUTE, "new"), complement="old", steps=(50, 25, 10, 0))
SLOT = Strategy("slot", "blue-green", edits=FileField(SERVICE, "spec.slot"), fields=(FileField(SERVICE, "spec.slot"),))
FLAG = Strategy("kill", "feature-flag", paths=("flags.json",), edits=FileField(FLAGS, "checkout"), to=False)


def files(**sides: tuple[str | None, str | None]) -> Read:
    """(as the plan leaves it, at the head) by the file's name without its ending."""
    found = {
        f"{name}.{'json' if name == 'flags' else 'yaml'}": Sides(
            *(None if side is None else side.encode() for side in pair)
        )
        for name, pair in sides.items()
    }
    return lambda path: found.get(path, Sides(None, None))


def route(new: object, old: object) -> Read:
    text = f"new: {new}\nold: {old}\n"
    return files(route=(text, text))


def sets(stages: Stages | None) -> list[dict[str, Value]]:
    return [{one.field: one.value for one in step.sets} for step in stages.steps] if stages else []


@pytest.mark.parametrize(
    ("now", "total", "steps", "expected"),
    [
        (75, 100, (50, 25, 10, 0), (50, 25, 10, 0)),
        (50, 100, (50, 25, 10, 0), (25, 10, 0)),
        (30, 100, (50, 25, 10, 0), (25, 10, 0)),
        (5, 100, (50, 25, 10, 0), (0,)),
        (0, 100, (50, 25, 10, 0), ()),
        (9, 10, (50, 25, 10, 0), (5, 2, 1, 0)),
        (2, 3, (50, 25, 0), (1, 0)),
        (1000, 1000, (1, 0), (10, 0)),
    ],
)
def test_a_weight_only_falls_from_what_stands_in_git(
    now: int, total: int, steps: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert weights(now, total, steps) == expected


@pytest.mark.parametrize(("new", "old"), [(60, 40), (9, 1), (100, 0), (1, 2), (997, 3)])
def test_the_sum_of_both_weights_stays(new: int, old: int) -> None:
    for values in sets(planned([CANARY], route(new, old))):
        assert int(str(values["new"])) + int(str(values["old"])) == new + old


def test_a_weight_that_is_a_text_stays_one() -> None:
    alone = replace(CANARY, complement="", steps=(10, 0))
    assert sets(planned([alone], route('"30"', 0))) == [{"new": "10"}, {"new": "0"}]


def test_a_jump_is_one_step() -> None:
    assert sets(planned([replace(CANARY, mode="jump")], route(60, 40))) == [{"new": 0, "old": 100}]


def test_where_nobody_settled_what_auto_comes_to_the_revert_is_all() -> None:
    assert sets(planned([replace(CANARY, mode="auto")], route(60, 40))) == []


def test_what_gets_no_traffic_needs_no_steps() -> None:
    assert planned([CANARY], route(0, 100)) is None


PERCENT = replace(CANARY, edits=FileField(ROUTE, "a.percent"), complement="b.percent")


@pytest.mark.parametrize(
    ("strategy", "read", "why"),
    [
        pytest.param(CANARY, files(), "there is no such file", id="file missing"),
        pytest.param(CANARY, route("many", 0), "which is no weight", id="no number"),
        pytest.param(CANARY, route(-5, 0), "which is no weight", id="negative"),
        pytest.param(CANARY, route("true", 0), "which is no weight", id="a switch"),
        pytest.param(replace(CANARY, complement="other"), route(5, 0), "no such field", id="complement missing"),
        pytest.param(replace(CANARY, complement=""), route(130, 0), "not 100", id="more than all"),
        pytest.param(
            PERCENT,
            files(route=(None, "a: {percent: 60}\nb: {percent: 50}\n")),
            "60 and 50 are 110 together, not 100",
            id="sum wrong",
        ),
        pytest.param(SLOT, files(service=(None, "spec: {slot: green}")), "was not there before", id="slot missing"),
        pytest.param(SLOT, files(service=("spec: {slot: 3}", "spec: {slot: green}")), "names no slot", id="no slot"),
        pytest.param(FLAG, files(flags=(None, '{"checkout": "on"}')), "of another type", id="flag of another type"),
        pytest.param(FLAG, files(flags=(None, '{"other": true}')), "no such field", id="flag missing"),
    ],
)
def test_what_does_not_fit_is_said_and_not_guessed(strategy: Strategy, read: Read, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        planned([strategy], read)


def test_the_slot_that_was_active_before_comes_back() -> None:
    read = files(service=("spec: {slot: blue}", "spec: {slot: green}"))
    stages = planned([SLOT], read)
    assert sets(stages) == [{"spec.slot": "blue"}]
    assert stages is not None
    assert stages.words == "1. active slot green -> blue; 2. the revert"
    assert planned([SLOT], files(service=("spec: {slot: blue}", "spec: {slot: blue}"))) is None


def test_a_flag_is_set_to_what_the_policy_says() -> None:
    read = files(flags=('{"checkout": true}', '{"checkout": true}'))
    assert sets(planned([FLAG], read)) == [{"checkout": False}]


DEFAULT = Strategy("default", "rolling")


@pytest.mark.parametrize(
    ("rules", "changed", "expected"),
    [
        pytest.param((FLAG, SLOT, DEFAULT), ("web.yaml",), (), id="neither"),
        pytest.param((FLAG, SLOT, DEFAULT), (FLAGS, "web.yaml"), ("kill",), id="by path"),
        pytest.param((FLAG, SLOT, DEFAULT), (SERVICE, FLAGS), ("kill", "slot"), id="both, in the policy's order"),
        pytest.param((DEFAULT, FLAG), (FLAGS,), (), id="the first that matches"),
        pytest.param((CANARY,), ("web.yaml",), ("weights",), id="without match everything"),
    ],
)
def test_the_first_rule_that_matches_a_file_undoes_it(
    rules: tuple[Strategy, ...], changed: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    read = files(service=("spec: {slot: blue}", "spec: {slot: green}"), flags=("{}", "{}"))
    assert tuple(one.name for one in chosen(rules, changed, read)) == expected


def test_a_field_that_the_change_left_alone_does_not_match() -> None:
    read = files(service=("spec: {slot: blue}\nport: 1", "spec: {slot: blue}\nport: 2"))
    assert chosen((SLOT,), (SERVICE,), read) == ()


# The gate

STEPS = tuple(PlannedStep(f"canary weight -> {n}", (FieldValue(ROUTE, "new", n),)) for n in (50, 25, 0))
PLAN = Stages(("weights",), STEPS, (FieldValue(ROUTE, "new", 60),), pause=timedelta(seconds=30))
GOOD, BAD = CheckResult("errors", True, "0.01"), CheckResult("errors", False, "0.9 is above 0.05")
UNKNOWN = CheckResult("errors", None, "no data yet")
HELD, TOLD = replace(PLAN, on_failed=HOLD), replace(PLAN, on_failed=PAGE)
AT = Ahead(PLAN, 1, since=NOW - timedelta(seconds=30), checks=(GOOD,))


@pytest.mark.parametrize(
    ("ahead", "n", "reason"),
    [
        pytest.param(AT, 2, None, id="good for its pause"),
        pytest.param(replace(AT, since=NOW - timedelta(seconds=29)), 0, None, id="one second short"),
        pytest.param(replace(AT, since=None), 0, None, id="nobody saw it applied"),
        pytest.param(replace(AT, checks=(UNKNOWN,)), 0, None, id="no data"),
        pytest.param(replace(AT, checks=(BAD,)), 3, None, id="worse: the rest at once"),
        pytest.param(replace(AT, stages=HELD, checks=(BAD,)), 0, Reason.STEP_FAILED, id="held"),
        pytest.param(replace(AT, stages=TOLD, checks=(BAD,)), 2, Reason.STEP_FAILED, id="told"),
        pytest.param(replace(AT, stages=replace(PLAN, checked=False), checks=(BAD,)), 2, None, id="not checked"),
        pytest.param(replace(AT, stable=(BAD,)), 0, Reason.OLD_VERSION_STRAINED, id="the old version suffers"),
        pytest.param(replace(AT, stable=(BAD,), checks=(BAD,)), 0, Reason.OLD_VERSION_STRAINED, id="that comes first"),
        pytest.param(replace(AT, done=3, checks=(BAD,)), 4, None, id="nothing left to shift"),
    ],
)
def test_the_gate_between_two_steps(ahead: Ahead, n: int, reason: Reason | None) -> None:
    way = passage(ahead, "", timedelta(minutes=5), NOW - timedelta(minutes=1), NOW)
    assert (way.n, way.reason) == (n, reason), way


def test_an_application_that_is_degraded_after_a_step_is_a_failure() -> None:
    assert passage(AT, "health is Degraded", timedelta(minutes=5), NOW, NOW).n == 3


def test_no_data_for_long_is_told_and_opens_nothing() -> None:
    way = passage(replace(AT, checks=(UNKNOWN,)), "", timedelta(minutes=5), NOW - timedelta(minutes=5), NOW)
    assert (way.n, way.reason, way.ends) == (0, Reason.NO_DATA, False)


def test_a_plan_that_somebody_changed_or_nobody_can_read_ends() -> None:
    assert broken(AT) is None
    foreign = broken(replace(AT, foreign="route.yaml: new is 70 by now"))
    assert foreign is not None
    assert (foreign.ends, foreign.reason) == (True, Reason.FIELD_EDITED)
    assert "2. canary weight -> 25; 3. canary weight -> 0; 4. the revert" in foreign.message
    unreadable = broken(replace(AT, stages=None))
    assert unreadable is not None
    assert (unreadable.ends, unreadable.reason) == (True, Reason.JOURNAL_LOST)


@pytest.mark.parametrize(
    ("before", "now", "ok"),
    [(0.5, 0.5, True), (0.5, 0.55, True), (0.5, 0.56, False), (0.5, 0.2, True), (None, 0.2, None)],
)
def test_what_still_fires_is_bad_only_where_it_got_worse(before: float | None, now: float, ok: bool | None) -> None:
    verdicts: list[Mapping[str, object]] = [{"trigger": "errors", "value": before}]
    record = replace(a_record(Phase.SYNCING), evidence={"verdicts": verdicts})
    policy = Policy("p", "p.yaml", "a" * 40, (), (Trigger("errors", "query", threshold=0.05),))
    assert unless_better(CheckResult("errors", False, "above", now), record, policy).ok is ok


def test_a_plan_comes_back_from_the_journal_as_it_was() -> None:
    plan = replace(PLAN, on_failed=HOLD, stable=("old",), closes=False)
    record = replace(a_record(Phase.SYNCING), evidence={STAGES: plan.document}, steps=(StepRecord(1, 3, "c" * 40),))
    assert stages_of(record) == plan
    assert unfinished(record)
    assert not unfinished(replace(record, steps=(StepRecord(3, 3, "c" * 40),)))


@pytest.mark.parametrize(
    "document",
    [
        None,
        "x",
        {},
        {**PLAN.document, "steps": []},
        {**PLAN.document, "onFailed": "go"},
        {**PLAN.document, "before": 3},
    ],
)
def test_a_plan_that_anybody_wrote_into_the_journal_is_none(document: object) -> None:
    assert stages_of(replace(a_record(Phase.SYNCING), evidence={STAGES: document})) is None
