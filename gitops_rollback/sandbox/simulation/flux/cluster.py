"""The Flux of a simulated world: the controllers of the sandbox, on its Kubernetes API, over the simulated remote.

How they behave is held to recordings of the real ones elsewhere; here they run by the world's own time.
Source: contracts/flux-kubernetes.md sections 3, 4 and 7.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import ClassVar

from gitops_rollback.adapters.engines.flux_objects import REQUESTED_AT, commit_of
from gitops_rollback.core.sync import Operation
from gitops_rollback.sandbox.flux import FluxSandbox
from gitops_rollback.sandbox.kubernetes import By, Kind, Store
from gitops_rollback.sandbox.kubernetes.history import Change
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION
from gitops_rollback.sandbox.rendering import Json, RenderError, render
from gitops_rollback.sandbox.simulation.cluster import Cluster, Move
from gitops_rollback.sandbox.simulation.files import POISON
from gitops_rollback.sandbox.simulation.flux.repository import AUTOMATION, MemoryBranch, MemoryRepository, MemoryTree
from gitops_rollback.sandbox.simulation.flux.rollouts import TrueRollouts
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.schedule import Schedule

INSTANCE, NAMESPACE = "flux", "flux-system"
SETTLED = timedelta(minutes=3)  # the first reconciliations have ended
KEPT_WORDS = 6
REMEMBERED = timedelta(minutes=5)
PERSON = By("kubectl")
WAITING = "Running health checks for revision "


class WorldClock:
    """`SandboxClock` by the world's time; by another one while the past is played."""

    def __init__(self, schedule: Schedule) -> None:
        self.past: datetime | None = None
        self._schedule = schedule

    def now(self) -> datetime:
        """As in `SandboxClock`."""
        return self.past or self._schedule.now

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Nobody waits in real time here."""
        del seconds
        return event.is_set()

    def pass_to(self, moment: datetime) -> None:
        """While the past is played, it comes to this moment."""
        if self.past is not None:
            self.past = max(self.past, moment)


@dataclass
class App:
    """One application as it really is: what was applied last, and what was said of its health, oldest first."""

    live: str = ""
    words: list[tuple[datetime, bool]] = field(default_factory=list)


@dataclass
class FluxCluster(Cluster):
    """One Kustomization for each application. Controllers act by themselves; people by `sync` and `change`."""

    engine: ClassVar[str] = "flux"
    prefix: ClassVar[str] = f"{INSTANCE}/Kustomization/{NAMESPACE}/"

    def __post_init__(self) -> None:
        uids = count(1)
        self.clock = WorldClock(self.schedule)
        self.store = Store(self.clock, new_uid=lambda: f"uid-{next(uids)}")
        self.apps: dict[str, App] = {}
        self.sources: dict[str, MemoryRepository] = {}
        self.versions: deque[tuple[datetime, int]] = deque()
        addresses = {"config": self.url, "config-again": self.url.removesuffix(".git")}
        self.sources = {name: MemoryRepository(self.remote) for name in addresses}
        repositories = {url: self.sources[name] for name, url in addresses.items()}
        rollouts = TrueRollouts(self.store, self.truth, self.random)
        branches = dict.fromkeys(repositories, self._branch)
        self.controllers = FluxSandbox(self.store, repositories, self.clock, rollouts=rollouts, branches=branches)
        self._contents: dict[tuple[str, str], str] = {}
        self._planned: datetime | None = None
        self._stepping = False
        self._addresses = addresses

    def _branch(self, name: str) -> MemoryBranch:
        return MemoryBranch(self.remote, name, lambda text: self.story.tell(self.schedule.now, AUTOMATION, text))

    # The beginning

    def start(self, names: Iterable[str], manual: Iterable[str], revision: str, since: datetime) -> None:
        """As in `Cluster`; what is manual is suspended."""
        self.clock.past = since
        self.controllers.drive(self.clock.pass_to)
        self.store.on_change(self._changed)
        for name, url in self._addresses.items():
            spec = {"url": url, "interval": self._seconds(30, 150), "ref": {"branch": MAIN.rpartition("/")[2]}}
            self.create(GIT_REPOSITORY, name, spec)
        suspended, first = set(manual), ""
        for name in names:
            if name == POISON:
                continue
            self.apps[name] = App(revision)
            self.truth.started(name, revision, since)
            self.create(KUSTOMIZATION, name, {**self._spec(name, first), "suspend": name in suspended})
            first = first or name
        self._settle(since + SETTLED)
        self.clock.past = None
        self._plan()

    def _spec(self, name: str, first: str) -> Json:
        """Some wait for health, some for another application, and each looks as often as it likes."""
        random = self.random
        spec = {
            "interval": self._seconds(60, 400),
            "retryInterval": self._seconds(15, 60),
            "path": f"./apps/{name}",
            "prune": True,
            "targetNamespace": name,
            "sourceRef": {"kind": "GitRepository", "name": random.choice([*self.sources])},
        }
        if random.random() < 0.6:
            spec |= {"wait": True, "timeout": self._seconds(40, 240)}
        if first and random.random() < 0.2:
            spec["dependsOn"] = [{"name": first}]
        return spec

    def _seconds(self, low: float, high: float) -> str:
        return f"{self.random.randint(int(low), int(high))}s"

    def _settle(self, until: datetime) -> None:
        while (due := self.controllers.due()) is not None and due <= until:
            self.controllers.step()
        self.clock.past = until

    def create(self, kind: Kind, name: str, spec: Json) -> None:
        """An object, as a person makes it."""
        metadata = {"name": name, "namespace": NAMESPACE}
        self.store.create(kind, {"metadata": metadata, "spec": spec}, PERSON)

    # Time

    def _plan(self) -> None:
        """The next step of the controllers, when it is due."""
        due = self.controllers.due()
        if self._stepping or self.clock.past is not None or due is None or due == self._planned:
            return
        if self._planned is None or due < self._planned:
            self._planned = due
            self.schedule.at(due, partial(self._step, due))

    def _step(self, planned: datetime) -> None:
        if self._planned != planned:
            return
        self._planned, self._stepping = None, True
        while (due := self.controllers.due()) is not None and due <= self.schedule.now:
            self.controllers.step()
        self._stepping = False
        if self.controllers.failures:
            raise self.controllers.failures[0]
        self._plan()

    def pause(self, paused: bool) -> None:
        """The controllers are restarted: nothing is done meanwhile, and the API still answers."""
        self.controllers.pause(paused)
        self._plan()

    # What is really so

    def _changed(self, change: Change) -> None:
        now = self.clock.now()
        self.versions.append((now, change.version))
        while now - self.versions[0][0] > REMEMBERED:
            self.versions.popleft()
        if change.ref.kind is KUSTOMIZATION and change.ref.name in self.apps and self.clock.past is None:
            self._heard(change.ref.name, change.before or {}, change.after)
        self._plan()

    def _heard(self, name: str, before: Json, after: Json) -> None:
        app, status, old = self.apps[name], after.get("status") or {}, before.get("status") or {}
        attempted = commit_of(status.get("lastAttemptedRevision") or "")
        if attempted:
            self.begun.setdefault((name, attempted), self.second)
        applied = _newly_applied(old, status)
        if applied and applied != app.live:
            if self.truth.inputs(name, applied) != self.truth.inputs(name, app.live):
                self.story.tell(self.schedule.now, "engine", f"applies {applied[:8]} to {name}")
            app.live = applied
            self.truth.started(name, applied, self.schedule.now)
        ready = _condition(status, "Ready")
        if ready.get("status") in ("True", "False") and ready != _condition(old, "Ready"):
            app.words = [*app.words[-KEPT_WORDS + 1 :], (self.schedule.now, ready["status"] == "True")]
            self.story.count(f"{name} {ready}")

    def live(self, name: str) -> str:
        """As in `Cluster`."""
        return self.apps[name].live

    def was_healthy(self, name: str, at: datetime) -> bool:
        """As in `Cluster`: what it said last before, or one of the words before that."""
        known = [good for when, good in self.apps[name].words if when <= at]
        return not known or any(known)

    def moving(self, name: str, bad: str) -> Move | None:
        """As in `Cluster`: by what was applied, of which the first of each content is the change."""
        last = self.stretches(name)[-1]
        return None if last.content == self.content(name, bad) else Move(last.at, last.first)

    def began(self, name: str, revision: str) -> datetime | None:
        """As in `Cluster`: of one content that came with another commit, and bears the name of a later one."""
        content = self.content(name, revision)
        known = (one for one in reversed(self.stretches(name)) if one.content == content)
        first = next((one.first for one in known), revision)
        return super().began(name, first)

    def is_newer(self, name: str, told: Operation, bad: str) -> bool:
        """As in `Cluster`: it counts what it brought; the same content has many names."""
        known = [one for one in told.revisions if one in self.remote.objects.commits]
        return bool(known) and self.content(name, known[0]) != self.content(name, bad)

    def content(self, name: str, revision: str) -> str:
        """As in `Cluster`: the objects that the files ask for, as Flux's digest is of them; a comment is no change."""
        inputs = self.truth.inputs(name, revision)
        if (name, inputs) not in self._contents:
            source = {"path": f"apps/{name}", "directory": {"recurse": True}}
            try:
                made = render(MemoryTree(self.remote.objects, revision), source, name).manifests
                self._contents[name, inputs] = json.dumps(made, sort_keys=True)
            except RenderError:
                self._contents[name, inputs] = inputs
        return self._contents[name, inputs]

    # What people do

    def sync(self, name: str, info: Mapping[str, str], by: str = "gitops-rollback") -> bool:
        """As in `Cluster`: a person asks the source, and then the Kustomization."""
        source = self.store.get(KUSTOMIZATION, name, NAMESPACE)["spec"]["sourceRef"]["name"]
        self.story.tell(self.schedule.now, by, f"asks for a reconciliation of {name}")
        self.request(GIT_REPOSITORY, source)
        self.request(KUSTOMIZATION, name)
        return True

    def request(self, kind: Kind, name: str) -> None:
        """As `flux reconcile` does."""
        token = self.schedule.now.isoformat()

        def ask(body: Json) -> None:
            body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token

        self.store.change(kind, name, NAMESPACE, ask, PERSON)

    def edit(self, kind: Kind, name: str, **spec: object) -> None:
        """A person changes fields of an object's spec."""
        self.store.change(kind, name, NAMESPACE, lambda body: body["spec"].update(spec), PERSON)


def _condition(status: Json, kind: str) -> Json:
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if one["type"] == kind), {})


def _newly_applied(old: Json, new: Json) -> str:
    """The commit that a write says to be in the cluster now; "" if it says nothing new."""
    said, before = (_condition(one, "Reconciling").get("message", "") for one in (new, old))
    if said != before and said.startswith(WAITING):
        return commit_of(said.removeprefix(WAITING).split()[0])
    applied = new.get("lastAppliedRevision") or ""
    return commit_of(applied) if applied != old.get("lastAppliedRevision") else ""
