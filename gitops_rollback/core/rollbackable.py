"""Would a rollback of this be automatic, ask a person, or not be possible, and because of what? Told beforehand.

The same rules as for an alarm, without one. Advice only: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops_rollback.core.decision import Act, Circumstances, Decision, Proposal, decide
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.message import for_people
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.policy import GuardResult, Policy, Severity

DESCRIPTION_LIMIT = 140  # characters that a forge shows of a status


class Readiness(StrEnum):
    """The better first."""

    AUTOMATIC = "automatic"
    ASKS = "asks"
    NOT_POSSIBLE = "not-possible"

    @property
    def rank(self) -> int:
        return list(Readiness).index(self)


WORDS = {
    Readiness.AUTOMATIC: "yes",
    Readiness.ASKS: "would ask",
    Readiness.NOT_POSSIBLE: "no",
}


@dataclass(frozen=True)
class Rollbackable:
    """The answer for one application. `reason` is None where nothing stands against it; `application` is its name."""

    application: str
    readiness: Readiness
    reason: Reason | None = None
    message: str = ""

    @property
    def words(self) -> str:
        """For people: `yes`, or why not, in one line."""
        name, word = "/".join(self.application.split("/")[-1:]), WORDS[self.readiness]
        because = f" because {self.reason.value}: {for_people(self.message)}" if self.reason else ""
        return f"{name}: {word}{because}"


def rollbackable(
    application: str, raised: Decision, proposal: Proposal, policy: Policy, around: Circumstances, now: datetime
) -> Rollbackable:
    """What a firing trigger would come to, as `decide` says it, at the strongest severity that the policy has."""
    plan, blamed = proposal.plan, proposal.attribution
    if plan is None:
        reason, message = blamed.reason or Reason.NO_SUSPECT, blamed.message or "no plan can be made"
        return Rollbackable(application, Readiness.NOT_POSSIBLE, reason, message)
    reversal = plan.reversal
    if reversal.outcome is PlanOutcome.EMPTY:
        return Rollbackable(
            application, Readiness.NOT_POSSIBLE, Reason.ALREADY_UNDONE, "git already holds what would come back"
        )
    if reversal.outcome is not PlanOutcome.CLEAN:
        first = next((one for one in reversal.explained if one.path), None)
        words = f"{first.path}: {first.why}" if first else reversal.message or f"the plan is {reversal.outcome.value}"
        return Rollbackable(application, Readiness.NOT_POSSIBLE, Reason.REVERT_CONFLICT, words)
    denied = next((one for one in plan.guards if one.result is GuardResult.DENY), None)
    if denied is not None:
        reason = denied.reason or Reason.GUARD_FAILED
        return Rollbackable(application, Readiness.NOT_POSSIBLE, reason, f"guard {denied.guard}: {denied.words}")
    decision = decide(raised, proposal, around, now)
    if decision.act is not Act.ROLL_BACK:
        return Rollbackable(application, Readiness.ASKS, decision.reason, decision.message)
    strongest = max((one.severity for one in policy.triggers), key=lambda one: one.rank, default=Severity.LOG_ONLY)
    if strongest is not Severity.AUTO_ROLLBACK:
        message = f"no trigger of policy {policy.name} goes beyond {strongest.value}"
        return Rollbackable(application, Readiness.ASKS, Reason.NOT_AUTOMATIC, message)
    if policy.delivery.mode == "suggest":
        message = f"policy {policy.name} only suggests"
        return Rollbackable(application, Readiness.ASKS, Reason.NOT_AUTOMATIC, message)
    return Rollbackable(application, Readiness.AUTOMATIC)


def worst(answers: Sequence[Rollbackable]) -> Readiness:
    """Of several applications the least ready counts. Raises: ValueError for none."""
    return max((one.readiness for one in answers), key=lambda one: one.rank)


def in_short(answers: Sequence[Rollbackable]) -> str:
    """One line for a status, the least ready first, cut to what a forge shows."""
    order = sorted(answers, key=lambda one: (-one.readiness.rank, one.application))
    line = "; ".join(one.words for one in order)
    return line if len(line) <= DESCRIPTION_LIMIT else line[: DESCRIPTION_LIMIT - 1].rstrip() + "…"
