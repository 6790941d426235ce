"""What becomes of an alarm: act, ask, wait or leave alone, and why? Whether there is one is asked in `alarm`.

The question is a list of rules, read top to bottom; the first that has an answer wins. Declining is a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gitops_rollback.core.costs import Weighed
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome
from gitops_rollback.core.policy import Delivery, GuardResult, Policy, Severity
from gitops_rollback.core.suspects import Attribution
from gitops_rollback.core.sync import SyncEvent
from gitops_rollback.core.trigger import Verdict


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
    """One answer with its one reason. `verdicts` are those that count for it, strongest first.

    `weighed` is what each way out of the alarm costs; None where nobody has counted that.
    """

    act: Act
    reason: Reason
    message: str
    verdicts: tuple[Verdict, ...] = ()
    weighed: Weighed | None = None

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
    cleared: frozenset[str] = frozenset()  # comparing triggers that may act, since they were right about the past


@dataclass(frozen=True)
class Proposal:
    """What would be done about an alarm. `plan` is None where nothing could be built.

    `came_back` is the Rollback-Id that took back the very state that is live now; "" if none did.
    """

    attribution: Attribution
    plan: Plan | None = None
    guards: tuple[GuardAnswer, ...] = ()
    came_back: str = ""

    def delivered(self, delivery: Delivery) -> Delivery:
        """How its plan is delivered, where the policy says this for all."""
        return delivery if self.plan is None else self.plan.delivered(delivery)


@dataclass(frozen=True)
class Circumstances:
    """What forbids or delays acting, whatever the plan says. Sentences are for people; "" means it does not hold."""

    stopped: str = ""
    suspended: str = ""
    journal_trouble: str = ""
    unwritable: str = ""  # the journal cannot be written to: only suggest
    unsettled: str = ""  # not all applications of the repository have been looked at since the start
    settled: str = ""  # a person's no, or a rollback of this very revision that has ended
    lapsed: str = ""  # the pull request of this very rollback was closed since nobody needed it, and it fires again
    rolled_back: str = ""  # at most once: this revision or culprit was rolled back by itself before
    mass_event: str = ""
    spreading: str = ""  # why people are not told of the mass event yet
    unseen: str = ""  # why nobody knows whether others are red: their metric source answers nobody
    unseen_long: bool = False  # it has lasted
    part_of: str = ""  # another application of the same incident speaks for this one
    left_alone: str = ""  # why the one that would speak for this one does not
    joins: str = ""  # an open rollback has undone the very same in git, and its end is awaited
    unapplied: str = ""  # git holds what would be put back already, and the engine has had its time to apply it
    asked: str = ""  # a plan that undoes the very same waits for a person's word already
    practised: str = ""  # it is a drill of people: they are to do it
    offered: str = ""  # a pull request that undoes the very same is on its way to land by itself
    overlaps: str = ""  # one that undoes a part of the same, or more, is
    weighed: Weighed | None = None  # what each way out would cost


_Rule = Callable[[Decision, Proposal, Circumstances, datetime], Decision | None]


def decide(raised: Decision, proposal: Proposal, around: Circumstances, now: datetime) -> Decision:
    """What becomes of an alarm, now that it is known whom to blame and what would be done."""
    for rule in _AFTER_BLAME:
        answer = rule(raised, proposal, around, now)
        if answer is not None:
            found = Decision(answer.act, answer.reason, answer.message, raised.verdicts, around.weighed)
            return _once(_with_costs(found), around)
    return _once(replace(raised, weighed=around.weighed), around)


def _with_costs(decision: Decision) -> Decision:
    """Who promises a fix is told what it costs to wait for it: a pause can be lifted."""
    weighed = decision.weighed
    if decision.reason is not Reason.PAUSED or weighed is None or not weighed.promised:
        return decision
    return replace(decision, message=f"{decision.message}; {weighed.costs.sentence}")


def _once(decision: Decision, around: Circumstances) -> Decision:
    """Nobody is asked twice about one commit: who turns red by it later belongs to the question that is open."""
    if decision.act is Act.ASK and around.asked:
        return Decision(Act.LEAVE, Reason.INCIDENT, around.asked, decision.verdicts, decision.weighed)
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


def _weigh_the_costs(raised: Decision, _p: Proposal, around: Circumstances, _now: datetime) -> Decision | None:
    """Asked last, so that it only ever holds back what everything else allows."""
    weighed = around.weighed
    if weighed is None or not weighed.decides or raised.act is not Act.ROLL_BACK:
        return None
    answer, sentence = weighed.answer, weighed.costs.sentence
    if answer == "rollback":
        return None
    return Decision(Act.WAIT if answer == "wait" else Act.ASK, Reason.CHEAPER_OTHERWISE, sentence)


def _hold_what_came_back(_r: Decision, proposal: Proposal, _a: Circumstances, _now: datetime) -> Decision | None:
    """Somebody lands it again: undoing it once more would only start a fight."""
    if proposal.came_back:
        message = f"the state that {proposal.came_back} took back is live again: find out who landed it"
        return Decision(Act.HOLD, Reason.CAME_BACK, message)
    for answer in proposal.guards:
        if answer.reason is Reason.CAME_BACK:
            return Decision(Act.HOLD, Reason.CAME_BACK, answer.words)
    return None


def _by_guard(proposal: Proposal, result: GuardResult, act: Act) -> Decision | None:
    for answer in proposal.guards:
        if answer.result is result and answer.reason is not Reason.COOLDOWN:
            return Decision(act, answer.reason or Reason.GUARD_FAILED, answer.words)
    return None


_AFTER_BLAME: tuple[_Rule, ...] = (
    _when(lambda around: around.stopped, Act.HOLD, Reason.PAUSED),  # a person's word outranks everything
    _when(lambda around: around.suspended, Act.HOLD, Reason.SUSPENDED),
    _when(lambda around: around.journal_trouble, Act.HOLD, Reason.JOURNAL_LOST),  # first know what was done before
    _when(lambda around: around.unsettled, Act.WAIT, Reason.INCIDENT),  # one looks different when all are red
    _when(lambda around: around.settled, Act.LEAVE, Reason.ALREADY_ROLLED_BACK),
    _when(lambda around: around.joins, Act.LEAVE, Reason.INCIDENT),  # it is verified with the others
    _when(lambda around: around.offered, Act.LEAVE, Reason.INCIDENT),  # likewise
    _leave_what_is_undone,  # nothing is left to do, so nobody is asked about doing it twice
    _when(lambda around: around.lapsed, Act.PAGE, Reason.SUPERSEDED),  # its id cannot wait a second time
    _when(lambda around: around.rolled_back, Act.HOLD, Reason.ALREADY_ROLLED_BACK),  # at most once, and no ping-pong
    _when(lambda around: around.overlaps, Act.HOLD, Reason.INCIDENT),  # until it has landed or is closed
    _page_on_mass_event,
    _when(lambda around: around.part_of, Act.LEAVE, Reason.INCIDENT),
    _hold_what_came_back,  # promise 9
    _page_without_plan,
    _refuse_by_guard,
    _ask_when_blame_is_unclear,
    _ask_by_guard,
    _when(lambda around: around.left_alone, Act.ASK, Reason.INCIDENT),  # what holds one may be right for all
    _when(lambda around: around.practised, Act.ASK, Reason.DRILL),
    _when(lambda around: around.unwritable, Act.ASK, Reason.JOURNAL_UNWRITABLE),
    _wait_while_others_are_unseen,
    _wait_for_cooldown,
    _weigh_the_costs,
)
