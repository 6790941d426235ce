"""The answer to "undo these commits", in words: refused, in conflict, or clean."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.revisions import RawCommit
from gitops_rollback.adapters.git.undoing import Step
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.plan import Explanation, PlanOutcome, Reversal

OFF_HISTORY = "it is not in the history of the commit that it is undone on"
LOOK = "Look at this file's change, and commit it as a person."


def refusal(at: str, reverts: Sequence[str], reason: Reason, message: str) -> Reversal:
    return Reversal(PlanOutcome.REFUSED, at, tuple(reverts), gate_reason=reason, message=f"Refused: {message}.")


def conflict(head: RawCommit, shas: tuple[str, ...], culprit: RawCommit, step: Step) -> Reversal:
    files = listed([str(explanation.path) for explanation in step.explained])
    message = f"{culprit.sha[:12]} cannot be undone at {head.sha[:12]} without a person: see {files}."
    return Reversal(
        PlanOutcome.CONFLICT, head.sha, shas, explained=step.explained, gate_reason=step.reason, message=message
    )


def clean(
    head: RawCommit, shas: tuple[str, ...], step: Step, changes: tuple[FileChange, ...], strangers: Sequence[str]
) -> Reversal:
    seen = [(change.path, gates.protected_because(change)) for change in changes]
    explained = [
        Explanation(None, None, sha, OFF_HISTORY, "Check that it was deployed here at all.") for sha in strangers
    ]
    explained += [Explanation(path, None, None, why, LOOK) for path, why in seen if why is not None]
    reason = Reason.PROTECTED_PATH if len(explained) > len(strangers) else None
    explained += step.explained
    files = how_many(len(changes), "file")
    set_on = "".join(f" {edit.sentence}" for edit in step.edits)
    set_on += "".join(f" {one.sentence}" for one in step.rendered)
    also = f", and takes back what {names(step.superseded)} set there since" if step.superseded else ""
    return Reversal(
        PlanOutcome.CLEAN,
        head.sha,
        shas,
        tree=step.tree,
        rung=step.rung,
        changes=changes,
        superseded=step.superseded,
        whole=step.whole,
        edits=step.edits,
        rendered=step.rendered,
        explained=tuple(explained),
        gate_reason=Reason.NOT_FIRST_PARENT if strangers else reason,
        message=f"Undoing {names(shas)} at {head.sha[:12]} changes {files}{also}.{set_on}",
    )


def names(shas: Sequence[str]) -> str:
    return listed([sha[:12] for sha in shas])


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
