"""Makes the plan of a record that waits anew, on what the branch holds now, with all guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.afterwards import Afterwards
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.next_plans import follows
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of

WAITED = "undone by the plan that waited"
RESERVED = (Reason.BUDGET_SPENT, Reason.COOLDOWN)  # it has had its share since it was decided, and counts itself now


@dataclass(frozen=True)
class Replanned:
    """The plan as it would be carried out now; None with the reason in `why`. `undone`: nothing is left to do."""

    look: Look | None = None
    plan: Plan | None = None
    why: str = ""
    reason: Reason = Reason.REVERT_CONFLICT
    undone: bool = False

    @property
    def asks(self) -> GuardAnswer | None:
        """The guard that asks for a person's word; None if nobody's is needed."""
        answers = self.plan.guards if self.plan else ()
        return next((one for one in answers if one.result.rank > GuardResult.ALLOW.rank), None)


@dataclass(frozen=True)
class Replanner:
    """Reads, and writes to nobody."""

    directory: Directory
    observer: Observer
    proposer: Proposer
    afterwards: Afterwards

    def again(self, record: RollbackRecord, watched: Watched, view: View, listing: Listing, now: datetime) -> Replanned:
        """The same commits undone, for the same deployment. Raises: TransientError where it cannot be told now."""
        because = Decision(Act.ROLL_BACK, Reason.REQUESTED, _alarm(record))
        feeds = self.directory.feeder(watched)
        look = self.observer.look_anyway(watched, view, now, feeds, because)
        # How it was before the deployment is what tells known ground.
        counted = tuple(one for one in look.case.verdicts if one.trigger in record.triggers)
        look = self.proposer.followed(replace(look, raised=replace(because, verdicts=counted)))
        proposal = self.proposal(record, look, view, listing, now)
        if proposal.plan is None:
            blamed = proposal.attribution
            why = blamed.message or "no plan can be made any more"
            return Replanned(look, None, why, blamed.reason or Reason.NO_SUSPECT)
        plan = replace(
            proposal.plan,
            applications=record.applications,
            bad_revision=record.bad_revision,
            restores=record.restores,
            triggers=record.triggers,
        )
        why, reason = _why_not(plan)
        if why:
            return Replanned(look, None, why, reason, undone=plan.reversal.outcome is PlanOutcome.EMPTY)
        plan = replace(plan, evidence=_suspects(record) or plan.evidence, guards=_without_own_share(record, plan))
        signed = self.proposer.signed(plan, look, proposal.attribution, record.id, record.requested_by)
        return Replanned(look, signed)

    def proposal(self, record: RollbackRecord, look: Look, view: View, listing: Listing, now: datetime) -> Proposal:
        """What a record that waits comes to now: the blame may fall on others at another moment, and is not asked."""
        if follows(record) is not None:
            return self.afterwards.renewed(record, look, view, listing, now)
        stages = stages_of(record)
        culprits = stages.reverted(stages.revert, record.reverts) if stages is not None else record.reverts
        return self.proposer.propose_named(look, view, listing, now, only=culprits, because=WAITED)


def _alarm(record: RollbackRecord) -> str:
    """What had fired, in the words of then; else what the record says."""
    found = record.evidence.get("verdicts")
    verdicts = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []
    fired = [str(one.get("message", "")) for one in verdicts if one.get("trigger") in record.triggers]
    return "; ".join(words for words in fired if words) or record.message


def _suspects(record: RollbackRecord) -> tuple[str, ...]:
    """Whom the decision blamed, and why: the plan made anew only knows what it undoes."""
    found = record.evidence.get("suspects")
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list | tuple) else ()


def _without_own_share(record: RollbackRecord, plan: Plan) -> tuple[GuardAnswer, ...]:
    """What needs nobody is counted already, so its own share is no reason to ask."""
    if record.offer is None or not record.offer.automatic:
        return plan.guards
    return tuple(one for one in plan.guards if one.reason not in RESERVED)


def _why_not(plan: Plan) -> tuple[str, Reason]:
    """Why it cannot be offered; "" where it can."""
    reversal = plan.reversal
    if reversal.outcome is PlanOutcome.EMPTY:
        return "git already holds the state before the suspect", Reason.ALREADY_UNDONE
    if reversal.outcome is not PlanOutcome.CLEAN:
        first = next((one for one in reversal.explained if one.path), None)
        words = reversal.message or f"the plan is {reversal.outcome.value}"
        return (f"{first.path}: {first.why}" if first else words), Reason.REVERT_CONFLICT
    denied = next((answer for answer in plan.guards if answer.result is GuardResult.DENY), None)
    if denied is None:
        return "", Reason.REQUESTED
    return f"guard {denied.guard} denies it: {denied.words}", denied.reason or Reason.GUARD_FAILED
