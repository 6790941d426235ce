"""The merge queue: what is ready waits in line, each as a commit on top of the one before it, and lands in that order.

The commit is on a branch of the forge's own while it waits, so that checks can run on it. Source: docs.github.com
"Merging a pull request with a merge queue", "Managing a merge queue"; webhook `merge_group`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.forge.landing import Landed, land
from gitops_rollback.sandbox.forge.merging import Repository
from gitops_rollback.sandbox.forge.state import PullRequest, Scheduled, State

SPACE = "gh-readonly-queue"


@dataclass(frozen=True)
class Group:
    """What one pull request would land: made of `head` on top of `base`, kept on `branch`."""

    branch: str
    base: str
    head: str
    landed: Landed


class MergeQueue:
    """The line of one repository. `tell` is called with the pull request and its group when checks are asked for."""

    def __init__(
        self, state: State, git: Repository, clock: SandboxClock, tell: Callable[[PullRequest, Group], None]
    ) -> None:
        self._state = state
        self._git = git
        self._clock = clock
        self._tell = tell
        self._groups: dict[int, Group] = {}

    def ready(self, pull: PullRequest, order: Scheduled) -> Landed | None:
        """What may land now; None while it waits. Raises: Conflict with what is before it in the line."""
        first = pull.queued_at is None
        pull.queued_at = pull.queued_at or self._clock.now()
        before = self._before(pull)
        tip = self._groups[before[-1].number].landed.tip if before else self._git.head(pull.base)
        group = self._groups.get(pull.number)
        if group is None or (group.base, group.head) != (tip, pull.head_sha):
            group = self._grouped(pull, order, tip)
        if first or before or self._state.knobs.hold_queue or not self.has_waited(pull):
            return None
        return group.landed if self._checked(pull, group) else None

    def _before(self, pull: PullRequest) -> list[PullRequest]:
        """Those that land before it, the first first."""
        queued = [
            (one.queued_at, one.number, one)
            for one in self._state.open_pulls()
            if one.queued_at is not None and one.base == pull.base and one.number in self._groups
        ]
        mine = (pull.queued_at, pull.number)
        return [one for at, number, one in sorted(queued, key=lambda each: each[:2]) if (at, number) < mine]

    def _grouped(self, pull: PullRequest, order: Scheduled, tip: str) -> Group:
        self.leave(pull)
        landed = land(self._git, self._state, pull, order, tip, self._clock.now().replace(microsecond=0))
        group = Group(f"{SPACE}/{pull.base}/pr-{pull.number}-{tip}", tip, pull.head_sha, landed)
        self._git.point(f"refs/heads/{group.branch}", landed.tip)
        self._groups[pull.number] = group
        self._tell(pull, group)
        return group

    def _checked(self, pull: PullRequest, group: Group) -> bool:
        rules = self._state.rules_of(pull.base)
        if rules is None or not self._state.knobs.queue_wants_checks:
            return True
        statuses = self._state.statuses_of(group.landed.tip)
        return all(name in statuses and statuses[name].state == "success" for name in rules.checks)

    def has_waited(self, pull: PullRequest) -> bool:
        """Long enough in the line, as the knob says."""
        queued, seconds = pull.queued_at, self._state.knobs.queue_seconds
        return queued is not None and self._clock.now() - queued >= timedelta(seconds=seconds)

    def leave(self, pull: PullRequest) -> None:
        """It is out of the line: its branch goes."""
        group = self._groups.pop(pull.number, None)
        if group is not None:
            self._git.delete(group.branch)
