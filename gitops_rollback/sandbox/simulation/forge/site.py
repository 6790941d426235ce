"""The forge itself: pull requests over the simulated remote, with the habits of the real ones.

A head follows pushes a little late; whether something can be merged is worked out later still; what is to be merged by
itself is merged when nothing is missing any more; and people do there what they like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable
from gitops_rollback.core.pull_request import (
    Comment,
    Mergeability,
    MergeMethod,
    Permission,
    PullRequest,
    PullRequestState,
)
from gitops_rollback.sandbox.simulation.forge.merging import land, merged_tree
from gitops_rollback.sandbox.simulation.forge.pulls import OURS, ForgeRules, Pull, Scheduled
from gitops_rollback.sandbox.simulation.remote import Accepted, Remote
from gitops_rollback.sandbox.simulation.schedule import START, Schedule

NAME = "shop/config"
WEB = f"https://forge.example.com/{NAME}"
HEADS = "refs/heads/"
PEOPLE = {"ada": Permission.WRITE, "grace": Permission.ADMIN, "mallory": Permission.READ, OURS: Permission.WRITE}
NOTICED = (0.1, 4.0)  # seconds until a push is seen
WORKED_OUT = (0.5, 15.0)  # seconds until it is known whether it can be merged
QUEUED = (20.0, 150.0)


@dataclass
class ForgeSite:
    """`tells` is the story."""

    schedule: Schedule
    remote: Remote
    random: Random
    rules: ForgeRules
    tells: Callable[[str, str], None]
    pulls: dict[int, Pull] = field(default_factory=dict)
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    forks: dict[str, str] = field(default_factory=dict)  # branches in forks -> head; git there is nobody's but theirs
    approved: set[tuple[int, str]] = field(default_factory=set)  # heads that somebody with the right said yes to
    down_until: datetime = START
    denied_until: datetime = START  # our token is refused

    @property
    def now(self) -> datetime:
        return self.schedule.now

    def reach(self) -> None:
        """Whoever calls is answered. Raises: ForgeUnavailable, CredentialsRejected."""
        if self.now < self.down_until:
            raise ForgeUnavailable(NAME, "connection refused")
        if self.now < self.denied_until:
            raise CredentialsRejected(NAME, "401 Bad credentials")

    # What git brings

    def moved(self, accepted: Accepted) -> None:
        """A ref has moved: what is open notices it, each a little later."""
        branch = accepted.ref.removeprefix(HEADS)
        for pull in [one for one in self.pulls.values() if one.is_open]:
            if pull.head == branch and not pull.fork:
                self.schedule.after(self.random.uniform(*NOTICED), partial(self._follow, pull))
            elif pull.base == branch:
                self._check(pull)
                self.schedule.after(self.random.uniform(*NOTICED), partial(self._notice, pull))

    def pushed(self, branch: str, sha: str) -> None:
        """Somebody has pushed to a branch of a fork."""
        self.forks[branch] = sha
        for pull in [one for one in self.pulls.values() if one.is_open and one.fork and one.head == branch]:
            self.schedule.after(self.random.uniform(*NOTICED), partial(self._follow, pull))

    def head_of(self, pull: Pull) -> str:
        """Where its branch really is, which the forge notices a little later."""
        return self.forks[pull.head] if pull.fork else self.remote.refs[HEADS + pull.head]

    def _follow(self, pull: Pull) -> None:
        head = self.head_of(pull)
        if not pull.is_open or head == pull.head_sha:
            return
        pull.head_sha = head
        if not self.rules.keeps:
            pull.scheduled = None
        self._check(pull)

    def _notice(self, pull: Pull) -> None:
        """What was pushed to the base as it is counts as merged."""
        base = self.remote.refs[HEADS + pull.base]
        if pull.is_open and self.remote.objects.is_ancestor(pull.head_sha, base):
            self._merged(pull, base, "")

    def _check(self, pull: Pull) -> None:
        seconds = self.random.uniform(*WORKED_OUT)
        pull.checked_at = self.now + timedelta(seconds=seconds)
        self.schedule.after(seconds + 0.1, partial(self._try, pull))

    # What it shows

    def of(self, number: int) -> Pull:
        """Raises: ForgeRefused with status 404."""
        if number not in self.pulls:
            raise ForgeRefused(NAME, "Not Found", 404)
        return self.pulls[number]

    def shown(self, pull: Pull) -> PullRequest:
        """As it is now."""
        ready, why = self.readiness(pull)
        return PullRequest(
            number=pull.number, url=f"{WEB}/pull/{pull.number}", title=pull.title, author=pull.author, head=pull.head,
            head_sha=pull.head_sha, base=pull.base, state=pull.state, mergeability=ready, labels=pull.labels,
            created_at=pull.opened_at, merge_sha=pull.merge_sha, merged_by=pull.merged_by, closed_by=pull.closed_by,
            auto_merge=pull.scheduled is not None, from_fork=pull.fork, why=why,
        )  # fmt: skip

    def readiness(self, pull: Pull) -> tuple[Mergeability, str]:
        """Would a merge be taken now, and why not."""
        if not pull.is_open or self.now < pull.checked_at:
            return Mergeability.CHECKING, ""
        if merged_tree(self.remote.objects, self.remote.refs[HEADS + pull.base], pull.head_sha) is None:
            return Mergeability.CONFLICT, "this branch has conflicts that must be resolved"
        if self.rules.review and pull.head_sha not in pull.reviewed:
            return Mergeability.BLOCKED, "at least 1 approving review is required"
        return Mergeability.READY, ""

    # What is done there

    def open(self, head: str, base: str, title: str, by: str, labels: Sequence[str] = (), fork: bool = False) -> Pull:
        """The open one of these branches, or a new one. Raises: ForgeRefused without such a branch."""
        wanted, mine = (head, base, fork), (one for one in self.pulls.values() if one.is_open)
        known = next((one for one in mine if (one.head, one.base, one.fork) == wanted), None)
        if known is not None:
            return known
        sha = self.forks.get(head) if fork else self.remote.refs.get(HEADS + head)
        if sha is None or self.remote.objects.is_ancestor(sha, self.remote.refs[HEADS + base]):
            raise ForgeRefused(NAME, f"Validation Failed: no commits between {base} and {head}", 422)
        number = len(self.pulls) + 1
        pull = Pull(number, title, by, head, base, sha, self.now, self.now, labels=tuple(labels), fork=fork)
        self.pulls[number] = pull
        self._check(pull)
        self.tells(by, f"opens pull request #{number} of {head} at {sha[:8]}: {title}")
        return pull

    def close(self, pull: Pull, by: str) -> None:
        """Unmerged; what is not open stays as it is."""
        if pull.is_open:
            pull.state, pull.closed_by, pull.closed_at = PullRequestState.CLOSED, by, self.now
            pull.scheduled = None
            self.tells(by, f"closes pull request #{pull.number}")

    def reopen(self, pull: Pull, by: str) -> None:
        """What was closed unmerged is open again, if its branch still brings something."""
        if pull.state is PullRequestState.CLOSED:
            pull.state, pull.closed_by, pull.closed_at = PullRequestState.OPEN, "", None
            pull.head_sha = self.head_of(pull)
            self._check(pull)
            self.tells(by, f"opens pull request #{pull.number} again")

    def review(self, pull: Pull, by: str) -> None:
        """Approve the head as it is now, as a rule of the branch may want it."""
        if pull.is_open:
            pull.reviewed.add(pull.head_sha)
            self.tells(by, f"approves pull request #{pull.number} at {pull.head_sha[:8]} in a review")
            self._try(pull)

    def merge(self, pull: Pull, method: MergeMethod, by: str, message: str) -> str | None:
        """Merge it now, whatever rules say; the commit on the base, None where it cannot be merged in this way."""
        base, head = self.remote.refs[HEADS + pull.base], self.head_of(pull)
        if not pull.is_open or self.remote.objects.is_ancestor(head, base):
            return None
        sha = land(self.remote.objects, base, head, method, message, self.now)
        if sha is None:
            return None
        pull.head_sha = head
        self._merged(pull, sha, by)
        self.tells(by, f"merges pull request #{pull.number} ({method.value}): {sha[:8]}")
        self.remote.force("forge", HEADS + pull.base, sha)
        return sha

    def _merged(self, pull: Pull, sha: str, by: str) -> None:
        pull.state, pull.merge_sha, pull.merged_by, pull.merged_head = PullRequestState.MERGED, sha, by, pull.head_sha
        pull.scheduled, pull.closed_at = None, self.now

    def schedule_merge(self, pull: Pull, by: str, method: MergeMethod, message: str) -> None:
        """Merge it by itself once nothing is missing."""
        if pull.scheduled is None:
            self.tells(by, f"lets the forge merge pull request #{pull.number}")
        pull.scheduled = Scheduled(by, method, message)
        self._try(pull)

    def _try(self, pull: Pull) -> None:
        if pull.is_open and pull.scheduled is not None and self.readiness(pull)[0] is Mergeability.READY:
            seconds = self.random.uniform(*QUEUED) if self.rules.queue else self.random.uniform(*NOTICED)
            self.schedule.after(seconds, partial(self._by_itself, pull))

    def _by_itself(self, pull: Pull) -> None:
        wanted = pull.scheduled
        ready = pull.is_open and self.readiness(pull)[0] is Mergeability.READY
        # What was pushed a moment ago has not been noticed yet, and is not what was ready.
        if ready and wanted is not None and self.head_of(pull) == pull.head_sha:
            self.merge(pull, wanted.method, wanted.by, wanted.message or f"{pull.title} (#{pull.number})")

    def say(self, pull: Pull, by: str, body: str) -> Comment:
        """A person's comment."""
        comment = Comment(f"{pull.number}-{len(pull.comments) + 1}", by, body, self.now)
        pull.comments.append(comment)
        self.tells(by, f"writes on #{pull.number}: {body}")
        return comment

    def edit(self, pull: Pull, comment: Comment, body: str) -> None:
        """The comment is no longer what was written first."""
        pull.comments[pull.comments.index(comment)] = replace(comment, body=body, edited=True)
        self.tells(comment.author, f"edits a comment on #{pull.number}: {body}")
