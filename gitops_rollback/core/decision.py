"""Act, ask, wait or leave alone, and why? First without, then with a proposal of what would be undone.

Both questions are a list of rules, read top to bottom; the first that has an answer wins. Declining is a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult, Policy, Severity, Trigger
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import SyncEvent
from gitops_rollback.core.trigger import BaselineLevel, Phase, Verdict, unjudged


class Act(StrEnum):
    """What a decision does. All but LEAVE and WAIT are told to people at once."""

    LEAVE = "leave"
    WAIT = "wait"
    PAGE = "page"  # tell a person; there is nothing to propose
    HOLD = "hold"  # something forbids acting for now; a person is told
    ASK = "ask"  # the finished plan waits for a person's word
    REFUSE = "refuse"  # a guard denies this plan
    ROLL_BACK = "roll-back"

    @property
    def tells(self) -> bool:
        return self not in (Act.LEAVE, Act.WAIT)


@dataclass(frozen=True)
class Decision:
    """One answer with its one reason. `verdicts` are those that count for it, strongest first."""

    act: Act
    reason: Reason
    message: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def severity(self) -> Severity | None:
        return self.verdicts[0].severity if self.verdicts else None

    @property
    def onset(self) -> datetime | None:
        """The earliest first-TRUE tick of the counted verdicts."""
        return min((verdict.onset for verdict in self.verdicts if verdict.onset), default=None)

    @property
    def fired_at(self) -> datetime | None:
        """When the first of the counted verdicts fired."""
        return min((verdict.state.fired_at for verdict in self.verdicts if verdict.state.fired_at), default=None)

    @property
    def raises_alarm(self) -> bool:
        """Somebody should look for a culprit."""
        return self.act in (Act.ASK, Act.ROLL_BACK)


@dataclass(frozen=True)
class Case:
    """What is known of one application before anybody is blamed.

    `in_force` is False where only the head has a policy: then nothing is automatic. `told` is when people last heard
    of the application because of an earlier deployment; None if they did not. `earlier` is when those were deployed;
    `holes` are the times between two of them in which there were more, which the engine no longer tells.
    """

    application: str
    policy: Policy | None
    in_force: bool
    event: SyncEvent | None
    verdicts: tuple[Verdict, ...] = ()
    told: datetime | None = None
    earlier: tuple[datetime, ...] = ()
    holes: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What would be done about an alarm. `plan` is None where nothing could be built.

    `came_back` is the Rollback-Id that took back the very state that is live now; "" if none did.
    """

    attribution: Attribution
    plan: Plan | None = None
    guards: tuple[GuardAnswer, ...] = ()
    came_back: str = ""


@dataclass(frozen=True)
class Circumstances:
    """What forbids or delays acting, whatever the plan says. Sentences are for people; "" means it does not hold."""

    stopped: str = ""
    suspended: str = ""
    journal_trouble: str = ""
    unwritable: str = ""  # the journal cannot be written to: only suggest
    unsettled: str = ""  # not all applications of the repository have been looked at since the start
    settled: str = ""  # a person's no, or a rollback of this very revision that has ended
    rolled_back: str = ""  # at most once: this revision or culprit was rolled back by itself before
    mass_event: str = ""
    spreading: str = ""  # why people are not told of the mass event yet
    unseen: str = ""  # why nobody knows whether others are red: their metric source answers nobody
    unseen_long: bool = False  # it has lasted
    part_of: str = ""  # another application of the same incident speaks for this one
    joins: str = ""  # an open rollback has undone the very same in git, and its end is awaited
    unapplied: str = ""  # git holds what would be put back already, and the engine has had its time to apply it
    asked: str = ""  # a plan that undoes the very same waits for a person's word already


_Rule = Callable[[Decision, Proposal, Circumstances, datetime], Decision | None]
NOT_WATCHED = Decision(Act.LEAVE, Reason.NO_RECENT_SYNC, "no sync of this application is under watch")


def alarm(case: Case, now: datetime) -> Decision:
    """Is the application worse since its sync, and what may that cause at most? ROLL_BACK means: look for a culprit."""
    for rule in _BEFORE_BLAME:
        decision = rule(case, now)
        if decision is not None:
            return decision
    return _sound(case, now)


def _leave_without_policy(case: Case, _now: datetime) -> Decision | None:
    if case.policy is None:
        return Decision(Act.LEAVE, Reason.NO_POLICY, "no policy names this application")
    return None


def _leave_without_recent_sync(case: Case, _now: datetime) -> Decision | None:
    return NOT_WATCHED if case.event is None else None


def _page_when_blind(case: Case, now: datetime) -> Decision | None:
    """A trigger that cannot see for too long is told to a person, unless another one sees a fault."""
    if any(_counts(verdict, case, now) for verdict in case.verdicts):
        return None
    blind = [verdict for verdict in case.verdicts if _blind_too_long(verdict, case, now)]
    if not blind:
        return None
    return Decision(Act.PAGE, blind[0].reason or Reason.NO_DATA, blind[0].message or "the trigger sees no data")


def _page_what_nobody_judged(case: Case, now: datetime) -> Decision | None:
    """It began under an earlier sync, and nobody was told: too shortly before, unseen, or not since it came back."""
    if any(_counts(verdict, case, now) for verdict in case.verdicts):
        return None
    for verdict in case.verdicts:
        if verdict.fires and verdict.severity is not Severity.LOG_ONLY and (why := _untold(verdict, case)):
            return Decision(Act.PAGE, Reason.NOT_OURS, f"{verdict.trigger} {why}")
    return None


def _untold(verdict: Verdict, case: Case) -> str:
    """Why people should hear of what was so before the sync already; "" where they need not."""
    trigger, began, told, onset = _trigger(verdict, case), verdict.baseline.began, case.told, verdict.onset
    if trigger is None or began is None or case.policy is None or case.event is None or case.event.previous is None:
        return ""
    timing, t0 = case.policy.timing, case.event.record.started_at
    lately = max(t0 - case.event.previous.started_at, t0 - began) <= timing.window
    under = max((at for at in case.earlier if at <= began), default=None)
    hidden = any(start < began < end for start, end in case.holes)  # so it may have been any of those
    watched = lately or hidden or (under is not None and began - under <= timing.window)
    if (lately and t0 - began <= unjudged(trigger, timing)) or (watched and (told is None or told < began)):
        return "began under an earlier sync that was replaced before it could be judged"
    again = told is not None and onset is not None and began <= told < onset and onset - t0 > 2 * timing.interval
    return "was so before the sync, as people were told, went away, and is so again" if again else ""


def looked_too_late(case: Case, now: datetime, was_watched: Callable[[datetime], bool]) -> Decision:
    """The sync is no longer under watch, and nobody looked while it was: a fault of that time is told, and no more.

    `was_watched(instant)` says whether the sync was still under watch then. `case.told` counts every message.
    """
    for verdict in case.verdicts:
        onset = verdict.onset
        if onset is None or verdict.severity is Severity.LOG_ONLY or not _counts(verdict, case, now):
            continue
        if was_watched(onset) and (case.told is None or case.told < onset):
            message = f"{verdict.trigger} began at {onset:%H:%M:%S} UTC, soon after the last sync; nobody looked then"
            return Decision(Act.PAGE, Reason.NO_RECENT_SYNC, message)
    return _page_what_nobody_judged(case, now) or NOT_WATCHED


def _leave_while_nothing_fires(case: Case, now: datetime) -> Decision | None:
    if any(_counts(verdict, case, now) for verdict in case.verdicts):
        return None
    return _why_quiet(case, now)


_BEFORE_BLAME: tuple[Callable[[Case, datetime], Decision | None], ...] = (
    _leave_without_policy,
    _leave_without_recent_sync,
    _page_when_blind,
    _page_what_nobody_judged,
    _leave_while_nothing_fires,
)


def _sound(case: Case, now: datetime) -> Decision:
    counted = sorted(
        (verdict for verdict in case.verdicts if _counts(verdict, case, now)),
        key=lambda verdict: -_allowed(verdict, case).rank,
    )
    strongest = counted[0]
    severity = _allowed(strongest, case)
    if severity is Severity.LOG_ONLY:
        return Decision(Act.LEAVE, Reason.LOG_ONLY, strongest.message, tuple(counted))
    if severity is Severity.AUTO_ROLLBACK:
        return Decision(Act.ROLL_BACK, Reason.TRIGGER_FIRED, strongest.message, tuple(counted))
    return Decision(Act.ASK, _why_capped(strongest, case), strongest.message, tuple(counted))


def _counts(verdict: Verdict, case: Case, now: datetime) -> bool:
    """It fires now, after the start-up noise, and was quiet before the sync."""
    return (
        verdict.fires
        and verdict.baseline.level in (BaselineLevel.QUIET, BaselineLevel.NONE)
        and not _warming_up(verdict, case, now)
    )


def _warming_up(verdict: Verdict, case: Case, now: datetime) -> bool:
    """The delay's last instant already counts as passed."""
    trigger = _trigger(verdict, case)
    if case.event is None or case.policy is None or trigger is None or trigger.ignores_initial_delay:
        return False
    return now < case.event.record.started_at + case.policy.timing.initial_delay


def _trigger(verdict: Verdict, case: Case) -> Trigger | None:
    triggers = case.policy.triggers if case.policy else ()
    return next((trigger for trigger in triggers if trigger.name == verdict.trigger), None)


def _allowed(verdict: Verdict, case: Case) -> Severity:
    """The verdict's severity, capped where the baseline or the policy in force cannot carry an automatic action."""
    if case.in_force and verdict.baseline.level is not BaselineLevel.NONE:
        return verdict.severity
    return min(verdict.severity, Severity.PAGE_AND_SUGGEST, key=lambda severity: severity.rank)


def _why_capped(verdict: Verdict, case: Case) -> Reason:
    if verdict.severity is not Severity.AUTO_ROLLBACK:
        return Reason.SUGGEST_ONLY
    return Reason.NO_BASELINE if case.in_force else Reason.NO_POLICY_IN_FORCE


def _blind_too_long(verdict: Verdict, case: Case, now: datetime) -> bool:
    trigger, since = _trigger(verdict, case), verdict.state.blind_since
    patience = trigger.no_data_for if trigger else timedelta(minutes=5)
    return since is not None and now - since >= patience


def _why_quiet(case: Case, now: datetime) -> Decision:
    """The most telling of the reasons why no trigger counts."""
    for verdict in case.verdicts:
        if verdict.fires and verdict.baseline.level is BaselineLevel.FIRING:
            return Decision(Act.LEAVE, Reason.NOT_OURS, f"{verdict.trigger} was already firing before the sync")
        if verdict.fires and _warming_up(verdict, case, now):
            return Decision(Act.LEAVE, Reason.WARMING_UP, f"{verdict.trigger} fires within the initial delay")
    for verdict in case.verdicts:
        if verdict.state.phase in (Phase.PENDING, Phase.FIRING):
            return Decision(Act.LEAVE, Reason.PENDING, verdict.message or f"{verdict.trigger} is pending", (verdict,))
    for verdict in case.verdicts:
        if verdict.reason is not None and verdict.state.blind_since is not None:
            return Decision(Act.LEAVE, verdict.reason, verdict.message or f"{verdict.trigger} sees no data")
    return Decision(Act.LEAVE, Reason.QUIET, "no trigger fires")


def decide(raised: Decision, proposal: Proposal, around: Circumstances, now: datetime) -> Decision:
    """What becomes of an alarm, now that it is known whom to blame and what would be done."""
    for rule in _AFTER_BLAME:
        answer = rule(raised, proposal, around, now)
        if answer is not None:
            return _once(Decision(answer.act, answer.reason, answer.message, raised.verdicts), around)
    return _once(raised, around)


def _once(decision: Decision, around: Circumstances) -> Decision:
    """Nobody is asked twice about one commit: who turns red by it later belongs to the question that is open."""
    if decision.act is Act.ASK and around.asked:
        return Decision(Act.LEAVE, Reason.INCIDENT, around.asked, decision.verdicts)
    return decision


def _when(word: Callable[[Circumstances], str], act: Act, reason: Reason) -> _Rule:
    """What stands around the alarm answers by itself, in its own words."""

    def rule(_r: Decision, _p: Proposal, around: Circumstances, _now: datetime) -> Decision | None:
        return Decision(act, reason, word(around)) if word(around) else None

    return rule


def _leave_what_is_undone(_r: Decision, proposal: Proposal, around: Circumstances, _now: datetime) -> Decision | None:
    if proposal.plan is not None and proposal.plan.reversal.outcome is PlanOutcome.EMPTY:
        if around.unapplied:
            return Decision(Act.PAGE, Reason.ALREADY_UNDONE, around.unapplied)
        return Decision(Act.LEAVE, Reason.ALREADY_UNDONE, "git already holds the state before the suspect")
    return None


def _page_on_mass_event(_r: Decision, _p: Proposal, around: Circumstances, _now: datetime) -> Decision | None:
    if around.mass_event and around.spreading:
        return Decision(Act.WAIT, Reason.INCIDENT, around.spreading)
    return Decision(Act.PAGE, Reason.MASS_EVENT, around.mass_event) if around.mass_event else None


def _page_without_plan(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    if proposal.plan is None:
        return Decision(Act.PAGE, proposal.attribution.reason or Reason.NO_SUSPECT, proposal.attribution.message)
    return None


def _refuse_by_guard(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    return _by_guard(proposal, GuardResult.DENY, Act.REFUSE)


def _ask_when_blame_is_unclear(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    blame = proposal.attribution
    if blame.automatic:
        return None
    return Decision(Act.ASK, blame.reason or Reason.SEVERAL_SUSPECTS, blame.message)


def _ask_by_guard(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    return _by_guard(proposal, GuardResult.ASK, Act.ASK)


def _wait_while_others_are_unseen(
    raised: Decision, _p: Proposal, around: Circumstances, _now: datetime
) -> Decision | None:
    """Not to know whether the others are red is no reason to act: it waits, and a person is told if that lasts."""
    if not around.unseen or raised.act is not Act.ROLL_BACK:
        return None
    return Decision(Act.HOLD if around.unseen_long else Act.WAIT, Reason.METRICS_UNAVAILABLE, around.unseen)


def _wait_for_cooldown(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    """Time alone ends a cooldown, so it waits where every other guard has said yes."""
    cooling = next((answer for answer in proposal.guards if answer.reason is Reason.COOLDOWN), None)
    return Decision(Act.WAIT, Reason.COOLDOWN, cooling.message) if cooling else None


def _hold_what_came_back(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    """Somebody lands it again: undoing it once more would only start a fight."""
    if proposal.came_back:
        message = f"the state that {proposal.came_back} took back is live again: find out who landed it"
        return Decision(Act.HOLD, Reason.CAME_BACK, message)
    for answer in proposal.guards:
        if answer.reason is Reason.CAME_BACK:
            return Decision(Act.HOLD, Reason.CAME_BACK, f"{answer.message}. {answer.remedy}")
    return None


def _by_guard(proposal: Proposal, result: GuardResult, act: Act) -> Decision | None:
    for answer in proposal.guards:
        if answer.result is result and answer.reason is not Reason.COOLDOWN:
            return Decision(act, answer.reason or Reason.GUARD_FAILED, f"{answer.message} {answer.remedy}".strip())
    return None


_AFTER_BLAME: tuple[_Rule, ...] = (
    _when(lambda around: around.stopped, Act.HOLD, Reason.PAUSED),  # a person's word outranks everything
    _when(lambda around: around.suspended, Act.HOLD, Reason.SUSPENDED),
    _when(lambda around: around.journal_trouble, Act.HOLD, Reason.JOURNAL_LOST),  # first know what was done before
    _when(lambda around: around.unsettled, Act.WAIT, Reason.INCIDENT),  # one looks different when all are red
    _when(lambda around: around.settled, Act.LEAVE, Reason.ALREADY_ROLLED_BACK),
    _when(lambda around: around.joins, Act.LEAVE, Reason.INCIDENT),  # it is verified with the others
    _leave_what_is_undone,  # nothing is left to do, so nobody is asked about doing it twice
    _when(lambda around: around.rolled_back, Act.HOLD, Reason.ALREADY_ROLLED_BACK),  # at most once, and no ping-pong
    _page_on_mass_event,
    _when(lambda around: around.part_of, Act.LEAVE, Reason.INCIDENT),
    _hold_what_came_back,  # promise 9
    _page_without_plan,
    _refuse_by_guard,
    _ask_when_blame_is_unclear,
    _ask_by_guard,
    _when(lambda around: around.unwritable, Act.ASK, Reason.JOURNAL_UNWRITABLE),
    _wait_while_others_are_unseen,
    _wait_for_cooldown,
)
