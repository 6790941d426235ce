"""The next action of an open rollback, phase by phase."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.action import (
    Advance,
    ApplicationProgress,
    Facts,
    Finish,
    Land,
    Note,
    Progress,
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
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, SyncStatus
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
