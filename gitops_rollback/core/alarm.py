"""Is the application worse since its sync, and what may that cause at most? Nobody is blamed yet.

The question is a list of rules, read top to bottom; the first that has an answer wins. Declining is a value.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from gitops_rollback.core.blindness import is_out
from gitops_rollback.core.clearance import COMPARING
from gitops_rollback.core.decision import Act, Case, Decision
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Severity, Trigger
from gitops_rollback.core.trigger import BaselineLevel, Phase, Verdict, unjudged

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
    """A trigger that cannot see for too long is told to a person, unless another one sees a fault.

    Its source fails for a minute, or there is no data for `noDataFor`.
    """
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
    """The verdict's severity, capped where the baseline or the policy in force cannot carry an automatic action.

    And where a trigger that compares with before was never tested on the application's own metrics.
    """
    if case.in_force and verdict.baseline.level is not BaselineLevel.NONE and not _untested(verdict, case):
        return verdict.severity
    return min(verdict.severity, Severity.PAGE_AND_SUGGEST, key=lambda severity: severity.rank)


def _untested(verdict: Verdict, case: Case) -> bool:
    trigger = _trigger(verdict, case)
    return trigger is not None and trigger.type == COMPARING and trigger.name not in case.cleared


def _why_capped(verdict: Verdict, case: Case) -> Reason:
    if verdict.severity is not Severity.AUTO_ROLLBACK or _untested(verdict, case):
        return Reason.SUGGEST_ONLY
    return Reason.NO_BASELINE if case.in_force else Reason.NO_POLICY_IN_FORCE


def _blind_too_long(verdict: Verdict, case: Case, now: datetime) -> bool:
    trigger, since = _trigger(verdict, case), verdict.state.blind_since
    patience = trigger.no_data_for if trigger else timedelta(minutes=5)
    return is_out(verdict) or (since is not None and now - since >= patience)


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
