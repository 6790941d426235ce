"""One world on the wire: a git server, an Argo CD and a Prometheus on loopback, and all that is known of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.ports import Message
from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox, Deployed, Timing
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.prometheus import PrometheusSandbox, Vector
from gitops_rollback.sandbox.simulation.files import CANARY, PolicyText, first_files
from gitops_rollback.sandbox.simulation.story import Story
from gitops_rollback.sandbox.simulation.wire.clock import START, Act, Agenda, SteppedClock
from gitops_rollback.sandbox.simulation.wire.gitlog import keep_reflogs, run_git
from gitops_rollback.sandbox.simulation.wire.landing import Files, head_of, land
from gitops_rollback.sandbox.simulation.wire.setup import Setup
from gitops_rollback.sandbox.simulation.wire.truth import Ran, Truth

LIVED = timedelta(hours=3)
SETTLES = timedelta(minutes=4)
QUIET = timedelta(seconds=150)
PERSON = "A Developer <developer@shop.example>"
MAIN, CONTROL, JOURNAL = "main", "gitops-rollback-control", "gitops-rollback-journal"
GIT_USER, GIT_CANARY = "controller", "canary-git-91d3-do-not-tell"
ARGOCD_CANARY = "canary.argocd-77b2.do-not-tell"
SECRETS = (CANARY, GIT_CANARY, ARGOCD_CANARY)
TIMING = Timing(reconciliation=60.0, jitter=30.0, progress_deadline=15.0)
LURE_PORTS = range(20000, 30000)  # below those that a system gives away
GOOD, BAD = 0.01, 0.5
REPOSITORY = "shop/config"


class Look(Protocol):
    """Whoever judges looks at what is new; `late`: at what may have landed long after it was sent."""

    def __call__(self, late: bool) -> None: ...


@dataclass(frozen=True)
class Said:
    """People were told something."""

    at: datetime
    message: Message


@dataclass
class Doors:
    """The stop switch as it really is: each door and since when it stops everything."""

    settings: PauseState = field(default_factory=lambda: PauseState(SETTINGS_DOOR))
    closed: dict[str, datetime] = field(default_factory=dict)


class World:
    """Build, `start`, `run_until` and `stop`. Everything but the controller and the people's plans."""

    def __init__(self, seed: int, setup: Setup, folder: Path) -> None:
        self.seed, self.setup, self.folder = seed, setup, folder
        self.clock = SteppedClock(START - LIVED)
        self.agenda, self.story, self.truth, self.doors = Agenda(), Story(), Truth(), Doors()
        self.said: list[Said] = []
        self.look: Look = _nobody_looks
        self.calm = False
        self.several = False  # the metric store answers with several series
        self.stirred = START  # when something happened last
        self.wake: Act = lambda: None
        self.bare = folder / f"{REPOSITORY}.git"
        self.bare.parent.mkdir(parents=True)
        run_git(self.bare.parent, "init", "-q", "--bare", "-b", MAIN, str(self.bare))
        keep_reflogs(self.bare)
        self._plant()
        self.git = GitServer(folder, user=GIT_USER, password=GIT_CANARY)
        self.prometheus = PrometheusSandbox(self.clock)
        self.lure = self._lure()
        self.prometheus.elsewhere = self.lure.url
        self.argocd = ArgoCdSandbox(
            self.bare, self.url, [self._spec(name) for name in setup.names], self.clock,
            token=ARGOCD_CANARY, timing=TIMING,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The config repository's address."""
        return f"{self.git.url}/{REPOSITORY}.git"

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def random(self, name: str) -> Random:
        """A stream of chances of its own, so that one's draws do not move another's."""
        return Random(f"wire/{self.seed}/{name}")

    def tell(self, actor: str, text: str) -> None:
        """One line of the story."""
        self.story.tell(self.now, actor, text)

    def head(self, branch: str = MAIN) -> str:
        return head_of(self.bare, branch)

    # Its life

    def start(self) -> None:
        """Serve; everything is synced and healthy, and has been so for hours."""
        self.git.start()
        self.prometheus.start()
        self.lure.start()
        for name in self.setup.names:
            self._publish(name)
        self.argocd.on_change(self._deployed)
        self.argocd.start_stepped(self.clock.pass_to)
        self.run_until(self.now + SETTLES)
        self.argocd.pause_controller(True)  # nothing happens in the hours that follow, so nobody looks
        self.clock.pass_to(START)
        self.argocd.pause_controller(False)

    def stop(self) -> None:
        """End the servers; what hangs is let go."""
        self.argocd.stop()
        self.prometheus.stop()
        self.lure.stop()
        self.git.stop()

    def run_until(self, end: datetime) -> None:
        """Everything that is due up to `end` happens, in order; then it is `end`."""
        while True:
            act, step = self.agenda.due, self.argocd.due()
            first = min((moment for moment in (act, step) if moment is not None), default=None)
            if first is None or first > end:
                self.clock.pass_to(end)
                return
            if first == act:
                self.clock.pass_to(first)
                self.agenda.take()()
            else:
                self.argocd.step()

    def after(self, seconds: float, act: Act) -> None:
        """Do `act` so many seconds from now."""
        self.agenda.at(self.now + timedelta(seconds=seconds), act)

    # People

    def commit(self, who: str, files: Files, message: str, merge: bool = False, branch: str = MAIN) -> str:
        """A person's commit, landed at once; its sha."""
        sha = land(self.bare, branch, files, message, self.now, PERSON, merge)
        self.tell(who, f"lands {sha[:8]} {message}")
        return sha

    def hear(self, message: Message) -> None:
        """People are told."""
        self.said.append(Said(self.now, message))
        self.tell("controller", f"tells people: {message.application} {message.event} {message.reason}")

    @property
    def quiet(self) -> bool:
        """Nothing has happened, been written or said for a while, whatever state that left."""
        return self.now - self.stirred > QUIET

    def stir(self) -> None:
        """Something happened that a controller should not be late for."""
        self.stirred = self.now
        self.wake()

    def red_since(self, name: str) -> datetime | None:
        return self.truth.red_since(name, self.now)

    # How it is made

    def _plant(self) -> None:
        random = self.random("plant")
        files = dict(first_files(self.setup.names))
        for name in self.setup.names:
            policy = PolicyText(name, hold=random.choice((30, 60)), health=name in self.setup.health)
            files[policy.path] = policy.text
        land(self.bare, MAIN, files, "First", START - LIVED, PERSON)

    def _lure(self) -> PrometheusSandbox:
        """Where no setting sends the controller. Its port is the seed's, if it is free: commits hold its address."""
        try:
            return PrometheusSandbox(self.clock, LURE_PORTS[self.seed % len(LURE_PORTS)])
        except OSError:
            return PrometheusSandbox(self.clock)

    def _spec(self, name: str) -> AppSpec:
        path = f"apps/{name}"
        return AppSpec(name, path=path, destination_namespace="shop", auto_sync=name not in self.setup.manual)

    def _publish(self, name: str) -> None:
        self.prometheus.set_evaluator(f'service="{name}"', lambda _query, at: self._shown(name, at))

    def _shown(self, name: str, at: datetime) -> Vector:
        value = BAD if self.truth.red_since(name, at) else GOOD
        return [({"pod": "a"}, value), ({"pod": "b"}, GOOD)] if self.several else [({}, value)]

    def _deployed(self, application: str, deployed: Deployed) -> None:
        tags = frozenset(image.rpartition(":")[2] for image in deployed.images)
        self.truth.deployed(application, Ran(self.now, deployed.revision, tags))
        self.tell("cluster", f"{application} runs {deployed.revision[:8]} with {', '.join(sorted(tags))}")
        self.stir()


def _nobody_looks(late: bool) -> None:
    """Before there is a judge."""
