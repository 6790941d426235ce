"""Does the plan end where the application was quiet before, and has the bad state not been taken back once already?

Source: safety.md, Known ground; design.md, promises 9 and 21.
"""

from __future__ import annotations

from datetime import timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.guards.facts import GuardFacts, TakenBack, allow, ask
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome

GROUND = "known-ground"
QUARANTINE = "quarantine"
QUARANTINE_LASTS = timedelta(hours=24)


def judge_ground_of_plan(facts: GuardFacts) -> GuardAnswer:
    """Allow known ground; a combination that never ran only when it undoes exactly one commit."""
    remedy = "compare the plan's result with the last good revision, and approve it if it can run"
    if facts.ground is Ground.KNOWN:
        return allow(GROUND, "this state has run here before, and was quiet")
    if facts.ground is Ground.BAD:
        message = "the state that it ends in was firing when it was replaced, or was taken back"
        return ask(
            GROUND, Reason.UNKNOWN_GROUND, message, "choose another revision: `gitops-rollback rollback APP --to SHA`"
        )
    if facts.ground is None:
        return ask(GROUND, Reason.UNKNOWN_GROUND, "whether the state that it ends in was quiet cannot be told", remedy)
    if len(facts.suspects) == 1:
        return allow(GROUND, "one suspect alone is undone; the combination that is left has never run here")
    return ask(GROUND, Reason.UNKNOWN_GROUND, "the combination that is left has never run here", remedy)


def judge_quarantine(facts: GuardFacts) -> GuardAnswer:
    """Hold what came back: the same tree of inputs ever, or one of the files that were taken away within 24 hours."""
    if facts.reversal.outcome is PlanOutcome.EMPTY:
        return allow(QUARANTINE, "nothing is left to undo")
    if facts.taken_back is None or facts.inputs is None:
        message = "whether this state was taken back before cannot be told"
        return ask(QUARANTINE, Reason.QUARANTINE, message, "read the journal, then approve or reject the plan")
    for taken in facts.taken_back:
        what = _came_back(facts, taken)
        if what:
            remedy = f"find out who lands it again (an image updater, a promotion, a person); see {taken.by}"
            return ask(
                QUARANTINE, Reason.CAME_BACK, f"{what}, which {taken.by} took back at {taken.at:%H:%M} UTC", remedy
            )
    return allow(QUARANTINE, "nothing of it was taken back before")


def _came_back(facts: GuardFacts, taken: TakenBack) -> str:
    if taken.inputs is not None and taken.inputs == facts.inputs:
        return "the same tree of inputs is back"
    if facts.now - taken.at > QUARANTINE_LASTS:
        return ""
    same = [change.path for change in facts.reversal.changes if taken.blobs.get(change.path, "") == change.old_blob]
    return f"{same[0]} has the same contents again" if same else ""
