"""What a person, or a clean test, says once and for all of an application's past: lines of the journal.

Source: safety.md, Observe, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gitops_rollback.app.repositories import Opened
from gitops_rollback.core.errors import Reason, TransientError
from gitops_rollback.core.hindsight import Row
from gitops_rollback.ports import DecisionEntry, PushOutcome, RefUpdate

CONFIRMED = "confirmed"
TRIES = 5


def confirmation(row: Row, by: str, at: datetime) -> DecisionEntry:
    """A person's word that what would have been done in a *we only* row would have been right."""
    details = {"id": row.id, "by": by, "badRevision": row.revision}  # what runs is no matter of this line
    return DecisionEntry(at, row.application, CONFIRMED, Reason.REQUESTED.value, "", f"{by} says: rightly", details)


def write(opened: Opened, entries: Sequence[DecisionEntry], at: datetime) -> None:
    """Add lines to the journal. Raises: TransientError; what fetch and push raise."""
    for _ in range(TRIES):
        heads = opened.journal_repo.fetch()
        commit = opened.journal.commit(heads.journal, (), entries, at)
        result = opened.journal_repo.push([RefUpdate(opened.journal.ref, commit, heads.journal)])
        if result.outcome is PushOutcome.LANDED:
            return
        if result.outcome is not PushOutcome.REJECTED:
            break
    raise TransientError(opened.repo.name, "the journal did not take it: try again", Reason.JOURNAL_UNWRITABLE)
