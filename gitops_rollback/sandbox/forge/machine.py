"""The one state machine behind the three dialects: what happens to pull requests, and what is told of it.

Every change goes through a method here, whoever asks for it: the API, a push, a person on the web, or the forge itself
when what a scheduled merge waited for has come. Each emits its events. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge.landing import land, person_of
from gitops_rollback.sandbox.forge.merging import Conflict, Moved, Repository
from gitops_rollback.sandbox.forge.rules import blocks, code_owners, may_merge
from gitops_rollback.sandbox.forge.state import (
    Access,
    Block,
    Comment,
    Kind,
    Label,
    PullRequest,
    Review,
    Scheduled,
    State,
    Status,
)
from gitops_rollback.sandbox.git_door import ZERO, RefChange


class Machine:
    """The forge of one repository."""

    def __init__(self, state: State, git: Repository, clock: SandboxClock) -> None:
        self.state = state
        self.git = git
        self.lock = threading.RLock()
        self.listeners: list[Callable[[Event], None]] = []
        self._clock = clock
        self._branches = git.branches()

    def now(self) -> datetime:
        """The present, in whole seconds as forges tell it."""
        return self._clock.now().replace(microsecond=0)

    def emit(self, what: What, actor: str, pull: PullRequest | None = None, **about: object) -> None:
        """Tell whoever listens."""
        event = Event(what, actor, pull, about)
        for listener in self.listeners:
            listener(event)

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

    def point(self, pull: PullRequest) -> None:
        """The ref at which the forge keeps the head."""
        space = "merge-requests" if self.state.kind is Kind.GITLAB else "pull"
        self.git.point(f"refs/{space}/{pull.number}/head", pull.head_sha)

    # Pull requests

    def open(
        self, author: str, head: str, base: str, title: str, body: str, draft: bool = False, fork: str = ""
    ) -> PullRequest:
        """A new one; the caller has looked whether that may be. `fork`: the head is a commit of another repository."""
        with self.lock:
            self.notice()
            now = self.now()
            sha = self.git.head(head) or head
            number = self.state.next("pull")
            pull = PullRequest(number, author, title, body, head, base, sha, now, now, draft, fork=fork)
            pull.looked_at = (sha, self.git.head(base))
            pull.asks_left = self.state.knobs.asks_after_open
            self.state.pulls[number] = pull
            self.point(pull)
            owners = [] if self.state.kind is Kind.GITLAB else code_owners(self.git, pull)
            if self.state.kind is Kind.GITEA:
                self.ask_review(number, author, owners)
            self.emit(What.OPENED, author, pull)
            self.ask_review(number, author, owners)
            return pull

    def find(self, head: str, base: str, fork: str = "") -> PullRequest | None:
        """The open one of these branches."""
        same = (pull for pull in self.state.open_pulls() if (pull.head, pull.base, pull.fork) == (head, base, fork))
        return next(same, None)

    def edit(self, number: int, actor: str, **fields: object) -> None:
        """Change `title`, `body`, `base`, `draft`; what is equal is no change."""
        with self.lock:
            pull = self.state.pulls[number]
            changed = {name: value for name, value in fields.items() if getattr(pull, name) != value}
            before = {name: getattr(pull, name) for name in changed}
            for name, value in changed.items():
                setattr(pull, name, value)
            if changed:
                pull.updated_at = self.now()
                self.emit(What.EDITED, actor, pull, before=before)
                self.settle()

    def label(self, number: int, actor: str, names: Iterable[str], replace_all: bool = False) -> None:
        """Put labels; a name that the repository does not have yet is created."""
        with self.lock:
            pull = self.state.pulls[number]
            wanted = list(names)
            for name in wanted:
                self.create_label(name)
            had = set(pull.labels)
            kept = [] if replace_all else pull.labels
            pull.labels = list(dict.fromkeys([*kept, *wanted]))
            if had != set(pull.labels):
                pull.updated_at = self.now()
                self.emit(What.LABELED, actor, pull, added=[n for n in pull.labels if n not in had])

    def unlabel(self, number: int, actor: str, name: str) -> bool:
        """False if it had none such."""
        with self.lock:
            pull = self.state.pulls[number]
            if name not in pull.labels:
                return False
            pull.labels.remove(name)
            pull.updated_at = self.now()
            self.emit(What.UNLABELED, actor, pull, removed=[name])
            return True

    def create_label(self, name: str, color: str = "428bca") -> Label:
        """The label of that name, new or not."""
        return self.state.labels.setdefault(name, Label(self._label_id(name), name, color.removeprefix("#")))

    def _label_id(self, name: str) -> int:
        return self.state.labels[name].id if name in self.state.labels else self.state.next("label")

    def ask_review(self, number: int, actor: str, logins: Iterable[str]) -> list[str]:
        """Those who were not asked yet."""
        with self.lock:
            pull = self.state.pulls[number]
            new = [login for login in dict.fromkeys(logins) if login not in pull.reviewers and login != pull.author]
            pull.reviewers += new
            for login in new:
                pull.updated_at = self.now()
                self.emit(What.REVIEW_REQUESTED, actor, pull, reviewer=login)
            return new

    def assign(self, number: int, actor: str, logins: Iterable[str]) -> None:
        with self.lock:
            pull = self.state.pulls[number]
            new = [login for login in dict.fromkeys(logins) if login not in pull.assignees]
            pull.assignees += new
            if new:
                self.emit(What.ASSIGNED, actor, pull, assignees=new)

    def comment(self, number: int, author: str, body: str, path: str = "", line: int = 0, review: int = 0) -> Comment:
        """Write one, on the whole or on a line."""
        with self.lock:
            pull, now = self.state.pulls[number], self.now()
            made = Comment(self.state.next("comment"), author, body, now, now, path, line, review)
            pull.comments.append(made)
            pull.updated_at = now
            self.emit(What.COMMENTED, author, pull, comment=made)
            return made

    def edit_comment(self, pull: PullRequest, comment: Comment, actor: str, body: str) -> None:
        with self.lock:
            before, comment.body = comment.body, body
            comment.updated_at = pull.updated_at = max(self.now(), comment.created_at)
            self.emit(What.COMMENT_EDITED, actor, pull, comment=comment, before=before)

    def delete_comment(self, pull: PullRequest, comment: Comment, actor: str) -> None:
        with self.lock:
            pull.comments.remove(comment)
            self.emit(What.COMMENT_DELETED, actor, pull, comment=comment)

    def review(self, number: int, author: str, state: str, body: str = "", sha: str = "") -> Review:
        """approved | changes_requested | commented | dismissed; `sha`: the head that was looked at."""
        with self.lock:
            pull = self.state.pulls[number]
            seen = sha or pull.head_sha
            made = Review(self.state.next("review"), author, state, body, seen, self.now())
            pull.reviews.append(made)
            if state in ("approved", "dismissed"):
                self._write_down(pull, author, f"{'un' * (state == 'dismissed')}approved this merge request")
            pull.updated_at = self.now()
            self.emit(What.REVIEWED, author, pull, review=made)
            self.settle()
            return made

    def _write_down(self, pull: PullRequest, actor: str, body: str) -> None:
        """GitLab keeps what happens among the notes; no webhook tells of that."""
        if self.state.kind is Kind.GITLAB:
            now = self.now()
            pull.comments.append(Comment(self.state.next("comment"), actor, body, now, now, system=True))

    def set_status(
        self, sha: str, context: str, state: str, creator: str, description: str = "", url: str = "", ref: str = ""
    ) -> Status:
        with self.lock:
            now = self.now()
            made = Status(self.state.next("status"), sha, context, state, description, url, creator, now, ref)
            self.state.statuses.append(made)
            self.emit(What.STATUS, creator, status=made)
            self.settle()
            return made

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
        pull.scheduled = pull.queued_at = None
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

    def merge(self, pull: PullRequest, order: Scheduled) -> None:
        """Land it; the caller has looked whether that may be. Raises: Conflict; Moved if somebody was faster."""
        with self.lock:
            self.notice()
            base = self.git.head(pull.base)
            landed = land(self.git, self.state, pull, order, base, self.now())
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
            pull.scheduled = pull.queued_at = None
            self.emit(What.AUTO_MERGE_DISABLED, actor, pull)
            return True

    def settle(self) -> None:
        """Merge what was scheduled and is ready. Called after every change."""
        with self.lock:
            for pull in self.state.open_pulls():
                if pull.scheduled is not None and not self.state.knobs.hold_schedule:
                    self._settle(pull, pull.scheduled)

    def _settle(self, pull: PullRequest, order: Scheduled) -> None:
        if blocks(self.state, self.git, pull) or not may_merge(self.state, order.by, pull.base):
            return
        rules = self.state.rules_of(pull.base)
        if rules is not None and rules.queue and not self._through_queue(pull):
            return
        try:
            self.merge(pull, order)
        except (Conflict, Moved):
            self.unschedule(pull, order.by)

    def _through_queue(self, pull: PullRequest) -> bool:
        if pull.queued_at is None:
            pull.queued_at = self._clock.now()
            self.emit(What.QUEUED, pull.author, pull)
        return not self.state.knobs.hold_queue and self._has_waited(pull)

    def _has_waited(self, pull: PullRequest) -> bool:
        queued, seconds = pull.queued_at, self.state.knobs.queue_seconds
        return queued is not None and self._clock.now() - queued >= timedelta(seconds=seconds)

    def pass_time(self) -> None:
        """What waits for nothing but time: the merge queue."""
        with self.lock:
            if any(self._has_waited(pull) for pull in self.state.open_pulls()):
                self.settle()


def _dismissed(review: Review) -> Review:
    return replace(review, state="dismissed") if review.state == "approved" else review
