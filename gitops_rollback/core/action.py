"""The one next action of an application: pure, from what is seen now. The executor does it, then we look again.

An open rollback is finished before another is considered. A crash between two actions is just a new look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.hindrances import HELD_MARGIN, SYNC_AGAIN_AFTER, hindered, obstacles
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import PULL_REQUEST_MODE, SUGGEST_MODE, Delivery
from gitops_rollback.core.progress import ApplicationProgress, Progress
from gitops_rollback.core.rollback import (
    HELD_UNTIL,
    Phase,
    RollbackOutcome,
    RollbackRecord,
    StepRecord,
)
from gitops_rollback.core.strategies.gate import Ahead, Passage, broken, halfway, held_between, passage
from gitops_rollback.core.sync import Health
from gitops_rollback.core.upstream import waits_upstream

SEEN_JUST_NOW = timedelta(seconds=20)
STOOD_STILL = timedelta(seconds=60)  # slow answers alone do not make one look at one application last so long
SEEN_FOR_SYNC = timedelta(seconds=5)  # another replica may have asked for the same, and been served, since
SYNC_PATIENCE = timedelta(minutes=2)  # of whoever looks for the first time, or again after a long pause


@dataclass(frozen=True)
class Facts:
    """What one look gathered. Exactly one of `progress` and `decision` is set."""

    progress: Progress | None = None
    decision: Decision | None = None
    proposal: Proposal | None = None
    joins: RollbackRecord | None = None  # an open rollback of the same culprit, or a plan that waits
    delivery: Delivery | None = None  # the policy's, where the repository has a forge


@dataclass(frozen=True)
class Join:
    """Add an application to the open rollback of its incident."""

    record: RollbackRecord
    decision: Decision


@dataclass(frozen=True)
class Note:
    """Keep the decision; tell people if its act says so. Nothing is written to the branch.

    `offers`: the plan is to wait as a pull request.
    """

    decision: Decision
    plan: Plan | None = None
    offers: bool = False


@dataclass(frozen=True)
class Land:
    """Push the plan's commit with its record."""

    plan: Plan
    decision: Decision


@dataclass(frozen=True)
class Release:
    """Push the commit that puts back the marks of a rollback's holds: `changes` on `base`, as `tree`.

    `by` is who asked for it. `commit_message` is the whole one; `message` says why, in one sentence.
    """

    record: RollbackRecord
    base: str
    tree: str
    changes: tuple[FileChange, ...]
    commit_message: str
    message: str
    by: str


@dataclass(frozen=True)
class Terminate:
    """End the operation that works on the bad revision, so that ours can be synced."""

    progress: ApplicationProgress
    record: RollbackRecord


@dataclass(frozen=True)
class HoldOn:
    """Write and tell at once why the rollback does not go on for now, as the record says: a page."""

    record: RollbackRecord


@dataclass(frozen=True)
class Sync:
    """Make the engine apply the branch's head now."""

    progress: ApplicationProgress
    record: RollbackRecord


@dataclass(frozen=True)
class Step:
    """Push commit `n` of the rollback's plan; `message` says why now."""

    record: RollbackRecord
    n: int
    message: str


@dataclass(frozen=True)
class Advance:
    """Write the record's next phase to the journal."""

    record: RollbackRecord
    phase: Phase
    message: str


@dataclass(frozen=True)
class Finish:
    """Write the record's outcome, and tell people."""

    record: RollbackRecord
    outcome: RollbackOutcome
    reason: Reason
    message: str
    plans: tuple[RollbackRecord, ...] = ()  # what a person may approve now that it did not help


@dataclass(frozen=True)
class Arrived:
    """Write that the plan that waited stands on the branch, and go on with it."""

    record: RollbackRecord
    landing: StepRecord


@dataclass(frozen=True)
class Wait:
    """Nothing to do until the next look."""

    message: str


Action = Note | Join | Land | Arrived | Terminate | HoldOn | Sync | Step | Advance | Finish | Wait


def stands_on(action: Action) -> timedelta:
    """How old what was seen may be when this is done: what cannot be taken back is done by what was seen just now."""
    if isinstance(action, Sync):
        return SEEN_FOR_SYNC
    verified = isinstance(action, Finish) and action.outcome is RollbackOutcome.VERIFIED
    return SEEN_JUST_NOW if verified or isinstance(action, Land | Step) else timedelta.max


def next_action(facts: Facts, now: datetime) -> Action:
    """The one thing to do now."""
    if facts.progress is not None:
        return continue_rollback(facts.progress, now)
    if facts.decision is None:
        return Wait("nothing is known yet")
    plan = facts.proposal.plan if facts.proposal else None
    if facts.decision.act is Act.ROLL_BACK and plan is not None:
        by_request = facts.delivery is not None and facts.delivery.mode == PULL_REQUEST_MODE
        return Note(facts.decision, plan, offers=True) if by_request else Land(plan, facts.decision)
    if facts.joins is not None and facts.decision.act is Act.LEAVE and facts.decision.reason is Reason.INCIDENT:
        return Join(facts.joins, facts.decision)
    return Note(facts.decision, plan, offers=_suggests(facts))


def _suggests(facts: Facts) -> bool:
    """What a person is asked about waits as a pull request, unless the policy wants nothing written at all."""
    asks = facts.decision is not None and facts.decision.act is Act.ASK
    return asks and facts.delivery is not None and facts.delivery.mode != SUGGEST_MODE


def continue_rollback(progress: Progress, now: datetime) -> Action:
    """The next action of an open rollback, by its phase. One that ends half way says where its plan stands."""
    action, ahead = _continue(progress, now), progress.ahead
    if not isinstance(action, Finish) or ahead is None or ahead.stages is None or action.reason is Reason.FIELD_EDITED:
        return action
    safe_end = f"; {ahead.safe_end}" if ahead.safe_end and ahead.safe_end not in action.message else ""
    return replace(action, message=f"{action.message}; {halfway(ahead, ahead.stages)}{safe_end}")


def _continue(progress: Progress, now: datetime) -> Action:
    if progress.record.phase is Phase.AWAITING_APPROVAL:
        return _await_approval(progress)
    if not progress.landed:
        return Finish(
            progress.record, RollbackOutcome.FAILED, Reason.BRANCH_REWRITTEN, "our commit is not on the branch"
        )
    anew = next((one.application for one in progress.applications if one.anew), None)
    if anew is not None:
        message = f"{anew} was deleted and made anew, so nobody can see whether it helped"
        return Finish(progress.record, RollbackOutcome.UNVERIFIED, Reason.RECREATED, message)
    if progress.overtaken:
        return Finish(progress.record, RollbackOutcome.UNVERIFIED, Reason.OVERTAKEN, progress.overtaken)
    if progress.stopped:
        return Finish(progress.record, RollbackOutcome.HELD, Reason.FIELD_EDITED, progress.stopped)
    if progress.came_back:
        return Finish(progress.record, RollbackOutcome.UNVERIFIED, Reason.CAME_BACK, progress.came_back)
    if progress.record.phase is Phase.VERIFYING:
        return _verify(progress, now)
    if progress.record.phase is Phase.SYNCING:
        return _sync(progress, now)
    return Advance(progress.record, Phase.SYNCING, "pushed")


def _await_approval(progress: Progress) -> Action:
    if progress.landing is not None:
        return Arrived(progress.record, progress.landing)
    if progress.superseded:
        return Finish(progress.record, RollbackOutcome.SUPERSEDED, Reason.SUPERSEDED, progress.superseded)
    return Wait("waits for a person's word")


def _sync(progress: Progress, now: datetime) -> Action:
    """One engine action a look: first free the way, then sync, then wait until all have converged."""
    if progress.ahead is not None:
        between = _between(progress, progress.ahead, now)
        action = between or _sync_on(progress, now)
        return action if between is not None else _never_half(action, progress.ahead, now)
    return _sync_on(progress, now)


def _never_half(action: Action, ahead: Ahead, now: datetime) -> Action:
    """One that may not stay half does not end between two steps by itself: people are told how it ends safely."""
    if not isinstance(action, Finish) or ahead.stages is None or not ahead.stages.never_half:
        return action
    message = f"held at step {ahead.done}: {action.message}; {ahead.safe_end}"
    held = held_between(action.record, Passage(message, reason=action.reason, again=True), now)
    return HoldOn(held) if held is not None else Wait(message)


def _sync_on(progress: Progress, now: datetime) -> Action:
    """Towards an engine that has applied the newest commit."""
    record, applications = progress.record, progress.applications
    if _ran(progress) and applications and all(application.converged for application in applications):
        over = ", and its runs are over" if any(not one.unseen for one in progress.runs) else ""
        return Advance(record, Phase.VERIFYING, f"every application that it changes has applied it{over}")
    gone = next((application for application in applications if application.gone), None)
    if gone is not None:
        message = f"{gone.application} is gone from the engine"
        return Finish(record, RollbackOutcome.UNVERIFIED, Reason.ENGINE_UNCLEAR, message)
    held = hindered(progress, now)
    if held is not None:
        return HoldOn(held)
    if now >= _sync_deadline(progress):
        failed = progress.applied and any(one.check.ok is False for one in progress.runs)
        reason = Reason.RUN_FAILED if failed else Reason.SYNC_TIMEOUT
        return Finish(record, RollbackOutcome.UNVERIFIED, reason, _why_not_synced(progress))
    for application in applications:
        action = _sync_one(record, application, now)
        if action is not None:
            return action
    return Wait(_why_not_synced(progress))


def _between(progress: Progress, ahead: Ahead, now: datetime) -> Action | None:
    """Where more commits are to come: the next one, or why not yet; None while the engine has not got this one."""
    record, applications = progress.record, progress.applications
    way = broken(ahead)
    if way is None:
        if not applications or not all(one.applied for one in applications):
            return None
        unhealthy = _unhealthy(progress, now)
        if not unhealthy and not (all(one.converged for one in applications) and _ran(progress)):
            return Wait(_why_not_synced(progress))
        way = passage(ahead, unhealthy, progress.policy.verification.timeout, record.pushed_at, now)
    if way.ends and way.reason is not None:
        return Finish(record, RollbackOutcome.HELD, way.reason, way.message)
    held = held_between(record, way, now)
    if held is not None:
        return HoldOn(held)
    return Step(record, way.n, way.message) if way.n else Wait(way.message)


def _unhealthy(progress: Progress, now: datetime) -> str:
    """What the engine calls bad after a step; what only takes time is bad once that has passed."""
    late = now >= _sync_deadline(progress)
    bad = [one for one in progress.applications if not one.converged and (late or _degraded(one))]
    seen = [one for one in progress.runs if not one.unseen]
    runs = [one for one in seen if one.asks or one.check.ok is False or (late and one.check.ok is None)]
    return "; ".join([*map(_why, bad), *(one.words for one in runs)])


def _ran(progress: Progress) -> bool:
    """The runs of infrastructure that it caused so far are over, as far as anything shows them."""
    return all(one.check.ok is True for one in progress.runs if not one.unseen)


def _degraded(one: ApplicationProgress) -> bool:
    return one.state is not None and one.state.health is Health.DEGRADED


def _sync_deadline(progress: Progress) -> datetime:
    """Nobody gives up before having asked and waited a little: a controller may have been away for all that time.

    Nor while the engine waits: for the bad revision as long as the record says, for one with our commit to its end.
    """
    timeout = progress.policy.delivery.sync_timeout
    ends = [end for one in progress.applications if not one.blocked and (end := one.ends_by) is not None]
    held = progress.record.times.get(HELD_UNTIL)
    engine = max((end + HELD_MARGIN for end in (*ends, held) if end is not None), default=None)
    deadline = (progress.began or progress.record.pushed_at) + timeout
    deadline = deadline if engine is None else max(deadline, engine)
    if progress.watching is None:
        return deadline
    return max(deadline, progress.watching + min(SYNC_PATIENCE, timeout))


def _sync_one(record: RollbackRecord, application: ApplicationProgress, now: datetime) -> Action | None:
    state = application.state
    if application.converged or state is None:
        return None
    asked = application.asked_at
    recently = asked is not None and now < asked + SYNC_AGAIN_AFTER
    if application.blocked:
        # What the engine ends by itself it may not end when asked: the others must not wait for that.
        return None if recently and application.ends_by is not None else Terminate(application, record)
    if application.failed:
        message = f"the sync of {application.application} failed: {application.failed}"
        return Finish(record, RollbackOutcome.UNVERIFIED, Reason.SYNC_FAILED, message)
    waits = any(one.reason is Reason.PENDING_CHANGES for one in obstacles(application))
    return None if state.busy or recently or waits else Sync(application, record)


def _verify(progress: Progress, now: datetime) -> Action:
    record, rules = progress.record, progress.policy.verification
    if progress.held_since is not None and now >= progress.held_since + rules.hold_for:
        message = "; ".join(f"{check.name} {check.message}" for check in progress.checks) or "the engine is healthy"
        held = f"held {_words(rules.hold_for)}: {message}"
        unseen = "; ".join(one.words for one in progress.runs if one.unseen)
        if unseen:
            return Finish(record, RollbackOutcome.UNVERIFIED, Reason.RUN_UNSEEN, f"{unseen}; all else {held}")
        return Finish(record, RollbackOutcome.VERIFIED, Reason.VERIFIED, held)
    timeout = (progress.began or record.times.get("synced") or record.pushed_at) + rules.timeout
    if now >= timeout or any(check.final for check in progress.checks):
        return _unverified(progress)
    return Wait(_why_not_verified(progress))


def _unverified(progress: Progress) -> Finish:
    """Measured bad is another message than not measured: it says that the blame was wrong."""
    bad = any(check.ok is False for check in progress.checks)
    reason = Reason.STILL_BAD if bad else Reason.VERIFICATION_TIMEOUT
    reason = Reason.WRITTEN_BY_ANOTHER if waits_upstream(progress.checks) else reason
    return Finish(progress.record, RollbackOutcome.UNVERIFIED, reason, _why_not_verified(progress))


def _why_not_synced(progress: Progress) -> str:
    waiting = [_why(one) for one in progress.applications if not one.converged]
    waiting += [one.words for one in progress.runs if one.check.ok is not True and not one.unseen]
    return "; ".join(waiting) or "no application was seen"


def _why(one: ApplicationProgress) -> str:
    held = (each.message for each in obstacles(one))
    return f"{one.application}: {'; '.join((one.why or 'not looked at yet', *held))}"


def _why_not_verified(progress: Progress) -> str:
    open_checks = [f"{check.name}: {check.message}" for check in progress.checks if check.ok is not True]
    unconverged = [_why(one) for one in progress.applications if not one.converged]
    return "; ".join(unconverged + open_checks) or "the hold time has not passed yet"


def _words(duration: timedelta) -> str:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"
