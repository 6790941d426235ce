"""Did an earlier rollback leave somebody without what it needs, so that only the culprit of today has brought it back?

Then what needs it changed before that culprit, and is no dependant that has changed since: it would break once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops_rollback.app.blame import MAX_RANGE
from gitops_rollback.app.dependencies import needs, reached
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.subject import Look
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import ObjectMissing, Reason
from gitops_rollback.core.guards.facts import ask
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.cascade import gone_back, short
from gitops_rollback.ports import ConfigRepo

GUARD = "left-without"


@dataclass(frozen=True)
class LeftWithout:
    """Reads; writes nothing."""

    repo: ConfigRepo

    def answers(
        self, look: Look, undone: Sequence[Commit], listing: Listing, records: Sequence[RollbackRecord]
    ) -> tuple[GuardAnswer, ...]:
        """A question to a person where the plan ends in what such a rollback had left; else nothing."""
        known = needs(listing, look, engines=True)
        dependants = [fed for fed in listing.fed if look.name in reached(fed.name, known)]
        if not dependants or not undone:
            return ()
        gone = {sha for record in records for sha in gone_back(record)}
        for record in (one for one in records if one.commit is not None and look.name in one.applications):
            for commit in self._left(record, undone[-1], look, records):
                other = next((fed for fed in dependants if fed.own.of(commit.paths)), None)
                if other is not None and commit.sha not in gone:
                    words = (
                        f"{short(other.name)} has changed with {commit.sha[:12]}, and needs what {record.id} had taken"
                    )
                    message = f"{words} back before; what goes back now may have brought it again"
                    return (ask(GUARD, Reason.GOES_TOGETHER, message, "look at it, then approve the plan"),)
        return ()

    def _left(
        self, record: RollbackRecord, culprit: Commit, look: Look, records: Iterable[RollbackRecord]
    ) -> tuple[Commit, ...]:
        """What stayed of the commits after those that it took back, if nothing of the application came between."""
        before = culprit.parents[0] if culprit.parents else ""
        if not before or not record.reverts or not self.repo.is_ancestor(str(record.commit), before):
            return ()
        try:
            between = self.repo.commits(str(record.commit), before, MAX_RANGE)
            if any(look.watched.own.of(commit.paths) for commit in between):
                return ()
            stayed = self.repo.commits(record.reverts[-1], before, MAX_RANGE)
        except ObjectMissing:
            return ()
        return tuple(commit for commit in stayed if not ours(commit, records, None))
