"""The controller of a world on the wire: the real runtime with the real adapters, ticked by hand, mortal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.journal import DAYS, MAX_RECORDS, GitJournal
from gitops_rollback.app.controller import DEFAULT_INTERVAL, RepositoryLoop, aligned
from gitops_rollback.app.repositories import Opened, git_settings
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.runtime import Runtime
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight
from gitops_rollback.app.wiring import wire
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import Message
from gitops_rollback.sandbox.simulation.wire.clock import START
from gitops_rollback.sandbox.simulation.wire.mortal import Dead, Fate, mortal
from gitops_rollback.sandbox.simulation.wire.world import ARGOCD_CANARY, GIT_CANARY, GIT_USER, MAIN, World

LONGEST_BACKOFF = 8
IDLE = 8  # where nothing happens a tick may come late: it costs real time
PATIENT_SECONDS = 60.0
IMPATIENT_SECONDS = 4.0  # where the server hangs: a real wait, so not for all

Look = Callable[[Watched], "Sight | None"]


@dataclass(frozen=True)
class Ear:
    """Hears what people are told."""

    hear: Callable[[Message], None]

    def tell(self, message: Message) -> None:
        """As in `ports.Notifier`."""
        self.hear(message)


@dataclass
class MortalRuntime(Runtime):
    """The runtime over ports that a process may not survive, with one look after the other, so that runs are alike."""

    fate: Fate = field(default_factory=Fate)
    deadline: float = PATIENT_SECONDS
    retries: Callable[[], PushRetries] = PushRetries
    failed: Callable[[RollbackError], None] = lambda _error: None

    def _loop(self, repository: Repository) -> RepositoryLoop:
        loop = super()._loop(repository)
        beside = loop.reconciler.side_by_side
        loop.reconciler.side_by_side = lambda look, items: _in_order(beside, look, items)
        loop.reconciler.retries = self.retries
        told = loop.failed

        def failed(name: str, error: RollbackError) -> None:
            self.failed(error)
            told(name, error)

        loop.failed = failed
        return loop

    def _open(self, repository: Repository) -> Opened:
        settings = git_settings(self.parts.settings, repository, repository.url)
        short = replace(settings, fetch_deadline=self.deadline, push_deadline=self.deadline)
        repo = mortal(GitConfigRepo(short), self.fate)
        return Opened(repository, repo, repo, GitJournal(repo, repository.journal.branch, DAYS, MAX_RECORDS))


def _in_order(
    beside: Callable[[Look, Sequence[Watched]], tuple[Sight, ...]], look: Look, items: Sequence[Watched]
) -> tuple[Sight, ...]:
    return tuple(sight for item in items for sight in beside(look, (item,)))


class Process:
    """One controller, started again after each death. `ticked` is called after each tick, with when it began."""

    def __init__(self, world: World, ticked: Callable[[datetime], None]) -> None:
        self._world, self._ticked = world, ticked
        self._random = world.random("controller")
        self._state = world.folder / "state"
        self._runtime: MortalRuntime | None = None
        self._loop: RepositoryLoop | None = None
        self._failures = self._failed_now = 0
        self.ticks = self.deaths = self._planned = 0
        self._due = world.now
        world.wake = self._wake
        self._plan(world.now + timedelta(seconds=self._random.uniform(1, 20)))
        self._plan_death()

    def close(self) -> None:
        """End it for good."""
        if self._runtime is not None:
            self._runtime.close()
        self._runtime = self._loop = None

    def _start(self) -> RepositoryLoop:
        world = self._world
        world.tell("controller", "starts")
        settings = settings_of(world, self._state)
        parts = wire(settings, world.clock)
        fate = Fate()
        parts = replace(
            parts, notifier=Ear(world.hear), engines=tuple(mortal(engine, fate) for engine in parts.engines)
        )
        hangs = "hang" in world.setup.git or "slow" in world.setup.git
        self._runtime = MortalRuntime(
            parts, lambda: world.doors.settings, fate=fate,
            deadline=IMPATIENT_SECONDS if hangs else PATIENT_SECONDS,
            retries=self._retries, failed=self._note_failure,
        )  # fmt: skip
        return self._runtime.controller().loops[0]

    def _turn(self) -> None:
        """One tick, and the plan for the next one."""
        world = self._world
        began, self._failed_now = world.now, False
        try:
            self._loop = self._loop or self._start()
            self._loop.turn()
        except Dead:
            self._die("in the middle")
            self._ticked(began)
            return
        self.ticks += 1
        self._failures = self._failures + 1 if self._failed_now else 0
        self._ticked(began)
        steps = IDLE if world.quiet else min(2**self._failures, LONGEST_BACKOFF)
        due = aligned(world.now, self._loop.interval) + self._loop.interval * steps
        self._plan(due + timedelta(seconds=self._random.uniform(0, 2)))

    def _plan(self, when: datetime) -> None:
        """The next turn is then, and not when it was planned before."""
        self._planned += 1
        mine, self._due = self._planned, when
        self._world.agenda.at(when, lambda: self._turn() if mine == self._planned else None)

    def _wake(self) -> None:
        """Something happened: the next turn comes no later than a tick would."""
        soon = aligned(self._world.now, DEFAULT_INTERVAL) + DEFAULT_INTERVAL + timedelta(seconds=1)
        if self._due > soon and self._failures == 0 and self._loop is not None:
            self._plan(soon)

    def _note_failure(self, error: RollbackError) -> None:
        self._failed_now = True
        self._world.tell("controller", f"cannot finish its tick: {error.reason.value}")

    def _retries(self) -> PushRetries:
        clock = self._world.clock
        return PushRetries(
            elapsed=lambda: (clock.now() - START).total_seconds(),
            wait=lambda seconds: clock.pass_to(clock.now() + timedelta(seconds=seconds)),
            draw=self._random.uniform,
        )

    # Death

    def _plan_death(self) -> None:
        if self._world.setup.killing:
            self._world.after(self._random.expovariate(1 / self._world.setup.killing), self._doom)

    def _doom(self) -> None:
        """Between two ticks, or at a call of one of the next ticks."""
        if self._world.calm:
            return
        between, calls, late = self._random.random() < 0.3, self._random.randint(1, 600), self._random.random() < 0.5
        if self._runtime is not None and between:
            self._die("between two ticks")
        elif self._runtime is not None:
            self._runtime.fate.arm(calls, late)
        self._plan_death()

    def _die(self, where: str) -> None:
        world = self._world
        world.tell("controller", f"dies {where}")
        self.deaths += 1
        self.close()
        if not world.setup.keeps_disk:
            shutil.rmtree(self._state, ignore_errors=True)
        self._plan(world.now + timedelta(seconds=self._random.uniform(2, 60)))


def settings_of(world: World, state: Path) -> Settings:
    """What a user would set to run the controller here."""
    return load_settings(
        {
            "ARGOCD_SERVER": world.argocd.url,
            "ARGOCD_AUTH_TOKEN": ARGOCD_CANARY,
            "PROMETHEUS_URL": world.prometheus.url,
            "GITOPS_ROLLBACK_REPO": world.url,
            "GITOPS_ROLLBACK_BRANCH": MAIN,
            "GITOPS_ROLLBACK_STATE_DIR": str(state),
            "GITOPS_ROLLBACK_GIT_USERNAME": GIT_USER,
            "GITOPS_ROLLBACK_GIT_TOKEN": GIT_CANARY,
        }
    )
