"""Decisions: which alarm may cause what, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.costs import Inputs, Weighed
from gitops_rollback.core.decision import Act, Case, Circumstances, Decision, Proposal, decide
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import ApplicationRef, GuardResult, Policy, Severity, Target, Timing, Trigger
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import ApplicationId, DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Phase, Tick, TriggerState, Verdict

T0 = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
NOW = T0 + timedelta(minutes=5)
BAD = "b" * 40
GOOD = "a" * 40


def a_policy(*triggers: Trigger) -> Policy:
    target = Target("checkout", "argocd", ApplicationRef("argocd", "checkout"))
    return Policy(
        "checkout", ".gitops-rollback/policies/checkout.yaml", GOOD, (target,), triggers or (a_trigger(),),
        timing=Timing(initial_delay=timedelta(seconds=60)),
    )  # fmt: skip


def a_trigger(name: str = "errors", kind: str = "query", severity: Severity = Severity.AUTO_ROLLBACK) -> Trigger:
    return Trigger(name, kind, severity)


def a_verdict(
    name: str = "errors",
    severity: Severity = Severity.AUTO_ROLLBACK,
    phase: Phase = Phase.FIRING,
    level: Level = Level.TRUE,
    baseline: BaselineLevel = BaselineLevel.QUIET,
) -> Verdict:
    state = TriggerState(phase, since=T0 + timedelta(minutes=2), last=Tick(NOW, level, 0.08), fired_at=NOW)
    return Verdict(name, severity, state, None, Baseline(baseline), 0.05, message=f"{name} is 8 %")


def a_case(*verdicts: Verdict, policy: Policy | None = None, in_force: bool = True) -> Case:
    record = DeploymentRecord((BAD,), (), T0)
    event = SyncEvent(ApplicationId("default", "Application", "argocd", "checkout"), record)
    return Case("default/Application/argocd/checkout", policy or a_policy(), in_force, event, verdicts)


@pytest.mark.parametrize(
    ("verdict", "act", "reason"),
    [
        pytest.param(a_verdict(), Act.ROLL_BACK, Reason.TRIGGER_FIRED, id="fires"),
        pytest.param(a_verdict(phase=Phase.PENDING), Act.LEAVE, Reason.PENDING, id="pending"),
        pytest.param(a_verdict(level=Level.NO_DATA), Act.LEAVE, Reason.PENDING, id="fired-but-blind-now"),
        pytest.param(a_verdict(level=Level.FALSE), Act.LEAVE, Reason.PENDING, id="fired-but-well-now"),
        pytest.param(a_verdict(phase=Phase.RESOLVED), Act.LEAVE, Reason.QUIET, id="resolved"),
        pytest.param(a_verdict(baseline=BaselineLevel.FIRING), Act.LEAVE, Reason.NOT_OURS, id="was-so-before"),
        pytest.param(a_verdict(baseline=BaselineLevel.NONE), Act.ASK, Reason.NO_BASELINE, id="cannot-tell-before"),
        pytest.param(a_verdict(severity=Severity.PAGE_AND_SUGGEST), Act.ASK, Reason.SUGGEST_ONLY, id="suggest"),
        pytest.param(a_verdict(severity=Severity.LOG_ONLY), Act.LEAVE, Reason.LOG_ONLY, id="log-only"),
    ],
)
def test_an_alarm_needs_a_firing_trigger_that_was_quiet_before(verdict: Verdict, act: Act, reason: Reason) -> None:
    decision = alarm(a_case(verdict), NOW)
    assert (decision.act, decision.reason) == (act, reason)


def _still_so(verdict: Verdict, began: datetime | None) -> Verdict:
    """It was so before the sync, and was never gone since."""
    state = verdict.state._replace(since=T0 + timedelta(seconds=15))
    return verdict._replace(state=state, baseline=Baseline(BaselineLevel.FIRING, began=began))


@pytest.mark.parametrize(
    ("onset", "told", "act"),
    [
        pytest.param(120, -60, Act.PAGE, id="it-seemed-to-be-mended"),
        pytest.param(30, -60, Act.LEAVE, id="it-was-never-gone"),
        pytest.param(120, 121, Act.LEAVE, id="somebody-was-told-since"),
    ],
)
def test_what_people_were_told_of_and_came_back_after_the_next_sync_is_told_again(
    onset: int, told: int, act: Act
) -> None:
    """In seconds since the sync, which is somebody's try to mend it: the plan of before is no longer offered."""
    verdict = _still_so(a_verdict(), T0 - timedelta(minutes=5))
    verdict = verdict._replace(state=verdict.state._replace(since=T0 + timedelta(seconds=onset)))
    case = replace(a_case(verdict), told=T0 + timedelta(seconds=told))
    assert case.event is not None
    before = DeploymentRecord((GOOD,), (), T0 - timedelta(minutes=6))
    decision = alarm(replace(case, event=replace(case.event, previous=before)), NOW)
    assert (decision.act, decision.reason) == (act, Reason.NOT_OURS)


@pytest.mark.parametrize(
    ("began", "previous", "told", "act"),
    [
        pytest.param(90, 5, 80, Act.PAGE, id="the-earlier-sync-was-never-judged"),
        pytest.param(91, 5, 80, Act.LEAVE, id="it-was-judged-and-told"),
        pytest.param(91, 5, 91, Act.LEAVE, id="told-as-it-began"),
        pytest.param(91, 5, 92, Act.PAGE, id="what-was-told-was-something-earlier"),
        pytest.param(1800, 5, None, Act.PAGE, id="nobody-could-see-it-and-nobody-was-told"),
        pytest.param(1801, 5, None, Act.LEAVE, id="it-is-older-than-the-window"),
        pytest.param(None, 5, None, Act.LEAVE, id="it-was-always-so"),
        pytest.param(90, 30, None, Act.PAGE, id="at-the-end-of-the-window"),
        pytest.param(90, 31, None, Act.LEAVE, id="no-sync-of-late"),
    ],
)
def test_what_began_just_before_a_second_sync_is_told_though_it_blames_nobody(
    began: int | None, previous: int, told: int | None, act: Act
) -> None:
    since = None if began is None else T0 - timedelta(seconds=began)
    verdict = _still_so(a_verdict(), since)
    case = replace(a_case(verdict), told=None if told is None else T0 - timedelta(seconds=told))
    assert case.event is not None
    before = DeploymentRecord((GOOD,), (), T0 - timedelta(minutes=previous))
    decision = alarm(replace(case, event=replace(case.event, previous=before)), NOW)
    assert (decision.act, decision.reason) == (act, Reason.NOT_OURS)


@pytest.mark.parametrize(
    ("end", "told", "act"),
    [
        pytest.param(40, None, Act.PAGE, id="nobody-was-told"),
        pytest.param(40, 44, Act.LEAVE, id="somebody-was-told-since"),
        pytest.param(46, None, Act.LEAVE, id="it-began-after-the-hole"),
    ],
)
def test_what_began_under_a_sync_that_the_engine_no_longer_tells_is_told(end: int, told: int | None, act: Act) -> None:
    """All in minutes before the sync; it began 45 minutes before, and what is known of the time before is hours old."""
    before = [T0 - timedelta(minutes=minutes) for minutes in (180, end)]
    verdict = _still_so(a_verdict(), T0 - timedelta(minutes=45))
    case = a_case(verdict)
    assert case.event is not None
    event = replace(case.event, previous=DeploymentRecord((GOOD,), (), before[1]))
    case = replace(case, event=event, told=None if told is None else T0 - timedelta(minutes=told))
    decision = alarm(replace(case, earlier=(before[0],), holes=((before[0], before[1]),)), NOW)
    assert (decision.act, decision.reason) == (act, Reason.NOT_OURS)


def test_a_log_only_trigger_does_not_hide_one_that_rolls_back() -> None:
    both = (a_verdict("slow", Severity.LOG_ONLY), a_verdict("errors"))
    decision = alarm(a_case(*both, policy=a_policy(a_trigger("slow"), a_trigger("errors"))), NOW)
    assert decision.act is Act.ROLL_BACK
    assert decision.severity is Severity.AUTO_ROLLBACK


@pytest.mark.parametrize(
    ("elapsed", "reason"),
    [
        pytest.param(timedelta(seconds=59), Reason.WARMING_UP, id="one-second-early"),
        pytest.param(timedelta(seconds=60), Reason.TRIGGER_FIRED, id="at-the-delay"),
    ],
)
def test_the_initial_delay_ends_on_its_last_instant(elapsed: timedelta, reason: Reason) -> None:
    assert alarm(a_case(a_verdict()), T0 + elapsed).reason is reason


def test_the_initial_delay_does_not_hold_back_the_engines_word() -> None:
    case = a_case(a_verdict("degraded"), policy=a_policy(a_trigger("degraded", "health")))
    assert alarm(case, T0 + timedelta(seconds=1)).act is Act.ROLL_BACK


def test_without_a_policy_in_force_a_person_decides() -> None:
    decision = alarm(a_case(a_verdict(), in_force=False), NOW)
    assert (decision.act, decision.reason) == (Act.ASK, Reason.NO_POLICY_IN_FORCE)


def test_no_data_for_too_long_pages_and_never_acts() -> None:
    state = TriggerState(last=Tick(NOW, Level.NO_DATA), blind_since=NOW - timedelta(minutes=5))
    blind = Verdict("errors", Severity.AUTO_ROLLBACK, state, None, Baseline(BaselineLevel.QUIET), reason=Reason.NO_DATA)
    assert (alarm(a_case(blind), NOW).act, alarm(a_case(blind), NOW).reason) == (Act.PAGE, Reason.NO_DATA)
    early = alarm(a_case(blind), NOW - timedelta(seconds=1))
    assert (early.act, early.reason) == (Act.LEAVE, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        pytest.param(Case("a", None, True, None), Reason.NO_POLICY, id="no-policy"),
        pytest.param(replace(a_case(), event=None), Reason.NO_RECENT_SYNC, id="no-sync"),
        pytest.param(a_case(), Reason.QUIET, id="no-verdict"),
    ],
)
def test_every_inaction_has_its_reason(case: Case, reason: Reason) -> None:
    assert alarm(case, NOW) == Decision(Act.LEAVE, reason, alarm(case, NOW).message)


def a_proposal(
    outcome: PlanOutcome = PlanOutcome.CLEAN,
    *answers: GuardAnswer,
    automatic: bool = True,
    planned: bool = True,
) -> Proposal:
    blame = Attribution((), automatic, None if automatic else Reason.SEVERAL_SUSPECTS, "two suspects")
    reversal = Reversal(outcome, GOOD, (BAD,), "c" * 40)
    plan = Plan("rb-0123456789abcdef", ("checkout",), BAD, GOOD, "p@a", ("errors",), reversal, "Revert", answers)
    return Proposal(blame, plan if planned else None, answers)


ASKS = GuardAnswer("irreversible", GuardResult.ASK, Reason.IRREVERSIBLE, "a claim would go", "look")
DENIES = GuardAnswer("friday", GuardResult.DENY, Reason.SCHEDULE, "frozen", "wait")
COOLS = GuardAnswer("cooldown", GuardResult.ASK, Reason.COOLDOWN, "2m left", "wait")
RETURNED = GuardAnswer("quarantine", GuardResult.ASK, Reason.CAME_BACK, "the tag is back", "find out who")
ALLOWS = GuardAnswer("paths", GuardResult.ALLOW)
RAISED = Decision(Act.ROLL_BACK, Reason.TRIGGER_FIRED, "errors is 8 %", (a_verdict(),))


@pytest.mark.parametrize(
    ("proposal", "around", "act", "reason"),
    [
        pytest.param(a_proposal(), Circumstances(), Act.ROLL_BACK, Reason.TRIGGER_FIRED, id="acts"),
        pytest.param(a_proposal(), Circumstances(stopped="by a person"), Act.HOLD, Reason.PAUSED, id="stopped"),
        pytest.param(a_proposal(), Circumstances(journal_trouble="x"), Act.HOLD, Reason.JOURNAL_LOST, id="no-memory"),
        pytest.param(a_proposal(), Circumstances(unsettled="x"), Act.WAIT, Reason.INCIDENT, id="others-not-seen"),
        pytest.param(a_proposal(), Circumstances(overlaps="x"), Act.HOLD, Reason.INCIDENT, id="anothers-pull-request"),
        pytest.param(
            a_proposal(), Circumstances(rolled_back="x"), Act.HOLD, Reason.ALREADY_ROLLED_BACK, id="at-most-once"
        ),
        pytest.param(
            a_proposal(PlanOutcome.EMPTY), Circumstances(), Act.LEAVE, Reason.ALREADY_UNDONE, id="already-undone"
        ),
        pytest.param(
            a_proposal(PlanOutcome.EMPTY),
            Circumstances(unapplied="x"),
            Act.PAGE,
            Reason.ALREADY_UNDONE,
            id="already-undone-and-not-applied",
        ),
        pytest.param(a_proposal(), Circumstances(mass_event="9 red"), Act.PAGE, Reason.MASS_EVENT, id="mass-event"),
        pytest.param(a_proposal(), Circumstances(unseen="x"), Act.WAIT, Reason.METRICS_UNAVAILABLE, id="others-hidden"),
        pytest.param(
            a_proposal(),
            Circumstances(unseen="x", unseen_long=True),
            Act.HOLD,
            Reason.METRICS_UNAVAILABLE,
            id="others-hidden-for-long",
        ),
        pytest.param(a_proposal(planned=False), Circumstances(), Act.PAGE, Reason.NO_SUSPECT, id="nobody-to-blame"),
        pytest.param(
            a_proposal(automatic=False), Circumstances(), Act.ASK, Reason.SEVERAL_SUSPECTS, id="blame-is-unclear"
        ),
        pytest.param(
            a_proposal(PlanOutcome.CLEAN, ALLOWS, ASKS), Circumstances(), Act.ASK, Reason.IRREVERSIBLE, id="asks"
        ),
        pytest.param(
            a_proposal(PlanOutcome.CLEAN, ASKS, DENIES),
            Circumstances(),
            Act.REFUSE,
            Reason.SCHEDULE,
            id="strictest-wins",
        ),
        pytest.param(a_proposal(PlanOutcome.CLEAN, COOLS), Circumstances(), Act.WAIT, Reason.COOLDOWN, id="cooling"),
        pytest.param(
            a_proposal(PlanOutcome.CLEAN, COOLS, ASKS), Circumstances(), Act.ASK, Reason.IRREVERSIBLE, id="cool-and-ask"
        ),
        pytest.param(
            a_proposal(PlanOutcome.CLEAN, RETURNED, ASKS), Circumstances(), Act.HOLD, Reason.CAME_BACK, id="came-back"
        ),
        pytest.param(a_proposal(), Circumstances(part_of="a"), Act.LEAVE, Reason.INCIDENT, id="incident"),
        pytest.param(a_proposal(), Circumstances(left_alone="a"), Act.ASK, Reason.INCIDENT, id="nobody-speaks-for-it"),
        pytest.param(a_proposal(), Circumstances(suspended="s"), Act.HOLD, Reason.SUSPENDED, id="suspended"),
        pytest.param(a_proposal(), Circumstances(settled="no"), Act.LEAVE, Reason.ALREADY_ROLLED_BACK, id="settled"),
        pytest.param(
            a_proposal(), Circumstances(unwritable="x"), Act.ASK, Reason.JOURNAL_UNWRITABLE, id="journal-unwritable"
        ),
    ],
)
def test_what_becomes_of_an_alarm(proposal: Proposal, around: Circumstances, act: Act, reason: Reason) -> None:
    decision = decide(RAISED, proposal, around, NOW)
    assert (decision.act, decision.reason) == (act, reason)


WORTH_IT = Inputs(harm=0.049)
RISKY, SOON = replace(WORTH_IT, rollback_risk=5.0), replace(WORTH_IT, fix_minutes=0.0, deploy_minutes=1.0)
UNSURE = replace(WORTH_IT, harm=0.009, likelihood=200.0, gain=2.0)
MIGRATED = GuardAnswer("migrations", GuardResult.ASK, Reason.MIGRATION_RAN, "a migration ran", "the runbook")


def by_cost(inputs: Inputs, decides: bool = True, promised: bool = False) -> Circumstances:
    return Circumstances(weighed=Weighed.of(inputs, {}, decides, promised))


@pytest.mark.parametrize(
    ("proposal", "around", "act", "reason"),
    [
        pytest.param(a_proposal(), by_cost(WORTH_IT), Act.ROLL_BACK, Reason.TRIGGER_FIRED, id="the cheapest way"),
        pytest.param(a_proposal(), by_cost(RISKY), Act.ASK, Reason.CHEAPER_OTHERWISE, id="a person is cheaper"),
        pytest.param(a_proposal(), by_cost(UNSURE), Act.WAIT, Reason.CHEAPER_OTHERWISE, id="a tick is cheaper"),
        pytest.param(
            a_proposal(), by_cost(SOON, promised=True), Act.WAIT, Reason.CHEAPER_OTHERWISE, id="a fix is on its way"
        ),
        pytest.param(a_proposal(), by_cost(RISKY, decides=False), Act.ROLL_BACK, Reason.TRIGGER_FIRED, id="only told"),
        pytest.param(
            a_proposal(PlanOutcome.CLEAN, MIGRATED), by_cost(WORTH_IT), Act.ASK, Reason.MIGRATION_RAN, id="a migration"
        ),
        pytest.param(
            a_proposal(automatic=False), by_cost(WORTH_IT), Act.ASK, Reason.SEVERAL_SUSPECTS, id="unclear blame"
        ),
        pytest.param(
            a_proposal(), replace(by_cost(WORTH_IT), stopped="x"), Act.HOLD, Reason.PAUSED, id="a person's stop"
        ),
        pytest.param(
            a_proposal(), replace(by_cost(RISKY), mass_event="x"), Act.PAGE, Reason.MASS_EVENT, id="a mass event"
        ),
    ],
)
def test_costs_hold_back_and_never_loosen(proposal: Proposal, around: Circumstances, act: Act, reason: Reason) -> None:
    decision = decide(RAISED, proposal, around, NOW)
    assert (decision.act, decision.reason, decision.weighed) == (act, reason, around.weighed)


def test_who_promises_a_fix_is_told_what_waiting_for_it_costs() -> None:
    for promised in (True, False):
        around = replace(by_cost(WORTH_IT, promised=promised), stopped="paused until 12:10 by ann")
        message = decide(RAISED, a_proposal(), around, NOW).message
        assert message.startswith("paused until 12:10 by ann")
        assert ("rolling back costs 0.34, fixing forward 2.74" in message) is promised


def test_costs_make_no_suggestion_an_action() -> None:
    raised = Decision(Act.ASK, Reason.SUGGEST_ONLY, "slow", (a_verdict(severity=Severity.PAGE_AND_SUGGEST),))
    assert decide(raised, a_proposal(), by_cost(WORTH_IT), NOW).act is Act.ASK


def test_a_stop_outranks_every_other_word() -> None:
    around = Circumstances(stopped="stop", mass_event="x", rolled_back="y")
    assert decide(RAISED, a_proposal(PlanOutcome.CLEAN, DENIES), around, NOW).reason is Reason.PAUSED


def test_a_suggestion_never_becomes_an_action() -> None:
    raised = Decision(Act.ASK, Reason.SUGGEST_ONLY, "slow", (a_verdict(severity=Severity.PAGE_AND_SUGGEST),))
    assert decide(raised, a_proposal(), Circumstances(), NOW).act is Act.ASK
