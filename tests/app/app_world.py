"""A small world for the application layer: a real repository, and an engine, a metric store and a clock in memory.

The fakes stand at the ports only. The engine keeps its history as Argo CD does: one record for each operation that
applied something, none for a commit that changes nothing of the application.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.journal import GitJournal
from gitops_rollback.adapters.rendering import CommandRenderer
from gitops_rollback.app.asking_together import Together
from gitops_rollback.app.blame import Blamer
from gitops_rollback.app.circumstances import Surroundings
from gitops_rollback.app.closures import Closures
from gitops_rollback.app.coming_back import ComingBack
from gitops_rollback.app.directory import Directory
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.guard_facts import GuardFactsReader, Limits
from gitops_rollback.app.inputs import Inputs
from gitops_rollback.app.ledger import Ledger
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.outbreaks import Outbreaks
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.runs import UNSEEN
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.app.view import PolicyStore, Viewer
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.guards.facts import Budgets
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.rendering import Render
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Obstacle,
    Operation,
    OperationPhase,
    Source,
    SyncStatus,
)
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.ports import (
    Charts,
    ConfigRepo,
    Forge,
    ManagedObject,
    Message,
    MetricSource,
    Objects,
    References,
    Registry,
    Workloads,
)
from gitops_rollback.ports.lookups import ImageUpdaters, Promoters
from gitops_rollback.sandbox.people import People

AUTHOR = "gitops-rollback <gitops-rollback@example.com>"
_FIRST = b"commit refs/heads/main\ncommitter A Person <person@example.com> 1700000000 +0000\ndata 5\nFirst\n"
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
MINUTE = timedelta(minutes=1)
TICK = timedelta(seconds=15)
POLICIES = ".gitops-rollback/policies"

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  template:
    spec:
      containers:
        - name: {name}
          image: registry.example/{name}:{version}
          env: [{{name: LEVEL, value: "{level}"}}]
"""

POLICY = """# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {{name: {name}}}
spec:
  targets:
    - name: {name}
      application: {{namespace: argocd, name: {name}}}
      data: {{rollback: safe, because: each release reads what the next one wrote}}{paths}
  triggers:
    - name: errors
      query: errors{{service="$SERVICE"}}
      comparison: greater_than
      threshold: {threshold}
      for: 30s
      severity: {severity}
  timing: {{interval: 15s, window: 30m, initialDelay: 15s, cooldown: 0s}}
  verification: {{startAfter: 0s, holdFor: 30s, timeout: 5m}}
"""


def deployment(name: str, version: str, level: str = "info") -> str:
    return DEPLOYMENT.format(name=name, version=version, level=level)


def policy(name: str, severity: str = "auto_rollback", threshold: float = 0.05, paths: Sequence[str] = ()) -> str:
    listed = f"\n      paths: [{', '.join(repr(path) for path in paths)}]" if paths else ""
    return POLICY.format(name=name, severity=severity, threshold=threshold, paths=listed)


class SetClock:
    """Stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.at = now
        self.ahead = timedelta(0)  # by how much it is wrong

    def now(self) -> datetime:
        return self.at + self.ahead

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def real_seconds(self, duration: timedelta) -> float:
        return 0.001 * duration.total_seconds()


@dataclass
class MemoryMetrics:
    """One series a service: `bad[service]` are the times within which its errors are at 0.5; else they are 0.01."""

    name: str = "memory"
    bad: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    down: bool = False
    asked: int = 0

    def break_from(self, service: str, start: datetime, end: datetime | None = None) -> None:
        self.bad.setdefault(service, []).append((start, end or datetime.max.replace(tzinfo=UTC)))

    def mend(self, service: str, at: datetime) -> None:
        self.bad[service] = [(start, min(end, at)) for start, end in self.bad.get(service, [])]

    def _value(self, expression: str, at: datetime) -> float:
        service = expression.partition('service="')[2].partition('"')[0]
        return 0.5 if any(start <= at < end for start, end in self.bad.get(service, [])) else 0.01

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        self.asked += 1
        if self.down:
            return Answer(Outcome.ERROR, at, expression, detail="connection refused")
        return Answer(Outcome.VALUE, at, expression, (Series((), ((at, self._value(expression, at)),)),))

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        if self.down:
            return Answer(Outcome.ERROR, end, expression, detail="connection refused")
        times = [start + n * step for n in range((end - start) // step + 1)]
        samples = tuple((at, self._value(expression, at)) for at in times)
        return Answer(Outcome.VALUE, end, expression, (Series((), samples),), kind="matrix")


class MemoryEngine:
    """One engine. `deploy` is an operation that succeeded; `compare` moves the compared revision alone."""

    def __init__(self, repo_url: str, head: Callable[[], str], clock: SetClock, instance: str = "default") -> None:
        self.instance = instance
        self.states: dict[str, ApplicationState] = {}
        self.synced: list[str] = []
        self.down = False
        self._url, self._head, self._clock = repo_url, head, clock

    def add(self, name: str, path: str | None = None, auto_sync: bool = True) -> ApplicationId:
        identity = ApplicationId(self.instance, "Application", "argocd", name)
        source = Source(self._url, f"apps/{name}" if path is None else path, "main")
        self.states[name] = ApplicationState(
            identity, f"uid-{name}", "default", "in-cluster", "shop", (source,), SyncStatus.SYNCED, (),
            Health.HEALTHY, self._clock.now(), auto_sync=auto_sync, health_changed_at=START - timedelta(days=9),
        )  # fmt: skip
        return identity

    def deploy(self, name: str, revision: str, at: datetime, info: Mapping[str, str] | None = None) -> None:
        state, done = self.states[name], at + timedelta(seconds=2)
        number = len(state.history) + 1
        record = DeploymentRecord((revision,), state.sources, at, done, history_id=number)
        history = [replace(one, replaced_at=one.replaced_at or at) for one in state.history]
        operation = Operation(
            OperationPhase.SUCCEEDED, (revision,), state.sources, at, done, info=dict(info or {}), initiated_by="auto"
        )
        self.states[name] = replace(
            state, history=(*history, record)[-10:], operation=operation, sync_revisions=(revision,),
            reconciled_at=done,
        )  # fmt: skip

    def compare(self, name: str, revision: str, at: datetime) -> None:
        self.states[name] = replace(self.states[name], sync_revisions=(revision,), reconciled_at=at)

    def _seen(self, state: ApplicationState) -> ApplicationState:
        if self.down:
            raise EngineUnavailable(self.instance, "connection refused")
        return replace(state, observed_at=self._clock.now())

    def applications(self) -> tuple[ApplicationState, ...]:
        if self.down:
            raise EngineUnavailable(self.instance, "connection refused")
        return tuple(replace(self._seen(state), history=()) for state in self.states.values())

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        state = self.states.get(application.name)
        return None if state is None else self._seen(state)

    def refresh(self, application: ApplicationId, project: str) -> None:
        self.compare(application.name, self._head(), self._clock.at)

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        self.synced.append(application.name)
        self.deploy(application.name, self._head(), self._clock.at, info)
        return True

    def terminate(self, application: ApplicationId, project: str) -> None:
        return None

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        state = self.states.get(application.name)
        return state.obstacles if state is not None else ()

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        return ()

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        return None

    def probe(self) -> tuple[str, ...]:
        return ()


@dataclass
class Told:
    """Keeps what people are told."""

    messages: list[Message] = field(default_factory=list)

    def tell(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def reasons(self) -> list[str]:
        return [message.reason for message in self.messages]


class NoProbe:
    def status(self, url: str, timeout: timedelta) -> int:
        return 200


@dataclass
class Replica:
    """One controller on a clone of its own."""

    repo: GitConfigRepo
    reconciler: Reconciler
    told: Told
    clock: SetClock

    def tick(self, now: datetime) -> Tick:
        """At `now`, whatever the controller's clock calls it."""
        self.clock.at = now
        return self.reconciler.tick(self.clock.now())

    def until(self, start: datetime, end: datetime) -> list[Tick]:
        """One tick after the other from `start` to `end`, both included."""
        count = (end - start) // TICK + 1
        return [self.tick(start + n * TICK) for n in range(count)]

    def close(self) -> None:
        self.repo.close()


class World:
    """One config repository with its people, and the engine and metrics that all replicas share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bare = folder / "shop.git"
        _git("init", "-q", "--bare", "-b", "main", str(self.bare))
        for option in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            _git("--git-dir", str(self.bare), "config", option, "true")
        self.people = People(self.bare)
        self.clock = SetClock(START)
        self.metrics = MemoryMetrics()
        self.engine = MemoryEngine(self.url, self.head, self.clock)
        self.beside: tuple[MemoryEngine, ...] = ()
        self.tenancy = Tenancy()
        self.together: Together | None = None
        self.workloads: Workloads = NOBODY
        self.objects: Objects = UNSEEN
        self.updaters: ImageUpdaters | None = None
        self.promoters: Promoters | None = None
        self.references: References | None = None
        self.kinds: frozenset[tuple[str, str]] = frozenset()  # that the settings let go back and forth
        self.registry: Registry | None = None
        self.charts: Charts | None = None
        self.forge: Forge | None = None
        self.render: tuple[Render, ...] = ()
        self.replicas: list[Replica] = []
        self.others: list[GitConfigRepo] = []
        self.upstreams: tuple[str, ...] = ()  # URLs of further repositories, as the settings would name them

    @property
    def url(self) -> str:
        return f"file://{self.bare}"

    def head(self, branch: str = "main") -> str:
        return self.people.head(branch)

    def first(self, files: Mapping[str, str], at: datetime = START - timedelta(hours=3)) -> str:
        """The root commit."""
        stamp = f"{int(at.timestamp())} +0000"
        lines = [f"commit refs/heads/main\ncommitter A Person <person@example.com> {stamp}\ndata 5\nFirst\n"]
        lines += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
        _git("--git-dir", str(self.bare), "fast-import", "--quiet", content="".join(lines).encode())
        return self.head()

    def commits(self) -> list[str]:
        """The branch's subjects, newest first."""
        return self.people.git("log", "--first-parent", "--format=%s", "main").splitlines()

    def reverts(self) -> int:
        return sum(subject.startswith("Revert ") for subject in self.commits())

    def clone(self, name: str) -> GitConfigRepo:
        settings = RepositorySettings(
            "shop/config", self.url, self.folder / name, allow_file=True, author=AUTHOR, render=self.render
        )
        beside = [replace(settings, name="shop/config upstream", url=url, render=()) for url in self.upstreams]
        return GitConfigRepo(settings, CommandRenderer() if self.render else None, beside)

    def replica(self, name: str = "one", journal: str = "") -> Replica:
        """A controller that has not looked at anything yet; `journal` names another bare repository for its memory."""
        repo, told = self.clone(name), Told()
        reconciler = reconciler_of(repo, self, told, self.elsewhere(name, journal) if journal else repo)
        replica = Replica(repo, reconciler, told, self.clock)
        self.replicas.append(replica)
        return replica

    def elsewhere(self, name: str, journal: str) -> GitConfigRepo:
        """A clone of a repository that holds nothing but a first commit, and the journal later."""
        bare = self.folder / f"{journal}.git"
        if not bare.exists():
            _git("init", "-q", "--bare", "-b", "main", str(bare))
            _git("--git-dir", str(bare), "config", "uploadpack.allowFilter", "true")
            _git("--git-dir", str(bare), "fast-import", "--quiet", content=_FIRST)
        settings = RepositorySettings(
            "shop/memory", f"file://{bare}", self.folder / name, allow_file=True, author=AUTHOR
        )
        self.others.append(GitConfigRepo(settings))
        return self.others[-1]

    def close(self) -> None:
        for replica in self.replicas:
            replica.close()
        for repo in self.others:
            repo.close()


def reconciler_of(repo: ConfigRepo, world: World, told: Told, journal_repo: ConfigRepo) -> Reconciler:
    """The parts as the runtime wires them, without threads; what an action raises is raised."""
    steady, policies, inputs = Steady(world.clock), PolicyStore(repo, POLICIES), Inputs(repo)
    ledger = Ledger(steady)
    journal = GitJournal(journal_repo)
    source: MetricSource = world.metrics
    measuring = Measuring(lambda settings: source, steady=steady, workloads=world.workloads, together=world.together)
    closures = Closures(repo)
    directory = Directory(repo, (world.engine, *world.beside), policies, tenancy=world.tenancy, closures=closures)
    limits = Limits(Budgets(), ledger.counted, world.tenancy, forge=world.forge is not None, kinds=world.kinds)
    coming = ComingBack(world.registry, world.charts, world.objects, world.references, world.updaters, world.promoters)
    facts = GuardFactsReader(repo, inputs, limits, coming, world.workloads)
    executor = Executor(repo, journal_repo, journal, told, world.clock)
    observer = Observer(repo, policies, measuring, world.tenancy, closures)
    observer.asks_together = world.together is not None
    blamer = Blamer(repo, inputs, closures, world.workloads)
    made = Reconciler(
        viewer=Viewer(repo, journal_repo, journal, policies, world.clock, "gitops-rollback@example.com"),
        directory=directory,
        observer=observer,
        proposer=Proposer(repo, directory, observer, blamer, facts, world.workloads, world.objects),
        follower=Follower(repo, policies, measuring, NoProbe(), steady, world.workloads, None, world.objects),
        surroundings=Surroundings(repo, lambda: PauseState(SETTINGS_DOOR), "gitops-rollback@example.com"),
        outbreaks=Outbreaks(repo, measuring),
        executor=executor,
        clock=world.clock,
        side_by_side=lambda look, items: tuple(found for item in items if (found := look(item)) is not None),
        isolated=lambda name, act: act(),
        exclusive=lambda: _exclusive(repo),
        ledger=lambda records: ledger.see(repo.name, records),
    )
    if world.forge is not None:
        made.offer_at(world.forge)
    return made


def _exclusive(repo: ConfigRepo) -> AbstractContextManager[None]:
    return repo.exclusive()


def pushed(tick: Tick) -> list[RollbackRecord]:
    """The rollbacks that have a commit: plans that only wait for a word are left out."""
    return [record for record in tick.view.journal.records.values() if record.commit is not None]


def decision_of(sight: Sight, replica: Replica, tick: Tick) -> str:
    """The reason of what would be done about one application."""
    facts = replica.reconciler._facts(sight, tick)
    return facts.decision.reason.value if facts.decision else ""


def _git(*arguments: str, content: bytes = b"") -> str:
    done = subprocess.run(["git", *arguments], input=content, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return done.stdout.decode().strip()


def running(
    world: World, *names: str, since: datetime = START - 60 * MINUTE, extra: Mapping[str, str] | None = None
) -> str:
    """Applications that have been running and quiet at the first commit, each with its policy; the commit."""
    files: dict[str, str] = {"README.md": "The shop\n"}
    for name in names:
        files[f"apps/{name}/{name}.yaml"] = deployment(name, "1.0")
        files[f"{POLICIES}/{name}.yaml"] = policy(name)
    first = world.first({**files, **(extra or {})})
    for name in names:
        world.engine.add(name)
        world.engine.deploy(name, first, since)
    return first


def ship(
    world: World,
    name: str,
    at: datetime,
    old: str = "1.0",
    new: str = "1.1",
    files: Mapping[str, str | None] | None = None,
) -> str:
    """A commit that changes the image of one application; `files` go with it."""
    path = f"apps/{name}/{name}.yaml"
    text = world.people.read(path).replace(f":{old}", f":{new}")
    return world.people.push(f"Ship {name} {new}", {path: text, **(files or {})}, at)
