"""What is done to one pull request while it is open: opened, edited, labelled, commented, reviewed, checked.

Every change goes through a method here, whoever asks: the API, a push, a person on the web. Each emits its event.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.events import Event, What
from gitops_rollback.sandbox.forge.merging import Repository
from gitops_rollback.sandbox.forge.rules import code_owners
from gitops_rollback.sandbox.forge.state import Comment, Kind, Label, PullRequest, Review, State, Status


class Desk(ABC):
    """The open pull requests of one repository. Thread-safe."""

    def __init__(self, state: State, git: Repository, clock: SandboxClock) -> None:
        self.state = state
        self.git = git
        self.lock = threading.RLock()
        self.listeners: list[Callable[[Event], None]] = []
        self._clock = clock

    @abstractmethod
    def notice(self, actor: str = "") -> None:
        """Look at what git has that we do not know: somebody has pushed. `actor`: who; else by the commit."""

    @abstractmethod
    def settle(self) -> None:
        """Merge what was scheduled and is ready."""

    def now(self) -> datetime:
        """The present, in whole seconds as forges tell it."""
        return self._clock.now().replace(microsecond=0)

    def emit(self, what: What, actor: str, pull: PullRequest | None = None, **about: object) -> None:
        """Tell whoever listens."""
        event = Event(what, actor, pull, about)
        for listener in self.listeners:
            listener(event)

    def point(self, pull: PullRequest) -> None:
        """The ref at which the forge keeps the head."""
        space = "merge-requests" if self.state.kind is Kind.GITLAB else "pull"
        self.git.point(f"refs/{space}/{pull.number}/head", pull.head_sha)

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
