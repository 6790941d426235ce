"""What open pull requests bear at the forge: could they be rolled back, and do they touch what is held?

Advice: nothing waits for it. Each new head is judged once, a few at a look; a forge that does not answer is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.app.holding import Holds
from gitops_rollback.app.preflight import Preflight
from gitops_rollback.app.settings_before import Statuses
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Tick
from gitops_rollback.core.errors import LeaseLost, RepositoryUnavailable, RollbackError, StalledError
from gitops_rollback.core.offer import NAMESPACE
from gitops_rollback.core.pull_request import PullRequest, StatusState
from gitops_rollback.core.request import is_request_path
from gitops_rollback.core.rollbackable import DESCRIPTION_LIMIT, Readiness, in_short, worst
from gitops_rollback.ports import Clock, ConfigRepo, Forge

ROLLBACKABLE = "gitops-rollback/rollbackable"
HOLD = "gitops-rollback/hold"
MOST = 3  # pull requests that are judged at one look
EVERY = timedelta(minutes=1)
ALL = "statuses"  # the forge's patience with the list of them


@dataclass
class PullRequestStatuses:
    """Those of one repository. Memory only spares calls."""

    repo: ConfigRepo
    forge: Forge
    preflight: Preflight
    holds: Holds
    clock: Clock
    wanted: Statuses
    _paths: dict[int, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _judged: dict[int, str] = field(default_factory=dict)  # the head that its status is about
    _held: dict[int, tuple[str, str]] = field(default_factory=dict)  # head and words
    _not_before: float = 0.0

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic, self.clock.real_seconds)

    def attend(self, tick: Tick, executor: Executor) -> None:
        """One look at those that are open. Raises: LeaseLost; RepositoryUnavailable."""
        if self.clock.monotonic() < self._not_before:
            return
        self._not_before = self.clock.monotonic() + EVERY.total_seconds()
        self.patience.begin()
        if self.patience.waits(ALL):
            return
        try:
            pulls = self.forge.open_pull_requests(self.repo.branch)
        except RollbackError as error:
            self.patience.failed(ALL, error)
            return
        self.patience.answered()
        held, judged = self._held_applications(tick), 0
        for pull in pulls:
            if pull.head.startswith(f"{NAMESPACE}/") or self.patience.waits(str(pull.number)):
                continue  # our own bear the status of their plan
            if judged < MOST and self._guarded(pull, tick, held, executor):
                judged += 1

    def _guarded(self, pull: PullRequest, tick: Tick, held: dict[str, str], executor: Executor) -> bool:
        """Whether the forge was asked or told anything, or could not be."""
        try:
            asked = self._paths.get(pull.number, ("", ()))[0] != pull.head_sha
            touched = self._touched(pull, tick)
            asked = self._tell_hold(pull, touched, held, executor) or asked
            return self._tell_rollbackable(pull, touched, tick, executor) or asked
        except (LeaseLost, RepositoryUnavailable):
            raise
        except RollbackError as error:
            self.patience.failed(str(pull.number), error)
            return True

    def _touched(self, pull: PullRequest, tick: Tick) -> tuple[Watched, ...]:
        known = self._paths.get(pull.number)
        if known is None or known[0] != pull.head_sha:
            known = keep(self._paths, pull.number, (pull.head_sha, self.forge.changed_paths(pull.number)))
        if any(is_request_path(path) for path in known[1]):
            return ()  # a rollback that somebody asks for: its plan has a status of its own
        return self.preflight.touched(known[1], tick.view.heads.branch, tick.listing)

    def _tell_rollbackable(self, pull: PullRequest, touched: Sequence[Watched], tick: Tick, executor: Executor) -> bool:
        if not self.wanted.rollbackable or not touched or self._judged.get(pull.number) == pull.head_sha:
            return False
        state, words = self._judge(pull, tick)
        executor.confirm()
        self.forge.set_status(pull.head_sha, ROLLBACKABLE, state, words)
        keep(self._judged, pull.number, pull.head_sha)
        return True

    def _judge(self, pull: PullRequest, tick: Tick) -> tuple[StatusState, str]:
        if not self.repo.has(pull.head_sha) and (pull.from_fork or self.repo.head_of(pull.head) != pull.head_sha):
            return StatusState.SUCCESS, "cannot be told: its head cannot be read from here"
        try:
            answers = self.preflight.merged(pull.head_sha, tick.view, tick.listing, tick.now)
        except StalledError as error:
            return StatusState.SUCCESS, f"cannot be told: {error.message}"[:DESCRIPTION_LIMIT]
        if not answers:
            return StatusState.SUCCESS, "touches no watched application"
        fails = self.wanted.failing and worst(answers) is Readiness.NOT_POSSIBLE
        return StatusState.FAILURE if fails else StatusState.SUCCESS, in_short(answers)

    def _held_applications(self, tick: Tick) -> dict[str, str]:
        """Each application that a rollback still holds something of, and how to let go of it."""
        if not self.wanted.hold:
            return {}
        names = [(name, record.id) for record in self.holds.lasting(tick.view) for name in record.applications]
        return {name: f"is held since {identity}: gitops-rollback release {_short(name)}" for name, identity in names}

    def _tell_hold(
        self, pull: PullRequest, touched: Sequence[Watched], held: dict[str, str], executor: Executor
    ) -> bool:
        """It fails while a hold lasts; one that is over is only said where it failed before."""
        found = [f"{_short(one.name)} {held[one.name]}" for one in touched if one.name in held]
        words = "; ".join(found)[:DESCRIPTION_LIMIT]
        before = self._held.get(pull.number, ("", ""))
        if before == (pull.head_sha, words) or (not words and not before[1]):
            return False
        executor.confirm()
        state = StatusState.FAILURE if words else StatusState.SUCCESS
        self.forge.set_status(pull.head_sha, HOLD, state, words or "nothing that it touches is held any more")
        keep(self._held, pull.number, (pull.head_sha, words))
        return True


def _short(application: str) -> str:
    return application.rpartition("/")[2]
