"""One controller of a simulated world: the real parts on simulated ports, in strands that are killed by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

from gitops_rollback.adapters.journal import GitJournal
from gitops_rollback.app.blame import Blamer
from gitops_rollback.app.circumstances import Surroundings
from gitops_rollback.app.closures import Closures
from gitops_rollback.app.coming_back import ComingBack
from gitops_rollback.app.controller import DEFAULT_INTERVAL, aligned
from gitops_rollback.app.directory import Directory
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.guard_facts import GuardFactsReader, Limits
from gitops_rollback.app.health import Metrics
from gitops_rollback.app.inputs import Inputs
from gitops_rollback.app.leading import Leading, Role, nothing
from gitops_rollback.app.ledger import Ledger
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.outbreaks import Outbreaks
from gitops_rollback.app.past import GitPast
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.reporting import TickReport
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.runs import UNSEEN
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.taking import take_requests
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.app.view import PolicyStore, Viewer
from gitops_rollback.app.workers import SideBySide
from gitops_rollback.core.action import Note
from gitops_rollback.core.errors import LeaseLost, RollbackError, StalledError
from gitops_rollback.core.guards.facts import Budgets
from gitops_rollback.ports import Message, RefUpdate
from gitops_rollback.sandbox.simulation.chat import Chat, QuietFanout
from gitops_rollback.sandbox.simulation.cloud import REVERSIBLE, SimObjects
from gitops_rollback.sandbox.simulation.databases import SimServers
from gitops_rollback.sandbox.simulation.engines import engine_of
from gitops_rollback.sandbox.simulation.events import Asked, Broken, Ticked
from gitops_rollback.sandbox.simulation.files import POLICIES
from gitops_rollback.sandbox.simulation.forge.port import SimForge
from gitops_rollback.sandbox.simulation.gate import Gate, Surface
from gitops_rollback.sandbox.simulation.leasing import Holding
from gitops_rollback.sandbox.simulation.metrics import SimMetrics
from gitops_rollback.sandbox.simulation.registry import SimRegistry
from gitops_rollback.sandbox.simulation.repo import AUTHOR, Disk, SimRepo
from gitops_rollback.sandbox.simulation.schedule import START, Killed
from gitops_rollback.sandbox.simulation.schedule import Process as Strands
from gitops_rollback.sandbox.simulation.slots import SimWorkloads
from gitops_rollback.sandbox.simulation.workers import SimWorkers
from gitops_rollback.sandbox.simulation.world import World


class SimClock:
    """The replica's own clock, which may be wrong by `offset`."""

    def __init__(self, world: World) -> None:
        self.offset = timedelta(0)
        self._world = world

    def now(self) -> datetime:
        """As in `ports.Clock`."""
        return self._world.now + self.offset

    def monotonic(self) -> float:
        """As in `ports.Clock`."""
        return (self._world.now - START).total_seconds()

    def real_seconds(self, duration: timedelta) -> float:
        """As in `ports.Clock`."""
        return duration.total_seconds()


@dataclass(frozen=True)
class SimNotifier:
    """Tells the world; what it cannot deliver at once is the adapter's to try again."""

    gate: Gate
    world: World

    def tell(self, message: Message) -> None:
        """As in `ports.Notifier`: never raises."""
        self.gate.enter("notifier.tell")
        self.world.told(self.gate.who, message)
        self.gate.leave("notifier.tell")


class TellingExecutor(Executor):
    """The executor, whose decisions stand in the story."""

    tells: Callable[[str], None]
    said: dict[str, str]

    def note(self, note: Note, look: Look) -> None:
        """As the executor does."""
        if note.decision.act is not look.raised.act or note.decision.reason is not look.raised.reason:
            decided = note.decision
            text = f"decides {look.watched.id.name}: {decided.act.value} {decided.reason.value}: {decided.message}"
            if self.said.get(look.name) != text:
                self.said[look.name] = text
                self.tells(text)
        super().note(note, look)


class NoProbe:
    """No policy of the simulation has an HTTP check."""

    def status(self, url: str, timeout: timedelta) -> int:
        """Always well."""
        return 200


@dataclass
class Process:
    """What dies with a kill."""

    strands: Strands
    gate: Gate
    repo: SimRepo
    reconciler: Reconciler
    reports: TickReport
    leading: Leading | None = None
    decisions: dict[str, str] = field(default_factory=dict)


class Replica:
    """A controller that is started again whenever it was killed."""

    def __init__(self, who: str, world: World) -> None:
        self.who = who
        self.clock = SimClock(world)
        self.ticks = 0
        self.began = START
        self._world = world
        self._random: Random = world.random(who)
        self._disk = Disk()
        self._failures = self._starts = 0
        self.process: Process | None = None
        world.at_calm.append(self._stand_up)
        world.schedule.after(self._random.uniform(1, 40), self._start)

    def _start(self) -> None:
        world = self._world
        if not world.setup.keeps_disk:
            self._disk = Disk()
        strands, setup = world.schedule.process(self.who), world.setup
        surface = Surface(world.schedule, world.story, setup.rates, setup.latency, world.stands_still)
        gate = Gate(self.who, strands, surface, self._random)
        repo = SimRepo(gate, world.remote, self._disk, self._asked)
        holding = self._holding(gate) if setup.leased else None
        leading = holding.leading if holding is not None else None
        reconciler = self.wired(gate, repo, SimWorkers(world.schedule, strands), leading)
        world.tell(self.who, "starts")
        reports = TickReport(repo.name, Metrics())
        self.process = Process(strands, gate, repo, reconciler, reports, leading)
        strands.begin(self._run)
        if holding is not None:
            strands.begin(holding.strand)

    def _holding(self, gate: Gate) -> Holding:
        """An identity of this start alone."""
        world = self._world
        self._starts += 1
        return Holding(gate, world.leases, world.schedule, f"{self.who}_{self._starts}", self._random)

    def _executor(self, gate: Gate, repo: SimRepo, leading: Leading | None, announces: bool) -> TellingExecutor:
        world = self._world
        chat = Chat(world.setup.deaf, world.random(f"chat of {gate.who}"))
        notifier = QuietFanout((chat, SimNotifier(gate, world)))
        confirm = leading.confirm if leading is not None else nothing
        executor = TellingExecutor(repo, repo, GitJournal(repo), notifier, self.clock, announces, confirm)
        executor.tells, executor.said = partial(world.tell, gate.who), {}
        return executor

    def wired(
        self, gate: Gate, repo: SimRepo, workers: SimWorkers, leading: Leading | None, announces: bool = True
    ) -> Reconciler:
        """As the runtime wires them, with strands for threads; what a person's verb runs `announces` nothing."""
        world, clock = self._world, self.clock
        past = GitPast()
        past.add(repo)
        engine = engine_of(world, gate, clock.now, past)
        metrics = SimMetrics(gate, world.store)
        steady, policies, inputs = Steady(clock), PolicyStore(repo, POLICIES), Inputs(repo)
        ledger, journal = Ledger(steady), GitJournal(repo)
        measuring = Measuring(lambda _settings: metrics, new_lock=gate.lock, steady=steady)
        closures = Closures(repo, seconds=lambda: 0.0)  # no look at files takes simulated time
        directory = Directory(repo, (engine,), policies, closures=closures)
        registry = SimRegistry(gate, world.gone) if world.setup.registry else None
        kinds = REVERSIBLE if world.cloud is not None else frozenset()
        limits = Limits(Budgets(), ledger.counted, forge=world.forge is not None, kinds=kinds)
        facts = GuardFactsReader(repo, inputs, limits, ComingBack(registry))
        objects = SimObjects(gate, world.cloud) if world.cloud is not None else UNSEEN
        observer = Observer(repo, policies, measuring, closures=closures)
        databases, slots = world.cluster.databases, SimWorkloads(gate, world.slots, lambda: world.now)
        workloads = slots if databases is None else SimServers(gate, databases, lambda: world.now)
        made = Reconciler(
            viewer=Viewer(repo, repo, journal, policies, clock),
            directory=directory,
            observer=observer,
            proposer=Proposer(repo, directory, observer, Blamer(repo, inputs, closures), facts, workloads),
            follower=Follower(repo, policies, measuring, NoProbe(), steady, workloads, pool=workers, objects=objects),
            surroundings=Surroundings(repo, lambda: world.pauses.settings, AUTHOR),
            outbreaks=Outbreaks(repo, measuring),
            executor=self._executor(gate, repo, leading, announces),
            clock=clock,
            side_by_side=SideBySide[Watched, Sight](_name_of, self._look_failed, _patience, workers, Sight.aged),
            isolated=self._isolated,
            exclusive=repo.exclusive,
            ledger=lambda records: ledger.see(repo.name, records),
            remember=lambda journal: past.see(repo.name, journal),
            report=self._report,
            retries=self._retries,
        )
        if world.forge is not None:
            forge = SimForge(gate, world.forge, world.merge_asked)
            made.offer_at(forge)
            take_requests(made, forge)
        if leading is not None:
            leading.took_over = lambda: setattr(made, "executor", self._executor(gate, repo, leading, announces))
        return made

    # The loop

    def _run(self) -> None:
        """Tick after tick until the process is killed; then somebody starts another one."""
        world = self._world
        try:
            while self.process is not None:
                self._tick(self.process)
                due = aligned(world.now, DEFAULT_INTERVAL) + DEFAULT_INTERVAL * min(2**self._failures, 8)
                late = self._random.uniform(0, 2)
                world.schedule.sleep((due - world.now).total_seconds() + late)
        except Killed:
            self.process = None
            world.schedule.after(self._random.uniform(2, 60), self._start)
            raise

    def _stand_up(self) -> None:
        """Nobody stands still for long in a calm world."""
        if self.process is not None and self.process.strands.still_until > self._world.now:
            self.process.strands.stand_up(self._random.uniform(0, 30))

    def _tick(self, process: Process) -> None:
        world = self._world
        self.ticks, self.began, before = self.ticks + 1, world.now, process.gate.calls
        process.repo.heads.clear()
        failed = self._failures
        try:
            self._act(process, aligned(self.clock.now(), DEFAULT_INTERVAL))
            self._failures = 0
        except LeaseLost:
            world.tell(self.who, "has lost its lease")
        except RollbackError as error:
            self._failures += 1
            self._failed(process.reconciler, error)
        except Exception as error:
            self._failures += 1
            world.report(Broken(world.now, self.who, f"{type(error).__name__}: {error}"))
        seconds = (world.now - self.began).total_seconds()
        if failed != self._failures and self._failures == 1:
            world.tell(self.who, "cannot finish its tick")
        world.report(Ticked(world.now, self.who, process.gate.calls - before, seconds))

    def _act(self, process: Process, now: datetime) -> None:
        """As the product's loop does, by what its lease says."""
        role = process.leading.begin() if process.leading is not None else Role.LEADS
        if role is Role.LEADS:
            process.reconciler.tick(now)
        elif role is Role.READS_ONLY:
            process.reconciler.read_only(now)
        else:
            process.reconciler.stand_by()

    def _failed(self, reconciler: Reconciler, error: RollbackError) -> None:
        """As the runtime does: what only a person can mend is told at once."""
        name = "shop/config"
        if isinstance(error, StalledError):
            key = f"{name}/{error.reason.value}"
            text = "Nothing can be done"
            reconciler.executor.tell(Message("failed", name, text, str(error), key, error.reason.value, page=True))

    def _isolated(self, name: str, act: Callable[[], None]) -> None:
        world, process = self._world, self.process
        try:
            act()
        except LeaseLost:
            world.tell(self.who, f"does nothing about {name}: its lease is lost")
        except RollbackError as error:
            if process is not None:
                process.reconciler.executor.fail(name, error, page=isinstance(error, StalledError))
        except Exception as error:
            world.report(Broken(world.now, self.who, f"{name}: {type(error).__name__}: {error}"))

    def _look_failed(self, watched: Watched, error: Exception) -> None:
        if not isinstance(error, RollbackError):
            self._world.report(Broken(self._world.now, self.who, f"{watched.name}: {type(error).__name__}: {error}"))
        elif self.process is not None:
            self.process.reconciler.executor.fail(watched.name, error, page=False)

    def _retries(self) -> PushRetries:
        schedule = self._world.schedule
        return PushRetries(
            elapsed=lambda: (schedule.now - START).total_seconds(), wait=schedule.sleep, draw=self._random.uniform
        )

    # What it sees and does

    def _asked(self, repo: SimRepo, updates: tuple[RefUpdate, ...]) -> None:
        world = self._world
        if any(update.ref == "refs/heads/main" for update in updates):
            world.tell(self.who, f"is about to push {updates[0].new[:8]} on {str(updates[0].old)[:8]}")
            if not world.calm and self._random.random() < world.setup.racing:
                world.commit("racer", world.racing(), "Note something")
        world.asked(asked_of(repo, updates, world.now, self.ticks, self.began))

    def _report(self, tick: Tick) -> None:
        """Log what is new in what was seen, as ever; the story says it, too."""
        process = self.process
        if process is None:
            return
        process.reports(tick)
        for sight in tick.sights:
            text = _words(sight.look) if sight.look is not None else _progress(sight)
            if process.decisions.get(sight.watched.name) != text:
                process.decisions[sight.watched.name] = text
                self._world.tell(self.who, f"sees {sight.watched.id.name}: {text}")


def asked_of(repo: SimRepo, updates: tuple[RefUpdate, ...], at: datetime, tick: int, began: datetime) -> Asked:
    """What a process is about to push, with what it has read so far."""
    heads = frozenset(repo.heads)
    return Asked(at, repo.gate.who, tick, updates, dict(repo.read_heads), repo.last, repo.refused, heads, began)


def _name_of(watched: Watched) -> str:
    return watched.name


def _patience() -> float:
    """As the runtime's."""
    return 0.6 * DEFAULT_INTERVAL.total_seconds()


def _words(look: Look) -> str:
    raised = look.raised
    return f"{raised.act.value} {raised.reason.value} at {look.bad_revision[:8]}"


def _progress(sight: Sight) -> str:
    record = sight.progress.record if sight.progress else None
    return f"rollback {record.id} {record.phase.value}" if record else "nothing"
