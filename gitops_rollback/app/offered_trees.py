"""Where has a plan that waits as a pull request landed, and what would merging it leave? Asked of git alone.

Whoever merged it, and whatever the forge made of its commit: the contents say it.
Source: safety.md, Which commits are ours.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from gitops_rollback.app.bounded import keep
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import ObjectMissing
from gitops_rollback.core.offer import Blobs, Offer, PlannedHead
from gitops_rollback.core.ownership import is_landing
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.request import is_request_path
from gitops_rollback.core.rollback import RollbackRecord, StepRecord
from gitops_rollback.ports import ConfigRepo

MERGED_BY_GIT = (1, 2)  # rungs of a reversal that any forge's merge comes to as well
SYNTHETIC = "side of a merge\n"  # no ref ever reaches such a commit


@dataclass
class OfferedTrees:
    """Keeps the newest answers: each is asked at every look while a plan waits. Thread-safe."""

    repo: ConfigRepo
    _searched: dict[tuple[str, str], tuple[str, StepRecord | None]] = field(default_factory=dict)
    _merges: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def landing(self, record: RollbackRecord, head: str) -> StepRecord | None:
        """The commit below `head` that carries out what waits, with what it left of each file; None if none does.

        The newest one: a branch that is taken over as it is brings our earlier commits along.
        """
        offer = record.offer
        if offer is None or offer.newest is None or head == offer.heads[0].base:
            return None
        key = (record.id, offer.newest.commit)
        with self._lock:
            searched, found = self._searched.get(key, (offer.heads[0].base, None))
        if found is None or not self.repo.is_ancestor(str(found.commit), head):
            # What was searched before is not read again at each commit that others land.
            found = self._search(offer, searched, head)
        with self._lock:
            keep(self._searched, key, (head, found))
        return found

    def _search(self, offer: Offer, since: str, head: str) -> StepRecord | None:
        try:
            line = self.repo.commits(since, head)
        except ObjectMissing:
            return None
        for commit in line:
            if any(self._is(commit, planned) for planned in offer.heads):
                return StepRecord(1, 1, commit.sha, {change.path: change.new_blob for change in commit.changes})
        return None

    def _is(self, commit: Commit, planned: PlannedHead) -> bool:
        """Blob for blob; or, where the base that moved changed the same files, what merging our commit there gives."""
        if is_landing(commit, StepRecord(1, 1, None, self._besides_request(commit, planned))):
            return True
        if set(commit.paths) != set(planned.blobs) or not commit.parents:
            return False
        return self.merged(planned, commit.parents[0]) == commit.tree

    def _besides_request(self, commit: Commit, planned: PlannedHead) -> Blobs:
        """What is planned, but for a request's own file that a commit below has brought: a rebase keeps them apart."""
        there = {
            path
            for path, blob in planned.blobs.items()
            if is_request_path(path) and path not in commit.paths and self.repo.entry_id(commit.sha, path) == blob
        }
        return {path: blob for path, blob in planned.blobs.items() if path not in there}

    def merged(self, planned: PlannedHead, at: str) -> str | None:
        """The tree that merging `planned` into the commit `at` leaves; None where it conflicts, or cannot be told."""
        if not self.repo.has(planned.commit):
            return None
        key = (planned.commit, at)
        with self._lock:
            if key in self._merges:
                return self._merges[key]
        tree = self._merge(planned, at)
        with self._lock:
            return keep(self._merges, key, tree)

    def _merge(self, planned: PlannedHead, at: str) -> str | None:
        date = self.repo.commit(planned.base).committed_at
        theirs = self.repo.write_commit(self.repo.tree(planned.commit), planned.base, SYNTHETIC, date)
        base = self.repo.write_commit(self.repo.tree(planned.base), theirs, SYNTHETIC, date)
        found = self.repo.reverse(at, (base,))
        by_git = found.outcome is PlanOutcome.EMPTY or found.rung in MERGED_BY_GIT
        return found.tree if by_git else None

    def untouched(self, planned: PlannedHead, at: str) -> bool:
        """Nobody has changed the plan's files between its base and `at`."""
        return planned.base == at or all(
            self.repo.entry_id(planned.base, path) == self.repo.entry_id(at, path) for path in planned.blobs
        )
