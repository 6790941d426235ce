"""What people do at a forge by the web: open, comment, approve, merge, close, push to a branch.

They go straight to the state machine, as a click does; the rules of a merge hold for them as for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.events import What
from gitops_rollback.sandbox.forge.machine import Machine
from gitops_rollback.sandbox.forge.rules import blocks, may_merge
from gitops_rollback.sandbox.forge.state import Access, Block, Comment, Kind, Method, PullRequest, Scheduled
from gitops_rollback.sandbox.people import People


class NotAllowed(Exception):
    """The web shows no button for that, and says why."""


class ForgePeople:
    """Each method names who does it; they must be users of the forge."""

    def __init__(self, forge: Machine, bare: Path, clock: SandboxClock) -> None:
        self._forge = forge
        self._bare = bare
        self._clock = clock

    def push(self, login: str, branch: str, message: str, files: Mapping[str, str | None], base: str = "main") -> str:
        """A commit on a branch, which begins at `base` if it is new; its SHA."""
        forge = self._forge
        with forge.lock:
            if not forge.git.head(branch):
                forge.git.point(f"refs/heads/{branch}", forge.git.head(base))
            user = forge.state.users[login]
            author = f"{login} <{user.email}>"
            sha = People(self._bare, branch).push(message, files, self._clock.now(), author)
            forge.notice(login)
            return sha

    def open(
        self, login: str, head: str, title: str, base: str = "main", body: str = "", draft: bool = False
    ) -> PullRequest:
        """A new pull request of a branch of this repository."""
        return self._forge.open(login, head, base, self._drafted(title, draft), body, draft)

    def open_from_fork(self, login: str, fork: str, title: str, files: Mapping[str, str | None]) -> PullRequest:
        """One whose branch is in another repository (`fork`, a path): only its head is here."""
        branch, forge = f"fork-of-{login}", self._forge
        sha = self.push(login, branch, title, files)
        with forge.lock:
            forge.git.delete(branch)
            forge.notice(login)
            pull = forge.open(login, sha, forge.state.settings.default_branch, title, "", fork=fork)
            pull.head = branch
            return pull

    def _drafted(self, title: str, draft: bool) -> str:
        words = {Kind.GITLAB: "Draft: ", Kind.GITEA: "WIP: "}.get(self._forge.state.kind, "")
        return f"{words}{title}" if draft else title

    def comment(self, login: str, number: int, body: str) -> Comment:
        return self._forge.comment(number, login, body)

    def comment_line(self, login: str, number: int, path: str, line: int, body: str) -> Comment:
        """At a line of a file. GitHub and Gitea make a review of it."""
        review = self._forge.review(number, login, "commented") if self._forge.state.kind is not Kind.GITLAB else None
        return self._forge.comment(number, login, body, path, line, review.id if review else 0)

    def edit_comment(self, login: str, comment: Comment, body: str) -> None:
        found = self._forge.state.comment(comment.id)
        if found is not None:
            self._forge.edit_comment(*found, login, body)

    def approve(self, login: str, number: int, sha: str = "") -> None:
        """Of the head that is there, or of `sha`."""
        self._needs(login, Access.READ)
        self._forge.review(number, login, "approved", sha=sha)

    def request_changes(self, login: str, number: int, body: str = "") -> None:
        self._forge.review(number, login, "changes_requested", body)

    def edit(self, login: str, number: int, **fields: object) -> None:
        """`title`, `body`, `base`, `draft`."""
        self._forge.edit(number, login, **fields)

    def label(self, login: str, number: int, *names: str) -> None:
        self._forge.label(number, login, names)

    def close(self, login: str, number: int) -> None:
        self._forge.close(number, login)

    def reopen(self, login: str, number: int) -> None:
        self._forge.reopen(number, login)

    def merge(self, login: str, number: int, method: str = "merge", override: bool = False) -> str | None:
        """Press the button; the commit that the forge names. `override`: an administrator above the rules.

        Raises: NotAllowed.
        """
        forge, pull = self._forge, self._forge.state.pulls[number]
        with forge.lock:
            found = blocks(forge.state, forge.git, pull)
            against = [block for block in found if not override or block in (Block.CONFLICT, Block.DRAFT)]
            if override:
                self._needs(login, Access.ADMIN)
            if not pull.open or against or not may_merge(forge.state, login, pull.base):
                raise NotAllowed(", ".join(against) or pull.state)
            forge.merge(pull, Scheduled(login, Method(method)))
            return pull.merge_sha

    def merge_when_ready(self, login: str, number: int, method: str = "merge") -> None:
        """The other button: once nothing is missing."""
        pull = self._forge.state.pulls[number]
        self._forge.schedule(pull, Scheduled(login, Method(method), head_sha=pull.head_sha))

    def set_status(self, login: str, sha: str, context: str, state: str) -> None:
        """A check of somebody's build."""
        self._forge.set_status(sha, context, state, login)

    def delete_branch(self, login: str, branch: str) -> None:
        self._forge.delete_branch(branch, login)

    def press(self, login: str, check_id: int, identifier: str) -> None:
        """A button of a check of ours, at GitHub."""
        check = next(check for check in self._forge.state.checks if check.id == check_id)
        self._forge.emit(What.BUTTON, login, check=check, identifier=identifier)

    def run_queue(self) -> None:
        """The merge queue takes what waits, at once."""
        with self._forge.lock:
            waited = timedelta(seconds=self._forge.state.knobs.queue_seconds)
            for pull in self._forge.state.open_pulls():
                pull.queued_at = pull.queued_at - waited if pull.queued_at else None
            self._forge.settle()

    def _needs(self, login: str, access: Access) -> None:
        if self._forge.state.may(login) < access:
            raise NotAllowed(f"{login} may not")
