"""What the clients of all forges do alike: look for what a lost answer may have made, and open a pull request once.

Source: contracts/forges.md, sections 1 and 6.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar
from urllib.parse import quote

import structlog

from gitops_rollback.adapters.forges.answer import Answer, OutcomeUnknown
from gitops_rollback.adapters.forges.exchange import Call, Exchange, Query
from gitops_rollback.adapters.forges.marking import upsert
from gitops_rollback.adapters.forges.normal import Settling
from gitops_rollback.adapters.forges.paging import entries
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, RollbackError
from gitops_rollback.core.pull_request import Comment, PullRequest, PullRequestState

MOST_PATHS = 3000  # GitHub lists no more
log = structlog.get_logger()


class ForgeClient(ABC):
    """The half of `ports.forge.Forge` that no forge's own words are needed for; `root` is its path there."""

    kind: str

    def __init__(self, exchange: Exchange, root: str) -> None:
        settings = exchange.settings
        self.repository, self.web_url = settings.repository, settings.web_url
        self._settings = settings
        self._exchange = exchange
        self._root = root
        self._settling = Settling(settings.settling)
        self._login = ""
        exchange.confirm = self._confirm

    def find(self, head: str, base: str) -> PullRequest | None:
        call = self._exchange.call("find")
        found = list(self._of_branches(call, head, base))
        best = next((one for one in found if one.state is PullRequestState.OPEN), found[0] if found else None)
        return self._get(call, best.number) if best else None

    def get(self, number: int) -> PullRequest:
        return self._get(self._exchange.call("get"), number)

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest:
        call = self._exchange.call("open")
        try:
            answer = self._create(call, head, base, title, body, labels)
        except OutcomeUnknown:
            found = self._open_one(call, head, base)
            if found is None:
                raise
            return self._dressed(call, found, labels, reviewers)
        if answer.fine:
            return self._dressed(call, self._read(answer.node(), call), labels, reviewers)
        existing = self._open_one(call, head, base) if self._may_exist(answer) else None
        if existing is None:
            raise answer.refusal()
        return self._dressed(call, existing, labels, ())

    def read_file(self, sha: str, path: str, limit: int) -> bytes | None:
        answer = self._exchange.call("read_file").get(self._contents(path), {"ref": sha}, accept=(404,))
        found = answer.node()  # a folder is a list
        size, content = found.get("size").number(), found.get("content").text()
        if answer.status == 404 or size is None or size > limit or found.get("encoding").text() != "base64":
            return None
        return decoded(content)

    def close(self, number: int) -> None:
        call = self._exchange.call("close")
        answer = self._close(call, number)
        if not answer.fine and self._get(call, number).state is PullRequestState.OPEN:
            raise answer.refusal()

    def _open_one(self, call: Call, head: str, base: str) -> PullRequest | None:
        found = self._of_branches(call, head, base)
        number = next((one.number for one in found if one.state is PullRequestState.OPEN), None)
        return self._get(call, number) if number is not None else None

    def _of_branches(self, call: Call, head: str, base: str) -> Iterator[PullRequest]:
        """Those of exactly these branches of this repository, the newest first."""
        for one in self._listed(call, head, base):
            if (one.head, one.base, one.from_fork) == (head, base, False):
                yield one

    def _may_exist(self, _refused: Answer) -> bool:
        """Can it be that this answer to `_create` only says that there is one already?"""
        return True

    def _contents(self, path: str) -> str:
        """Where a file is told with its content."""
        return f"{self._root}/contents/{quote(path)}"

    @abstractmethod
    def _confirm(self, call: Call) -> None:
        """Raises: ForgeRefused if the host is none of this kind."""

    @abstractmethod
    def _create(self, call: Call, head: str, base: str, title: str, body: str, labels: Sequence[str]) -> Answer:
        """Ask once for a new one; a refusal that can mean "there is one" is answered. Raises: OutcomeUnknown."""

    @abstractmethod
    def _close(self, call: Call, number: int) -> Answer:
        """Ask once to close it; a refusal that can mean "it is not open" is answered."""

    @abstractmethod
    def _listed(self, call: Call, head: str, base: str) -> Iterator[PullRequest]:
        """Those of these branches in any state, as the list tells them, the newest first; it may hold others, too."""

    @abstractmethod
    def _get(self, call: Call, number: int) -> PullRequest:
        """One, fresh."""

    @abstractmethod
    def _read(self, node: Node, call: Call) -> PullRequest:
        """One as it was answered."""

    @abstractmethod
    def _dressed(self, call: Call, opened: PullRequest, labels: Sequence[str], reviewers: Sequence[str]) -> PullRequest:
        """With its labels and reviewers, as far as the forge takes them."""


def decoded(content: str) -> bytes | None:
    """A file's bytes; None for what is no base64, which GitHub breaks into lines."""
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except ValueError:
        return None


class GitHubStyle(ForgeClient):
    """What Gitea took over from GitHub's API, word by word."""

    page: ClassVar[Query]  # as many of a list as are asked for at once

    def comment(self, number: int, marker: str, body: str) -> str:
        call = self._exchange.call("comment")

        def create(text: str) -> str:
            place = f"{self._root}/issues/{number}/comments"
            return self._read_comment(call.write("POST", place, {"body": text}).node(), call).id

        def edit(identity: str, text: str) -> None:
            call.write("PATCH", f"{self._root}/issues/comments/{identity}", {"body": text})

        return upsert(marker, body, self._own_login(call), lambda: self._discussion(call, number), create, edit)

    def react(self, number: int, comment: Comment, done: bool) -> None:
        path = f"{self._root}/{self._room(comment)}/comments/{quote(comment.id)}/reactions"
        try:
            self._exchange.call("react").write("POST", path, {"content": "+1" if done else "confused"})
        except RollbackError as error:
            log.info("a comment got no reaction", number=number, error=error.message)

    def changed_paths(self, number: int) -> tuple[str, ...]:
        call = self._exchange.call("changed_paths")
        files = islice(entries(call, f"{self._root}/pulls/{number}/files", self.page), MOST_PATHS)
        names = (one.get(key).text() for one in files for key in ("previous_filename", "filename"))
        return tuple(dict.fromkeys(name for name in names if name))

    def _room(self, _comment: Comment) -> str:
        """Where a comment is found by its id."""
        return "issues"

    def _dressed(self, call: Call, opened: PullRequest, labels: Sequence[str], reviewers: Sequence[str]) -> PullRequest:
        missing = [label for label in labels if label not in opened.labels]
        try:
            if missing:
                self._label(call, opened.number, missing)
        except (ForgeRefused, CredentialsRejected) as error:
            log.warning("a pull request got no labels", number=opened.number, labels=missing, error=error.message)
        for asked in reviewers:
            self._ask_for_review(call, opened.number, asked.removeprefix("@"))
        return self._get(call, opened.number) if missing else opened

    def _ask_for_review(self, call: Call, number: int, asked: str) -> None:
        """One by one: all are refused if one of them is no collaborator, or the author."""
        team = asked.partition("/")[2]
        body = {"team_reviewers": [team]} if team else {"reviewers": [asked]}
        try:
            call.write("POST", f"{self._root}/pulls/{number}/requested_reviewers", body)
        except (ForgeRefused, CredentialsRejected) as error:
            log.warning("a reviewer was not asked", number=number, reviewer=asked, error=error.message)

    @abstractmethod
    def _own_login(self, call: Call) -> str:
        """Who we are there."""

    @abstractmethod
    def _label(self, call: Call, number: int, labels: Sequence[str]) -> None:
        """Give it labels that it has not."""

    @abstractmethod
    def _read_comment(self, node: Node, call: Call) -> Comment:
        """One as it was answered."""

    @abstractmethod
    def _discussion(self, call: Call, number: int) -> Iterator[Comment]:
        """Its comments but for those of lines, the oldest first."""
