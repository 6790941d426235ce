"""The branch of a request: the commit that we make for it, and its push. It only ever moves forward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.request_finding import FoundRequest
from gitops_rollback.app.requesting import Prepared
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, StalledError
from gitops_rollback.core.offer import Offer, PlannedHead
from gitops_rollback.ports import ConfigRepo, PushOutcome

ONE = timedelta(seconds=1)
MOST_COMMITS = 200  # of a request's branch, that are looked through


@dataclass(frozen=True)
class RequestBranches:
    """Writes objects to the clone; pushes through the executor alone."""

    repo: ConfigRepo
    trees: OfferedTrees

    def stands(self, offer: Offer, found: FoundRequest, head: str) -> bool:
        """Our newest commit is the head, and nobody has changed its files on the branch since."""
        newest = offer.newest
        if newest is None or newest.commit != found.pull.head_sha:
            return False
        request = newest.blobs.get(found.path) == self.repo.entry_id(found.pull.head_sha, found.path)
        return request and self.trees.untouched(replace(newest, blobs=_without(newest, found.path)), head)

    def head_for(self, found: FoundRequest, offer: Offer, prepared: Prepared) -> PlannedHead:
        """The commit that carries the plan, on the request's head; below it the followed branch, where that moved.

        Made again it is the same commit. Raises: RepositoryUnavailable where the request has left the followed branch
        after this look read it: the commit would take back what came between, without a word.
        """
        plan, below = prepared.plan, found.pull.head_sha
        if plan is None or plan.reversal.tree is None:
            raise StalledError(found.path, "the plan has no tree", Reason.REVERT_CONFLICT)
        base, file = plan.reversal.base, {found.path: found.text}
        if self._is_ahead(found, offer, base):
            raise RepositoryUnavailable(self.repo.name, f"{found.pull.head} knows more of the branch than was read")
        date = max(self.repo.commit(one).committed_at for one in (base, below)) + ONE
        parent = below
        if not self.repo.is_ancestor(base, below):
            words = f"Merge branch '{self.repo.branch}' into {found.pull.head}\n"
            merged = self.repo.tree(self.repo.write_files(base, file, words, date))
            parent, date = self.repo.write_commit(merged, below, words, date, merged=base), date + ONE
        reverted = self.repo.write_commit(plan.reversal.tree, base, plan.message, date)
        tree = self.repo.tree(self.repo.write_files(reverted, file, plan.message, date))
        commit = self.repo.write_commit(tree, parent, plan.message, date)
        blobs = {change.path: change.new_blob for change in plan.reversal.changes}
        return PlannedHead(commit, base, {**blobs, found.path: self.repo.entry_id(commit, found.path)})

    def _is_ahead(self, found: FoundRequest, offer: Offer, base: str) -> bool:
        """What stands on the request's branch is the request, our own plans on what was read, and nothing newer."""
        made = {one.commit: one.base for one in offer.heads}
        for commit in self.repo.recent(found.pull.head_sha, MOST_COMMITS):
            if self.repo.is_ancestor(commit.sha, base):
                return False
            if commit.sha in made:
                return not self.repo.is_ancestor(made[commit.sha], base)
            merged = commit.parents[1:]
            if merged and not all(self.repo.is_ancestor(one, base) for one in merged):
                return True
            if not merged and set(commit.paths) != {found.path}:
                return True
        return True

    def push(self, found: FoundRequest, commit: str, executor: Executor) -> None:
        """Onto the head that was seen. Raises: StalledError where a rule refuses it; RepositoryUnavailable."""
        result = executor.push_branch(found.pull.head, commit, found.pull.head_sha)
        if result.outcome is PushOutcome.PROTECTED:
            message = f"{found.pull.head} refuses our push: {result.message}"
            raise StalledError(found.path, message, Reason.BRANCH_PROTECTED)
        if result.outcome is not PushOutcome.LANDED:
            raise RepositoryUnavailable(self.repo.name, f"{found.pull.head} could not be pushed: {result.message}")


def _without(head: PlannedHead, path: str) -> dict[str, str | None]:
    return {name: blob for name, blob in head.blobs.items() if name != path}
