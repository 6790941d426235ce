"""Writes the records that a lost journal had, as far as the branch's own commits tell them. A person's act alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry
from gitops_rollback.core.rebuilding import rebuilt
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import ConfigRepo, Journal, JournalView, PushOutcome, RefUpdate

MOST_COMMITS = 20_000  # of the branch


@dataclass(frozen=True)
class Rebuilder:
    """For one repository; `repo` holds the branch, `journal_repo` the journal."""

    repo: ConfigRepo
    journal_repo: ConfigRepo
    journal: Journal
    committer: str

    def missing(self, branch_head: str, view: JournalView) -> tuple[RollbackRecord, ...]:
        """The records that the branch has commits of, and the journal does not know."""
        commits = self.repo.commits(None, branch_head, MOST_COMMITS)
        return rebuilt(commits, view.records.keys(), self.repo.name, self.committer)

    def write(self, records: Sequence[RollbackRecord], view: JournalView, by: str, now: datetime) -> None:
        """Push them; a branch that is gone is begun anew. Raises: StalledError; RepositoryUnavailable."""
        message = f"{len(records)} records were made again from the branch's commits"
        details = {"by": by, "rollbacks": [record.id for record in records]}
        entry = DecisionEntry(now, CONTROLLER, "rebuilt", Reason.JOURNAL_LOST.value, "", message, details)
        with self.journal_repo.exclusive():
            commit = self.journal.commit(view.head, records, [entry], now)
            result = self.journal_repo.push([RefUpdate(self.journal.ref, commit, view.head)])
        if result.outcome is PushOutcome.UNKNOWN:
            raise RepositoryUnavailable(self.repo.name, "did not answer the push, and cannot be read now: look again")
        if result.outcome is not PushOutcome.LANDED:
            message = f"{self.journal.ref} refuses the push: {result.message}"
            raise StalledError(self.repo.name, message, Reason.JOURNAL_UNWRITABLE)
