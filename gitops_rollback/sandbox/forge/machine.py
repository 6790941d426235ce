"""The one state machine behind the three dialects: what pushes do to pull requests, and how these come to their end.

What is done to one while it is open is in `desk`. The forge itself merges when what a scheduled merge waited for has
come. Thread-safe.
"""

from __future__ import annotations

from dataclasses import replace

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.desk import Desk
from gitops_rollback.sandbox.forge.events import What
from gitops_rollback.sandbox.forge.landing import Landed, land, person_of
from gitops_rollback.sandbox.forge.merging import Conflict, Moved, Repository
from gitops_rollback.sandbox.forge.queue import Group, MergeQueue
from gitops_rollback.sandbox.forge.rules import blocks, may_merge
from gitops_rollback.sandbox.forge.state import (
    Access,
    Block,
    Kind,
    PullRequest,
    Review,
    Scheduled,
    State,
)
from gitops_rollback.sandbox.git_door import ZERO, RefChange


class Machine(Desk):
    """The forge of one repository."""

    def __init__(self, state: State, git: Repository, clock: SandboxClock) -> None:
        super().__init__(state, git, clock)
        self._branches = git.branches()
        self._settling = self._unsettled = False
        self.queue = MergeQueue(state, git, clock, self._grouped)

    def _grouped(self, pull: PullRequest, group: Group) -> None:
        self.emit(What.QUEUED, pull.author, pull, group=group)

    # Branches

    def notice(self, actor: str = "") -> None:
        """Look at what git has that we do not know: somebody has pushed. `actor`: who; else by the commit."""
        with self.lock:
            now = self.git.branches()
            before, self._branches = self._branches, now
            for branch in sorted(before.keys() | now.keys()):
                old, new = before.get(branch, ZERO), now.get(branch, ZERO)
                if old != new:
                    self._branch_moved(RefChange(old, new, f"refs/heads/{branch}"), actor)

    def _branch_moved(self, change: RefChange, actor: str) -> None:
        branch = change.ref.removeprefix("refs/heads/")
        who = actor or self._who_made(change.new)
        if change.new == ZERO:
            self.emit(What.BRANCH_DELETED, who, branch=branch)
            self._head_is_gone(branch, who)
            return
        if change.old == ZERO:
            self.emit(What.BRANCH_CREATED, who, branch=branch, sha=change.new)
        self.emit(What.PUSHED, who, change=change)
        for pull in self.state.open_pulls():
            if pull.head == branch and not pull.fork and pull.head_sha != change.new:
                self._head_moved(pull, change.new, who)
            if pull.base == branch:
                self._base_moved(pull, change.new, who)
        self.settle()

    def _who_made(self, sha: str) -> str:
        if sha == ZERO:
            return next(iter(self.state.users), "")
        email = self.git.read_commit(sha).committer.email
        known = (user.login for user in self.state.users.values() if user.email == email)
        return next(known, next(iter(self.state.users), ""))

    def _head_moved(self, pull: PullRequest, sha: str, who: str) -> None:
        before, pull.head_sha = pull.head_sha, sha
        self.point(pull)
        pull.updated_at = self.now()
        rules = self.state.rules_of(pull.base)
        if rules is not None and rules.dismiss_stale:
            pull.reviews = [_dismissed(review) for review in pull.reviews]
        if pull.scheduled is not None and not self._keeps_schedule(who):
            self.unschedule(pull, who)
        self._write_down(pull, who, f"added 1 commit\n\n<ul><li>{sha[:8]}</li></ul>")
        self.emit(What.SYNCHRONIZED, who, pull, before=before, after=sha)

    def _keeps_schedule(self, pusher: str) -> bool:
        """A scheduled merge outlives a push: at Gitea always, at GitHub if the pusher may write, at GitLab never."""
        if self.state.kind is Kind.GITHUB:
            return self.state.may(pusher) >= Access.WRITE
        return self.state.kind is Kind.GITEA

    def _base_moved(self, pull: PullRequest, sha: str, who: str) -> None:
        """A push that brings the head has merged it; Gitea does not look for that by default."""
        if self.state.kind is not Kind.GITEA and pull.head_sha != sha and self.git.contains(sha, pull.head_sha):
            self._closed(pull, who, merged=sha if self.state.kind is Kind.GITHUB else "")

    def _head_is_gone(self, branch: str, who: str) -> None:
        """GitHub and Gitea close what had its head there; GitLab leaves it open and broken."""
        for pull in self.state.open_pulls():
            if pull.head == branch and not pull.fork and self.state.kind is not Kind.GITLAB:
                self._closed(pull, who)

    def delete_branch(self, branch: str, actor: str) -> bool:
        """False if there is none."""
        with self.lock:
            if not self.git.head(branch):
                return False
            self.git.delete(branch)
            self.notice(actor)
            return True

    # The end of a pull request

    def close(self, number: int, actor: str) -> None:
        with self.lock:
            self._closed(self.state.pulls[number], actor)

    def reopen(self, number: int, actor: str) -> None:
        with self.lock:
            pull = self.state.pulls[number]
            pull.state, pull.closed_at = "open", None
            pull.updated_at = self.now()
            self.emit(What.REOPENED, actor, pull)

    def _closed(self, pull: PullRequest, actor: str, merged: str | None = None) -> None:
        """`merged`: by which commit; "" where the forge names none."""
        pull.state = "closed" if merged is None else "merged"
        pull.base_sha = pull.base_sha or self.git.head(pull.base)
        pull.closed_at = pull.updated_at = self.now()
        pull.closed_by = actor
        self._take_back(pull)
        if merged is not None:
            pull.merge_sha, pull.merged_by = merged or None, actor
        self.emit(What.CLOSED if merged is None else What.MERGED, actor, pull)

    def look(self, pull: PullRequest, asked: bool = True) -> tuple[Block, ...]:
        """What stands against a merge now; CHECKING alone while that is worked out. `asked`: that makes it go on."""
        with self.lock:
            pair = (pull.head_sha, self.git.head(pull.base))
            if pair != pull.looked_at:
                pull.looked_at = pair
                pull.asks_left = self.state.knobs.asks_after_push
                pull.stale_left = self.state.knobs.stale_asks
            if pull.stale_left > 0 and pull.last_found is not None:
                pull.stale_left -= 1 if asked else 0
                return pull.last_found
            if pull.asks_left > 0:
                pull.asks_left -= 1 if asked else 0
                return (Block.CHECKING,)
            pull.last_found, pull.found_for = blocks(self.state, self.git, pull), pair
            return pull.last_found

    def merge(self, pull: PullRequest, order: Scheduled, made: Landed | None = None) -> None:
        """Land it, as it was `made` before; the caller has looked whether that may be. Raises: Conflict; Moved."""
        with self.lock:
            self.notice()
            if not pull.open:  # what was noticed has let it land
                return
            base = self.git.head(pull.base)
            landed = made or land(self.git, self.state, pull, order, base, self.now())
            self.git.move(f"refs/heads/{pull.base}", landed.tip, base)
            self._branches[pull.base] = landed.tip
            pull.base_sha, pull.squash_sha = base, landed.squash_sha
            self._closed(pull, order.by, merged=landed.merge_sha or "")
            self._branch_moved(RefChange(base, landed.tip, f"refs/heads/{pull.base}"), order.by)
            if order.delete_branch or self.state.settings.delete_branch:
                self.delete_branch(pull.head, order.by)

    def rebase(self, pull: PullRequest, actor: str) -> None:
        """Put the head branch on the base's head. Raises: Conflict; Moved if somebody was faster."""
        with self.lock:
            who = (person_of(self.state, actor), self.now())
            tip = self.git.rebased(self.git.head(pull.base), pull.head_sha, who)
            self.git.move(f"refs/heads/{pull.head}", tip, pull.head_sha)
            self.notice(actor)

    def schedule(self, pull: PullRequest, order: Scheduled) -> None:
        """Merge it once nothing is missing, or put it into the merge queue."""
        with self.lock:
            pull.scheduled = replace(order, at=self.now())
            self.emit(What.AUTO_MERGE_ENABLED, order.by, pull)
            self.settle()

    def unschedule(self, pull: PullRequest, actor: str) -> bool:
        """False if none was scheduled."""
        with self.lock:
            if pull.scheduled is None:
                return False
            self._take_back(pull)
            self.emit(What.AUTO_MERGE_DISABLED, actor, pull)
            return True

    def _take_back(self, pull: PullRequest) -> None:
        pull.scheduled = pull.queued_at = None
        self.queue.leave(pull)

    def settle(self) -> None:
        """Merge what was scheduled and is ready. Called after every change, also after those that it makes."""
        with self.lock:
            self._unsettled = True
            if self._settling:
                return
            self._settling = True
            try:
                self._settle_all()
            finally:
                self._settling = False

    def _settle_all(self) -> None:
        while self._unsettled:
            self._unsettled = False
            for pull in self.state.open_pulls():
                if pull.open and pull.scheduled is not None and not self.state.knobs.hold_schedule:
                    self._settle(pull, pull.scheduled)

    def _settle(self, pull: PullRequest, order: Scheduled) -> None:
        if blocks(self.state, self.git, pull) or not may_merge(self.state, order.by, pull.base):
            return
        rules = self.state.rules_of(pull.base)
        try:
            if rules is None or not rules.queue:
                self.merge(pull, order)
            elif (landed := self.queue.ready(pull, order)) is not None:
                self.merge(pull, order, landed)
        except (Conflict, Moved):
            self.unschedule(pull, order.by)

    def pass_time(self) -> None:
        """What waits for nothing but time: the merge queue."""
        with self.lock:
            if any(self.queue.has_waited(pull) for pull in self.state.open_pulls()):
                self.settle()


def _dismissed(review: Review) -> Review:
    return replace(review, state="dismissed") if review.state == "approved" else review
