"""The next action of an open rollback, phase by phase."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.action import (
    Advance,
    Facts,
    Finish,
    HoldOn,
    Land,
    Note,
    Step,
    Sync,
    Terminate,
    Wait,
    continue_rollback,
    next_action,
)
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import ApplicationRef, Policy, Target, Trigger
from gitops_rollback.core.progress import ApplicationProgress, Progress
from gitops_rollback.core.rollback import HELD_UNTIL, Phase, RollbackOutcome, RollbackRecord, held_up
from gitops_rollback.core.strategies.gate import Ahead
from gitops_rollback.core.strategies.stages import FieldValue, PlannedStep, Stages
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    Health,
    Obstacle,
    Operation,
    OperationPhase,
    SyncStatus,
)
from gitops_rollback.core.verification import CheckResult

PUSHED = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
APP = ApplicationId("default", "Application", "argocd", "checkout")
STATE = ApplicationState(
    APP, "uid", "default", "cluster", "payments", (), SyncStatus.SYNCED, ("b" * 40,), Health.HEALTHY, PUSHED
)
POLICY = Policy(
    "checkout", "p.yaml", "a" * 40, (Target("checkout", "argocd", ApplicationRef("argocd", "checkout")),),
    (Trigger("errors", "query"),),
)  # fmt: skip


def a_record(phase: Phase = Phase.SYNCING, **times: datetime) -> RollbackRecord:
    return RollbackRecord(
        "rb-0123456789abcdef", (str(APP),), "argocd", "shop/config", "b" * 40, "a" * 40, "p@a", ("errors",),
        ("b" * 40,), phase, times={"decided": PUSHED, "pushed": PUSHED, **times},
    )  # fmt: skip


def seen(**words: object) -> ApplicationProgress:
    return replace(ApplicationProgress(str(APP), STATE, why="sync status is OutOfSync"), **words)


def progress(application: ApplicationProgress, phase: Phase = Phase.SYNCING, **words: object) -> Progress:
    return replace(Progress(a_record(phase), POLICY, True, (application,)), **words)


@pytest.mark.parametrize(
    ("application", "action"),
    [
        pytest.param(seen(), Sync, id="sync-it"),
        pytest.param(seen(blocked=True), Terminate, id="free-the-way-first"),
        pytest.param(seen(state=replace(STATE, operation_requested=True)), Wait, id="engine-is-busy-with-ours"),
        pytest.param(seen(state=None), Wait, id="engine-does-not-answer"),
        pytest.param(seen(asked_at=PUSHED), Wait, id="asked-a-moment-ago"),
        pytest.param(seen(asked_at=PUSHED - timedelta(seconds=31)), Sync, id="asked-long-ago"),
        pytest.param(seen(converged=True), Advance, id="done-so-verify"),
    ],
)
def test_a_pushed_rollback_is_synced_once_the_way_is_free(application: ApplicationProgress, action: type) -> None:
    assert isinstance(continue_rollback(progress(application), PUSHED), action)


@pytest.mark.parametrize(
    ("application", "now", "reason"),
    [
        pytest.param(seen(failed="hook failed"), PUSHED, Reason.SYNC_FAILED, id="sync-failed"),
        pytest.param(seen(gone=True), PUSHED, Reason.ENGINE_UNCLEAR, id="application-gone"),
        pytest.param(seen(), PUSHED + timedelta(minutes=10), Reason.SYNC_TIMEOUT, id="time-out"),
    ],
)
def test_what_cannot_be_synced_ends_unverified(application: ApplicationProgress, now: datetime, reason: Reason) -> None:
    action = continue_rollback(progress(application), now)
    assert isinstance(action, Finish)
    assert (action.outcome, action.reason) == (RollbackOutcome.UNVERIFIED, reason)


def test_a_step_that_the_record_dates_ahead_ends_by_when_it_was_first_seen() -> None:
    """A clock that was wrong wrote the record's times."""
    ahead = a_record(pushed=PUSHED + timedelta(hours=1))
    action = continue_rollback(progress(seen(), record=ahead, began=PUSHED), PUSHED + timedelta(minutes=59))
    assert isinstance(action, Finish)
    assert action.reason is Reason.SYNC_TIMEOUT
    late = a_record(Phase.VERIFYING, synced=PUSHED + timedelta(hours=1))
    action = continue_rollback(verifying(record=late, began=PUSHED), PUSHED + timedelta(minutes=59))
    assert isinstance(action, Finish)
    assert action.reason is Reason.VERIFICATION_TIMEOUT


def test_every_changed_application_must_converge() -> None:
    both = replace(progress(seen(converged=True)), applications=(seen(converged=True), seen(application="other")))
    assert isinstance(continue_rollback(both, PUSHED), Sync)


def verifying(**words: object) -> Progress:
    return replace(Progress(a_record(Phase.VERIFYING, synced=PUSHED), POLICY, True, (seen(converged=True),)), **words)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param(timedelta(minutes=1, seconds=59), Wait, id="one-second-short"),
        pytest.param(timedelta(minutes=2), Finish, id="held-for-its-time"),
    ],
)
def test_verified_needs_the_whole_hold_time(held: timedelta, expected: type) -> None:
    action = continue_rollback(verifying(held_since=PUSHED), PUSHED + held)
    assert isinstance(action, expected)
    assert not isinstance(action, Finish) or action.outcome is RollbackOutcome.VERIFIED


@pytest.mark.parametrize(
    ("ok", "reason"),
    [
        pytest.param(False, Reason.STILL_BAD, id="measured-bad"),
        pytest.param(None, Reason.VERIFICATION_TIMEOUT, id="not-measured"),
    ],
)
def test_a_rollback_that_did_not_help_ends_unverified(ok: bool | None, reason: Reason) -> None:
    action = continue_rollback(verifying(checks=(CheckResult("errors", ok, "0.3"),)), PUSHED + timedelta(minutes=15))
    assert isinstance(action, Finish)
    assert (action.outcome, action.reason) == (RollbackOutcome.UNVERIFIED, reason)


def test_a_branch_without_our_commit_is_told_and_not_pushed_again() -> None:
    action = continue_rollback(progress(seen(), landed=False), PUSHED)
    assert isinstance(action, Finish)
    assert action.reason is Reason.BRANCH_REWRITTEN


@pytest.mark.parametrize(("superseded", "expected"), [("fixed forward", Finish), ("", Wait)])
def test_a_plan_waits_for_a_word_until_nobody_needs_it(superseded: str, expected: type) -> None:
    waiting = progress(seen(), Phase.AWAITING_APPROVAL, superseded=superseded)
    assert isinstance(continue_rollback(waiting, PUSHED), expected)


def test_only_a_decision_to_roll_back_lands_a_plan() -> None:
    reversal = Reversal(PlanOutcome.CLEAN, "a" * 40, ("b" * 40,), "c" * 40)
    plan = Plan("rb-0123456789abcdef", (str(APP),), "b" * 40, "a" * 40, "p@a", ("errors",), reversal, "Revert")
    proposal = Proposal(Attribution((), True), plan)
    acts = {
        act: type(next_action(Facts(decision=Decision(act, Reason.TRIGGER_FIRED, ""), proposal=proposal), PUSHED))
        for act in Act
    }
    assert acts == {act: Land if act is Act.ROLL_BACK else Note for act in Act}


MINUTE = timedelta(minutes=1)


def held(until: datetime, blocked: bool = True, **words: object) -> ApplicationProgress:
    """An engine that waits for health until then, for a revision without our commit or, not `blocked`, with it."""
    running = Operation(
        OperationPhase.RUNNING, ("b" * 40,), (), PUSHED - MINUTE, in_progress=True, ends_by=until, sooner="set a gate"
    )
    return seen(state=replace(STATE, operation=running), blocked=blocked, **words)


def test_an_engine_that_will_not_be_freed_is_asked_once_and_then_told_of() -> None:
    until = PUSHED + 59 * MINUTE
    assert isinstance(continue_rollback(progress(held(until)), PUSHED), Terminate)
    asked = held(until, asked_at=PUSHED)
    assert isinstance(continue_rollback(progress(asked), PUSHED + timedelta(seconds=9)), Wait)
    action = continue_rollback(progress(asked), PUSHED + timedelta(seconds=10))
    assert isinstance(action, HoldOn)
    assert action.record.times[HELD_UNTIL] == until
    assert action.record.reason == Reason.HEALTH_WAIT.value
    assert "until 03:59:00 UTC" in action.record.message
    assert "given until 04:00:00 UTC" in action.record.message
    assert action.record.message.endswith("set a gate")


def test_what_ends_in_a_moment_is_not_worth_a_page() -> None:
    now = PUSHED + MINUTE
    assert isinstance(continue_rollback(progress(held(now + MINUTE / 2, asked_at=now - MINUTE / 3)), now), Wait)


def waited(until: datetime) -> RollbackRecord:
    return held_up(a_record(), HELD_UNTIL, until, Reason.HEALTH_WAIT.value, "it waits")


def test_the_record_alone_says_until_when_whatever_a_restart_forgot() -> None:
    until, record = PUSHED + 59 * MINUTE, waited(PUSHED + 59 * MINUTE)
    late = until + MINUTE - timedelta(seconds=1)
    assert record.phase is Phase.SYNCING
    found = progress(held(until, asked_at=None), record=record)
    assert isinstance(continue_rollback(found, PUSHED + 11 * MINUTE), Terminate)
    assert isinstance(continue_rollback(progress(seen(asked_at=late), record=record), late), Wait)
    action = continue_rollback(progress(seen(asked_at=late), record=record), until + MINUTE)
    assert isinstance(action, Finish)
    assert action.reason is Reason.SYNC_TIMEOUT


def test_it_is_said_once_and_the_next_wait_for_the_bad_revision_gets_no_more_time() -> None:
    until = PUSHED + 20 * MINUTE
    again = held(until + 20 * MINUTE, asked_at=PUSHED + 20 * MINUTE)
    assert not isinstance(continue_rollback(progress(again, record=waited(until)), until), HoldOn)
    action = continue_rollback(progress(again, record=waited(until)), until + MINUTE)
    assert isinstance(action, Finish)


def in_the_way(*reasons: Reason) -> ApplicationProgress:
    obstacles = tuple(Obstacle(one, f"it is {one.value}", "take `it` away") for one in reasons)
    return seen(state=replace(STATE, obstacles=obstacles), asked_at=PUSHED + MINUTE)


def test_what_keeps_the_revert_from_being_applied_is_told_once_it_has_lasted_a_while() -> None:
    held = in_the_way(Reason.SOURCE_NOT_READY)
    early = continue_rollback(progress(held), PUSHED + timedelta(seconds=59))
    assert isinstance(early, Sync | Wait)
    action = continue_rollback(progress(held), PUSHED + MINUTE)
    assert isinstance(action, HoldOn)
    assert action.record.reason == "SourceNotReady"
    assert action.record.times["hinderedAt"] == PUSHED + MINUTE
    assert "it is SourceNotReady" in action.record.message
    assert action.record.message.endswith("take `it` away")
    again = progress(held, record=action.record)
    waits = continue_rollback(again, PUSHED + MINUTE)
    assert isinstance(waits, Wait)
    assert "it is SourceNotReady" in waits.message


@pytest.mark.parametrize("reason", [Reason.IMAGE_AUTOMATION, Reason.SIGNED_COMMITS_ONLY])
def test_what_the_plan_has_judged_is_not_in_the_way_any_more(reason: Reason) -> None:
    assert isinstance(continue_rollback(progress(in_the_way(reason)), PUSHED + MINUTE), Wait)


def test_a_wait_for_the_revert_itself_is_waited_for_to_its_end() -> None:
    until = PUSHED + 25 * MINUTE
    waits = progress(held(until, blocked=False), record=waited(PUSHED + 20 * MINUTE))
    assert isinstance(continue_rollback(waits, until), Wait)
    assert isinstance(continue_rollback(waits, until + MINUTE), Finish)


def test_one_held_application_does_not_keep_the_others_from_being_synced() -> None:
    other = replace(seen(), application="default/Application/argocd/cart")
    both = Progress(a_record(), POLICY, True, (held(PUSHED + 59 * MINUTE, asked_at=PUSHED), other))
    action = continue_rollback(both, PUSHED + timedelta(seconds=5))
    assert isinstance(action, Sync)
    assert action.progress is other


def test_a_short_time_out_of_the_policy_is_not_cut_by_a_short_wait() -> None:
    record = waited(PUSHED + MINUTE)
    late = PUSHED + 10 * MINUTE
    assert isinstance(continue_rollback(progress(seen(asked_at=late), record=record), late - MINUTE / 4), Wait)
    assert isinstance(continue_rollback(progress(seen(asked_at=late), record=record), late), Finish)


STEPS = tuple(PlannedStep(f"weight {n}", (FieldValue("route.yaml", "new", n),)) for n in (50, 25, 0))
AHEAD = Ahead(Stages(("weights",), STEPS, ()), 1, since=PUSHED, checks=(CheckResult("errors", True, "0.01"),))
DEGRADED = replace(STATE, health=Health.DEGRADED)
STRAINED = replace(AHEAD, stable=(CheckResult("old", False, "3 is above 2"),))


@pytest.mark.parametrize(
    ("application", "ahead", "action", "n"),
    [
        pytest.param(seen(), AHEAD, Sync, 0, id="it is synced first"),
        pytest.param(seen(applied=True), AHEAD, Wait, 0, id="applied, and not healthy yet"),
        pytest.param(seen(applied=True, state=DEGRADED), AHEAD, Step, 3, id="degraded: the rest at once"),
        pytest.param(seen(applied=True, converged=True), AHEAD, Step, 2, id="the next one"),
        pytest.param(seen(applied=True, converged=True), STRAINED, HoldOn, 0, id="the old version suffers"),
        pytest.param(seen(), replace(AHEAD, foreign="new is 9"), Finish, 0, id="somebody took over"),
        pytest.param(seen(applied=True, converged=True), replace(AHEAD, done=3), Step, 4, id="the revert"),
        pytest.param(seen(applied=True, converged=True), None, Advance, 0, id="nothing is left"),
    ],
)
def test_the_next_commit_of_a_plan_is_pushed_once_the_last_one_is_applied(
    application: ApplicationProgress, ahead: Ahead | None, action: type, n: int
) -> None:
    found = continue_rollback(progress(application, ahead=ahead), PUSHED)
    assert isinstance(found, action), found
    assert not isinstance(found, Step) or found.n == n
    assert not isinstance(found, Finish) or found.outcome is RollbackOutcome.HELD


def test_why_the_next_commit_waits_is_told_once() -> None:
    waits = progress(seen(applied=True, converged=True), ahead=STRAINED)
    first = continue_rollback(waits, PUSHED)
    assert isinstance(first, HoldOn)
    assert first.record.reason == "OldVersionStrained"
    assert isinstance(continue_rollback(replace(waits, record=first.record), PUSHED), Wait)


def test_an_application_that_does_not_get_healthy_in_time_after_a_step_is_a_failure() -> None:
    late = continue_rollback(progress(seen(applied=True), ahead=AHEAD), PUSHED + timedelta(minutes=10))
    assert isinstance(late, Step)
    assert late.n == 3
