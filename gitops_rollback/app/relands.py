"""Finds out in the clone which commits of a range bring back what a rollback of the application took back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.relanding import TakenBack, relanded, worth_watching
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import ConfigRepo


def relanded_in(
    repo: ConfigRepo, line: Sequence[Commit], application: str, records: Iterable[RollbackRecord], now: datetime
) -> Mapping[str, str]:
    """By commit of `line`, newest first: the Rollback-Id. What the clone has not is not compared."""
    known = [record for record in records if worth_watching(record, application, now)]
    return relanded(line, [_taken_back(repo, record) for record in known]) if known and line else {}


def _taken_back(repo: ConfigRepo, record: RollbackRecord) -> TakenBack:
    culprits = tuple(repo.commit(sha) for sha in record.reverts if repo.has(sha))
    steps = [step.commit for step in record.steps if step.commit and repo.has(step.commit)]
    changes = (change for sha in steps for change in repo.commit(sha).changes)
    return TakenBack(record, culprits, {one.path: one.old_blob for one in changes if one.old_blob is not None})
