"""A forge in memory over the bare repository of an `app_world`: it holds pull requests, and merges with real git.

It stands at the port, and keeps its contract: a merge is never without the expected head, what is equal is not written
again, and its answers can be lost after the effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app_world import World

from gitops_rollback.core.errors import ForgeRefused, ForgeUnavailable, RollbackError
from gitops_rollback.core.pull_request import (
    BranchRules,
    Comment,
    CommitStatus,
    ForgeFacts,
    Mergeability,
    Merged,
    MergeMethod,
    MergeOutcome,
    Permission,
    PullRequest,
    PullRequestState,
    StatusButtons,
    StatusState,
)

BOT = "rollback-bot"


@dataclass
class FakeForge:
    """`fails`: what the next calls of a method raise, before the effect; `loses`: after it."""

    world: World
    kind: str = "github"
    repository: str = "shop/config"
    web_url: str = "https://forge.example/shop/config"
    requests: dict[int, PullRequest] = field(default_factory=dict)
    bodies: dict[int, str] = field(default_factory=dict)
    reviewers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    comments_of: dict[int, dict[str, str]] = field(default_factory=dict)
    statuses: dict[tuple[str, str], tuple[StatusState, str]] = field(default_factory=dict)
    buttons: dict[tuple[str, str], StatusButtons | None] = field(default_factory=dict)
    scheduled: dict[int, tuple[str, MergeMethod, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: bool = False
    fails: dict[str, RollbackError] = field(default_factory=dict)
    loses: set[str] = field(default_factory=set)
    auto_merge: bool = True
    missing: str = ""  # what its rules still want before a merge
    permissions: dict[str, Permission] = field(default_factory=dict)
    said: dict[int, list[Comment]] = field(default_factory=dict)  # by people
    reactions: list[tuple[str, bool]] = field(default_factory=list)
    branch_rules: BranchRules = field(default_factory=BranchRules)
    during: dict[str, Callable[[], None]] = field(default_factory=dict)  # what happens while a call is under way

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.down:
            raise ForgeUnavailable(self.repository, "connection refused")
        if name in self.fails:
            raise self.fails[name]
        self.during.pop(name, lambda: None)()

    def _lost(self, name: str) -> None:
        if name in self.loses:
            self.loses.discard(name)
            raise ForgeUnavailable(self.repository, "the answer was lost")

    def facts(self) -> ForgeFacts:
        return ForgeFacts(self.kind, "1", BOT, Permission.WRITE)

    def rules(self, branch: str) -> BranchRules:
        return self.branch_rules

    def find(self, head: str, base: str) -> PullRequest | None:
        self._call("find")
        found = [one for number in self.requests if ((one := self._now(number)).head, one.base) == (head, base)]
        return max(found, key=lambda one: (one.state is PullRequestState.OPEN, one.number), default=None)

    def _open(self) -> list[PullRequest]:
        return [one for number in self.requests if (one := self._now(number)).state is PullRequestState.OPEN]

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        return tuple(self._open())

    def get(self, number: int) -> PullRequest:
        self._call("get")
        return self._now(number)

    def _now(self, number: int) -> PullRequest:
        """As git has it now: a head that was pushed, and a merge that reached the base by a push."""
        if number not in self.requests:
            raise ForgeRefused(self.repository, "Not Found", 404)
        one = self.requests[number]
        if one.state is not PullRequestState.OPEN:
            return one
        head = self.world.head(one.head) or one.head_sha
        ready = Mergeability.BLOCKED if self.missing else Mergeability.READY
        if not self._merged_tree(one.base, head):
            ready = Mergeability.CONFLICT
        self.requests[number] = replace(
            one, head_sha=head, mergeability=ready, why=self.missing, auto_merge=number in self.scheduled
        )
        return self.requests[number]

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest:
        self._call("open")
        known = next((one for one in self._open() if one.head == head), None)
        if known is not None:
            return known
        if not self.world.head(head):
            raise ForgeRefused(self.repository, "head does not exist", 422)
        number = len(self.requests) + 1
        self.requests[number] = PullRequest(
            number, f"{self.web_url}/pull/{number}", title, BOT, head, self.world.head(head), base,
            PullRequestState.OPEN, Mergeability.READY, labels=tuple(labels),
        )  # fmt: skip
        self.bodies[number], self.reviewers[number] = body, tuple(reviewers)
        self._lost("open")
        return self.requests[number]

    def close(self, number: int, by: str = BOT) -> None:
        self._call("close")
        if self._now(number).state is PullRequestState.OPEN:
            self.requests[number] = replace(self.requests[number], state=PullRequestState.CLOSED, closed_by=by)

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        self._call("merge")
        one = self._now(number)
        if one.head_sha != head_sha:
            return Merged(MergeOutcome.LOST_RACE, "Head branch was modified")
        if self.missing:
            return Merged(MergeOutcome.NOT_READY, self.missing)
        merged = Merged(MergeOutcome.MERGED, "", self.land(number, method, BOT, message))
        self._lost("merge")
        return merged

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        self._call("merge_when_ready")
        if not self.auto_merge:
            return Merged(MergeOutcome.UNAVAILABLE, "Auto merge is not allowed for this repository")
        if self.missing and self._now(number).head_sha == head_sha:
            self.scheduled[number] = head_sha, method, message
            return Merged(MergeOutcome.SCHEDULED)
        return self.merge(number, head_sha, method, message)

    def cancel_merge(self, number: int) -> None:
        self._call("cancel_merge")
        self.scheduled.pop(number, None)

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        self._call("comments")
        return tuple(one for one in self.said.get(number, []) if since is None or one.created_at >= since)

    def comment(self, number: int, marker: str, body: str) -> str:
        self._call("comment")
        self.comments_of.setdefault(number, {})[marker] = body
        return marker

    def react(self, number: int, comment: Comment, done: bool) -> None:
        self.reactions.append((comment.id, done))

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        self._call("set_status")
        self.statuses[sha, context] = state, description
        self.buttons[sha, context] = buttons

    def status(self, sha: str, context: str) -> CommitStatus | None:
        self._call("status")
        found = self.statuses.get((sha, context))
        return None if found is None else CommitStatus(*found)

    def permission(self, login: str) -> Permission:
        self._call("permission")
        return self.permissions.get(login, Permission.WRITE)

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        self._call("pull_requests_of")
        return tuple(one for number in self.requests if sha in ((one := self._now(number)).head_sha, one.merge_sha))

    def read_file(self, sha: str, path: str, limit: int) -> bytes | None:
        self._call("read_file")
        found = self.world.people.git("show", f"{sha}:{path}", check=False)
        return found.encode() + b"\n" if found and len(found) < limit else None

    def changed_paths(self, number: int) -> tuple[str, ...]:
        self._call("changed_paths")
        one = self._now(number)
        return tuple(self.world.people.git("diff", "--name-only", f"{one.base}...{one.head_sha}").splitlines())

    # What people and the forge itself do

    def push(self, branch: str, files: Mapping[str, str | None], at: datetime, message: str = "Ask") -> str:
        """A person's commit on a branch, which begins at the base where it is new."""
        people = self.world.people
        head = self.world.head(branch)
        commit = people._commit(head or self.world.head(), message, files, at, "Ada <ada@example.com>")
        people.git("update-ref", f"refs/heads/{branch}", commit, *([head] if head else []))
        return commit

    def ask(self, files: Mapping[str, str | None], at: datetime, by: str = "ada", branch: str = "") -> PullRequest:
        """A person's pull request that adds these files."""
        branch = branch or f"ask-{len(self.requests) + 1}"
        self.push(branch, files, at)
        found = self.open(branch, "main", "Ask", "")
        self.requests[found.number] = replace(found, author=by, created_at=at)
        return self.requests[found.number]

    def say(self, number: int, body: str, at: datetime, by: str = "grace", edited: bool = False) -> Comment:
        """A person's comment."""
        known = self.said.setdefault(number, [])
        known.append(Comment(str(len(known) + 1), by, body, at, edited))
        return known[-1]

    def approve(self) -> None:
        """Nothing is missing any more: what was scheduled is merged, as long as its head is the one that was seen."""
        self.missing = ""
        for number, (head, method, message) in list(self.scheduled.items()):
            if self._now(number).head_sha == head:
                self.land(number, method, BOT, message)
                del self.scheduled[number]

    def land(self, number: int, method: MergeMethod, by: str, message: str = "Merged by the forge") -> str:
        """Merge it, whatever the rules say; the commit on the base branch."""
        one = self._now(number)
        base, tree = self.world.head(one.base), self._merged_tree(one.base, one.head_sha)
        if not tree:
            raise AssertionError("a forge does not merge a conflict")
        git = self.world.people.git
        who = ("-c", f"user.name={by}", "-c", f"user.email={by}@forge.example")
        parents = ["-p", base]
        if method is MergeMethod.MERGE:
            parents += ["-p", one.head_sha]
        if method is MergeMethod.REBASE:
            message = git("log", "-1", "--format=%B", one.head_sha)
        commit = git(*who, "commit-tree", *parents, "-m", message, tree)
        git("update-ref", f"refs/heads/{one.base}", commit, base)
        self.requests[number] = replace(one, state=PullRequestState.MERGED, merge_sha=commit, merged_by=by)
        return commit

    def _merged_tree(self, base: str, head: str) -> str:
        found = self.world.people.git("merge-tree", "--write-tree", self.world.head(base), head, check=False)
        return found if len(found.split()) == 1 else ""
