"""The branch of a pull request: the commits that we make for it, and their push. It only ever moves forward."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.executor import Executor
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.offer import Offer, PlannedHead, branch_of
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import Clock, ConfigRepo, PushOutcome

ONE = timedelta(seconds=1)
STRANGE_SECONDS = 60.0  # so long the journal may not tell yet that a head is another replica's


@dataclass(frozen=True)
class OfferBranches:
    """Writes objects to the clone; pushes through the executor alone."""

    repo: ConfigRepo
    clock: Clock
    _strange: dict[tuple[str, str], float] = field(default_factory=dict)

    def head_for(self, record: RollbackRecord, offer: Offer, plan: Plan) -> PlannedHead:
        """The commit that carries `plan` on the branch: on its base, or on what we have put on the branch before.

        Made again it is the same commit; where another replica has put one there that does just the same, it is that
        one. Raises: StalledError `ForeignPush` where somebody else's is the newest.
        """
        base, tree = plan.reversal.base, plan.reversal.tree
        if tree is None:
            raise StalledError(record.id, "the plan has no tree", Reason.REVERT_CONFLICT)
        if plan.coordinated:
            raise StalledError(record.id, "data was moved, so it goes back in steps alone", Reason.STRATEGY_UNFIT)
        date = max(self.repo.commit(base).committed_at + ONE, record.times["decided"].replace(microsecond=0))
        below, blobs = self._below(record, offer), {one.path: one.new_blob for one in plan.reversal.changes}
        there = next((one for one in offer.heads if one.commit == below), None)
        if there is not None and (there.base, there.blobs) == (base, blobs):
            return there
        parent = base
        if below is not None:
            words = f"Merge branch '{self.repo.branch}' into {branch_of(record.id, record.applications[0])}\n"
            date = max(date, self.repo.commit(below).committed_at + ONE)
            parent = self.repo.write_commit(self.repo.tree(base), below, words, date, merged=base)
        commit = self.repo.write_commit(tree, parent, plan.message, date + ONE)
        return PlannedHead(commit, base, blobs)

    def _below(self, record: RollbackRecord, offer: Offer) -> str | None:
        """What stands on the remote branch, and is ours; None where there is no such branch yet."""
        head = self.repo.head_of(branch_of(record.id, record.applications[0]))
        if head is not None and not offer.made(head):
            if self.may_be_ours(record, head):
                raise RepositoryUnavailable(self.repo.name, f"the journal does not tell yet who made {head[:12]}")
            raise StalledError(record.id, f"somebody else's commit {head[:12]} is on its branch", Reason.FOREIGN_PUSH)
        return head

    def may_be_ours(self, record: RollbackRecord, head: str) -> bool:
        """A head that the journal does not know was first seen a moment ago: another replica may have written it."""
        now = self.clock.monotonic()
        since = keep(self._strange, (record.id, head), self._strange.get((record.id, head), now))
        return now - since < STRANGE_SECONDS

    def can_follow(self, commit: str, head: str | None) -> bool:
        """A plain push takes the branch from `head` to this commit."""
        return self.repo.has(commit) and (head is None or self.repo.is_ancestor(head, commit))

    def push(self, record: RollbackRecord, executor: Executor) -> str:
        """Push the newest head; the server's words where a rule refuses it, "" where it is there.

        Raises: RepositoryUnavailable where the next look must tell; StalledError; LeaseLost.
        """
        offer = record.offer
        if offer is None or offer.newest is None:
            return ""
        branch, commit = branch_of(record.id, record.applications[0]), offer.newest.commit
        below = self._below(record, offer)
        if below == commit:
            return ""
        if not self.repo.has(commit):
            raise StalledError(record.id, f"its commit {commit[:12]} is neither here nor at the remote")
        if not self.can_follow(commit, below):
            raise RepositoryUnavailable(self.repo.name, f"{branch} has another commit of ours by now")
        result = executor.push_branch(branch, commit, below)
        if result.outcome is PushOutcome.PROTECTED:
            return f"{branch} refuses our push: {result.message}"
        if result.outcome is not PushOutcome.LANDED:
            raise RepositoryUnavailable(self.repo.name, f"{branch} could not be pushed: {result.message}")
        return ""
