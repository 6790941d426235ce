"""One replica's way to the forge: the port `Forge`, with old lists, lost answers, limits and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from gitops_rollback.core.errors import ForgeUnavailable
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
from gitops_rollback.sandbox.simulation.forge.merging import brought
from gitops_rollback.sandbox.simulation.forge.pulls import OURS, Pull
from gitops_rollback.sandbox.simulation.forge.site import HEADS, NAME, PEOPLE, WEB, ForgeSite
from gitops_rollback.sandbox.simulation.gate import Gate

T = TypeVar("T")
LAG = timedelta(seconds=30)  # of an old list


class SimForge:
    """`asked` is told each merge that we ask for, before anything happens: which, and its expected head."""

    kind = "github"
    repository = NAME
    web_url = WEB

    def __init__(self, gate: Gate, site: ForgeSite, asked: Callable[[str, Pull, str], None]) -> None:
        self._gate = gate
        self._site = site
        self._asked = asked

    def facts(self) -> ForgeFacts:
        """As in `ports.Forge`."""
        found = ForgeFacts(self.kind, "", OURS, Permission.WRITE, self._site.rules.auto_merge)
        return self._call("facts", lambda: found)

    def rules(self, branch: str) -> BranchRules:
        """As in `ports.Forge`; it tells nothing of them."""
        return self._call("rules", BranchRules)

    def find(self, head: str, base: str) -> PullRequest | None:
        """As in `ports.Forge`."""

        def found() -> PullRequest | None:
            pulls = [one for one in self._site.pulls.values() if (one.head, one.base) == (head, base)]
            best = max(pulls, key=lambda one: (one.is_open, one.number), default=None)
            return self._site.shown(best) if best else None

        return self._call("find", found)

    def open_pull_requests(self, base: str, since: datetime | None = None) -> tuple[PullRequest, ...]:
        """As in `ports.Forge`; an old list lacks what is new, and never knows what can be merged."""
        young = self._site.now - LAG if self._gate.is_stale() else self._site.now
        found = self._call("open_pull_requests", lambda: self._open(base))
        return tuple(one for one in reversed(found) if one.created_at is None or one.created_at <= young)

    def _open(self, base: str) -> list[PullRequest]:
        return [self._site.shown(one) for one in self._site.pulls.values() if one.is_open and one.base == base]

    def get(self, number: int) -> PullRequest:
        """As in `ports.Forge`."""
        return self._call("get", lambda: self._site.shown(self._site.of(number)))

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest:
        """As in `ports.Forge`."""
        return self._call("open", lambda: self._site.shown(self._site.open(head, base, title, OURS, labels)))

    def close(self, number: int) -> None:
        """As in `ports.Forge`."""
        self._call("close", lambda: self._site.close(self._site.of(number), OURS))

    def merge(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        """As in `ports.Forge`."""
        self._asked(self._gate.who, self._site.of(number), head_sha)
        return self._call("merge", lambda: self._merge(self._site.of(number), head_sha, method, message))

    def merge_when_ready(self, number: int, head_sha: str, method: MergeMethod, message: str) -> Merged:
        """As in `ports.Forge`."""
        self._asked(self._gate.who, self._site.of(number), head_sha)
        return self._call("merge", lambda: self._merge_later(self._site.of(number), head_sha, method, message))

    def _merge(self, pull: Pull, head_sha: str, method: MergeMethod, message: str) -> Merged:
        said = self._not_now(pull, head_sha)
        if said is not None:
            return said
        if self._site.rules.queue:
            return Merged(MergeOutcome.REFUSED, "Changes must be made through the merge queue")
        ready, why = self._site.readiness(pull)
        if ready is Mergeability.CHECKING:
            return Merged(MergeOutcome.NOT_READY, "Base branch was modified. Review and try the merge again.")
        if ready is not Mergeability.READY:
            return Merged(MergeOutcome.REFUSED, why)
        sha = self._site.merge(pull, method, OURS, message or f"{pull.title} (#{pull.number})")
        if sha is None:
            return Merged(MergeOutcome.REFUSED, f"This branch can't be merged by {method.value}")
        return Merged(MergeOutcome.MERGED, "", sha)

    def _merge_later(self, pull: Pull, head_sha: str, method: MergeMethod, message: str) -> Merged:
        said = self._not_now(pull, head_sha)
        if said is not None:
            return said
        if not (self._site.rules.auto_merge or self._site.rules.queue):
            return Merged(MergeOutcome.UNAVAILABLE, "Auto merge is not allowed for this repository")
        ready, why = self._site.readiness(pull)
        if ready is Mergeability.CONFLICT:
            return Merged(MergeOutcome.REFUSED, why)
        if ready is Mergeability.READY and not self._site.rules.queue:
            return self._merge(pull, head_sha, method, message)
        self._site.schedule_merge(pull, OURS, method, message)
        return Merged(MergeOutcome.SCHEDULED)

    def _not_now(self, pull: Pull, head_sha: str) -> Merged | None:
        """What the state and the head say; None if neither is in the way."""
        if pull.state is PullRequestState.MERGED and pull.merged_head == head_sha:
            return Merged(MergeOutcome.MERGED, "", pull.merge_sha)
        if not pull.is_open:
            return Merged(MergeOutcome.REFUSED, "Pull Request is not mergeable")
        if self._site.head_of(pull) != head_sha:
            return Merged(MergeOutcome.LOST_RACE, "Head branch was modified. Review and try the merge again.")
        return None

    def cancel_merge(self, number: int) -> None:
        """As in `ports.Forge`."""

        def cancel() -> None:
            self._site.of(number).scheduled = None

        self._call("cancel_merge", cancel)

    def comments(self, number: int, since: datetime | None = None) -> tuple[Comment, ...]:
        """As in `ports.Forge`."""
        found = self._call("comments", lambda: tuple(self._site.of(number).comments))
        return tuple(one for one in found if since is None or one.created_at >= since)

    def comment(self, number: int, marker: str, body: str) -> str:
        """As in `ports.Forge`."""

        def write() -> str:
            self._site.of(number).told[marker] = body
            return marker

        return self._call("comment", write)

    def react(self, number: int, comment: Comment, done: bool) -> None:
        """As in `ports.Forge`: best effort."""
        self._gate.enter("forge.react")
        self._gate.leave("forge.react")

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        """As in `ports.Forge`."""

        del buttons  # it has none

        def write() -> None:
            self._site.statuses[sha, context] = state.value

        self._call("set_status", write)

    def status(self, sha: str, context: str) -> CommitStatus | None:
        """As in `ports.Forge`."""

        def read() -> CommitStatus | None:
            found = self._site.statuses.get((sha, context))
            return None if found is None else CommitStatus(StatusState(found))

        return self._call("status", read)

    def permission(self, login: str) -> Permission:
        """As in `ports.Forge`."""
        return self._call("permission", lambda: PEOPLE.get(login, Permission.NONE))

    def pull_requests_of(self, sha: str) -> tuple[PullRequest, ...]:
        """As in `ports.Forge`."""

        def find() -> tuple[PullRequest, ...]:
            mine = (one for one in self._site.pulls.values() if sha in (one.head_sha, one.merge_sha))
            return tuple(self._site.shown(one) for one in mine)

        return self._call("pull_requests_of", find)

    def read_file(self, sha: str, path: str, limit: int) -> bytes | None:
        """As in `ports.Forge`."""
        objects = self._site.remote.objects

        def read() -> bytes | None:
            blob = objects.entry(sha, path) if sha in objects.commits else None
            text = objects.blobs.get(blob) if blob is not None else None
            return text if text is not None and len(text) <= limit else None

        return self._call("read_file", read)

    def changed_paths(self, number: int) -> tuple[str, ...]:
        """As in `ports.Forge`."""

        def find() -> tuple[str, ...]:
            pull, remote = self._site.of(number), self._site.remote
            return tuple(brought(remote.objects, remote.refs[HEADS + pull.base], pull.head_sha))

        return self._call("changed_paths", find)

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        def reached() -> T:
            self._site.reach()
            return effect()

        return self._gate.call(f"forge.{name}", reached, self._failure)

    def _failure(self) -> ForgeUnavailable:
        dice = self._gate.seconds(0, 1)
        if dice < 0.2:
            return ForgeUnavailable(NAME, "API rate limit exceeded", wait_seconds=self._gate.seconds(10, 120))
        return ForgeUnavailable(NAME, "502 Bad Gateway" if dice < 0.6 else "did not answer")
