"""From wired parts to a running controller, its reports, and a reload of the settings without a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from gitops_rollback.adapters.notifiers.fanout import LAST_WORDS_SECONDS, Closing
from gitops_rollback.app.asking_together import Together
from gitops_rollback.app.beforehand import end_drills, set_statuses, take_heartbeats, watch_images
from gitops_rollback.app.blame import Blamer
from gitops_rollback.app.board import Board, Place
from gitops_rollback.app.chat_door import ChatDoor
from gitops_rollback.app.check_door import CheckDoor
from gitops_rollback.app.circumstances import Surroundings
from gitops_rollback.app.closures import Closures
from gitops_rollback.app.controller import Controller, RepositoryLoop
from gitops_rollback.app.directory import Directory
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.guard_facts import GuardFactsReader, Limits
from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.app.inputs import Inputs
from gitops_rollback.app.leading import Leading, nothing
from gitops_rollback.app.ledger import Ledger
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.observing import ObservingExecutor, decisions_file
from gitops_rollback.app.origins import origin_of
from gitops_rollback.app.outbreaks import Outbreaks
from gitops_rollback.app.page_door import PageDoor
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.receipts import Receipts
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.reporting import TickReport
from gitops_rollback.app.repositories import Opened, open_repository
from gitops_rollback.app.settings import Budgets as BudgetSettings
from gitops_rollback.app.settings import Limit as LimitSetting
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_repositories import Repository
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.taking import take_pages, take_presses, take_requests
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.app.view import PolicyStore, View, Viewer
from gitops_rollback.app.wiring import Parts, committer_of, rations_of
from gitops_rollback.app.workers import SideBySide
from gitops_rollback.core.errors import LeaseLost, Reason, RollbackError, StalledError
from gitops_rollback.core.guards.facts import Budgets, Limit
from gitops_rollback.core.handover import NO_SHIFTS
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import PauseState
from gitops_rollback.core.tenants import Tenancy, Tenant
from gitops_rollback.core.trace import Trace, trace_of
from gitops_rollback.ports import JournalView, Message, MetricSource

SHORTEST_PATIENCE_SECONDS = 1.0
QUERY_THREADS = 8  # never the threads that look: those wait for these
FOLLOW_THREADS = 8  # for the applications of one rollback; they wait for the queries
log = structlog.get_logger()


@dataclass
class Runtime:
    """Owns what outlives a reload: health, metrics, the ledger, and the pause that the settings hold now."""

    parts: Parts
    settings_pause: Callable[[], PauseState]
    send_trace: Callable[[Trace], None] | None = None
    health: Health = field(default_factory=Health)
    metrics: Metrics = field(init=False)
    board: Board = field(default_factory=Board)
    receipts: Receipts = field(default_factory=Receipts)
    _opened: list[Opened] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.health)
        self.steady = Steady(self.parts.clock)
        self.ledger = Ledger(self.steady)
        settings = self.parts.settings
        self.rations = rations_of(settings, tenancy_of(settings), self.metrics.queried)
        self.parts.forges.measured_by(self.metrics)

    def controller(self) -> Controller:
        """A controller over all repositories of the settings; not started yet."""
        settings = self.parts.settings
        loops = tuple(self._loop(repository) for repository in settings.repositories)
        self.board.keep(frozenset(loop.name for loop in loops))
        election = self.parts.election
        members = election.members if election is not None else None
        controller = Controller(loops, self.parts.engines, self.health, members, self.halt, self.metrics.heard)
        self.parts.workloads.listen(controller.alarm)
        return controller

    def halt(self) -> None:
        """End what a look may wait minutes for."""
        for opened in self._opened:
            opened.repo.halt()

    def close(self) -> None:
        """Say what is still to be said, and end what the parts hold; after the controller has been joined."""
        if isinstance(self.parts.notifier, Closing):
            self.parts.notifier.close(LAST_WORDS_SECONDS)
        self.parts.audit.close(LAST_WORDS_SECONDS)
        for opened in self._opened:
            opened.repo.close()
            opened.journal_repo.close()
        self._opened.clear()
        self.parts.close()

    def _loop(self, repository: Repository) -> RepositoryLoop:
        opened = self._open(repository)
        self._opened.append(opened)
        repo, leading = opened.repo, self._leading(opened)
        reconciler = self.reconciler(opened, leading)
        self._show(reconciler, opened)
        self.health.expect(repo.name)
        loop = RepositoryLoop(
            name=repo.name,
            reconciler=reconciler,
            clock=self.parts.clock,
            health=self.health,
            failed=lambda name, error: self._failed(reconciler, name, error),
            stood_by=lambda view: self.board.read(repo.name, view, leading.leader if leading else ""),
            tidy=opened.tidy,
            ended=partial(self.metrics.ticked, repo.name),
            leading=leading,
            addresses=(repository.url, *repository.aliases),
        )
        self._take_words(loop, reconciler)
        if leading is not None:
            leading.called = loop.call
        if not self.parts.settings.observes:  # what is only said lands anew at each tick
            reconciler.landed = loop.call
        reconciler.side_by_side = SideBySide[Watched, Sight](
            lambda watched: watched.name,
            lambda watched, error: self._look_failed(reconciler, repo.name, watched.name, error),
            lambda: self._patience(loop.interval),
            aged=Sight.aged,
        )
        return loop

    def _show(self, reconciler: Reconciler, opened: Opened) -> None:
        """What a look saw is told to those that only watch."""
        name, told = opened.repo.name, TickReport(opened.repo.name, self.metrics, self.settings_pause)

        def report(tick: Tick) -> None:
            told(tick)
            self.board.see(name, tick)

        self.board.expect(name, Place(opened.repo, reconciler))
        reconciler.report = report

    def _take_words(self, loop: RepositoryLoop, reconciler: Reconciler) -> None:
        """What people ask for, at a forge, in a chat and on the dashboard."""
        answers, people = self.parts.answers, self.parts.settings.chat.approvers
        forge = self.parts.forges.of(loop.name)
        if forge is not None and not self.parts.settings.observes:
            take_requests(reconciler, forge, loop.checks)
            loop.stood_by = _turning_away(loop, CheckDoor(forge, loop.checks))
        if answers is not None:
            door = take_presses(reconciler, loop.presses, people, answers.answer, forge)
            loop.stood_by = _turning_away(loop, door)
        login = self.parts.settings.dashboard.login
        if login is not None:
            page = take_pages(reconciler, loop.pages, self.receipts, login.logins, forge)
            loop.stood_by = _turning_away(loop, page)
            if self.parts.settings.observes:
                reconciler.report = _observing(reconciler.report, page)

    def _open(self, repository: Repository) -> Opened:
        return open_repository(self.parts.settings, repository)

    def _leading(self, opened: Opened) -> Leading | None:
        """The repository's lease; None where there is one replica, or one that only observes."""
        election, name = self.parts.election, opened.repo.name
        if election is None:
            return None
        return Leading(name, election.lease(name), self.health, self.metrics, election.members)

    def _executor(self, opened: Opened, leading: Leading | None) -> Executor | ObservingExecutor:
        """Hands that remember nothing: what was done under another epoch is known from git alone."""
        parts, settings, repo = self.parts, self.parts.settings, opened.repo
        if settings.observes:
            out = decisions_file(Path(settings.observe_out or settings.state_dir), repo.name)
            return ObservingExecutor(out, repo, parts.notifier, parts.clock)
        confirm = leading.confirm if leading is not None else nothing
        return Executor(
            repo,
            opened.journal_repo,
            opened.journal,
            parts.notifier,
            parts.clock,
            confirm=confirm,
            ended=self._ended,
        )

    def _ended(self, record: RollbackRecord) -> None:
        self.metrics.ended(record)
        if self.send_trace is not None and (trace := trace_of(record, self.parts.clock.now())) is not None:
            self.send_trace(trace)

    def reconciler(self, opened: Opened, leading: Leading | None = None) -> Reconciler:
        """The parts of the way for one repository; `leading` None: no other replica acts for it."""
        settings, repo = self.parts.settings, opened.repo
        policies = PolicyStore(repo, opened.settings.policies_path, guard_budgets(settings.budgets).application)
        made = self.observing(opened, policies, self._executor(opened, leading))
        made.observer.asks_together = True
        forge = self.parts.forges.of(repo.name)
        if forge is not None and not settings.observes:
            made.offer_at(forge)
        if not settings.observes:
            if forge is not None:
                set_statuses(made, forge, settings.statuses)
            take_heartbeats(made, forge, settings.heartbeat.rhythm, lambda beat: self.metrics.beat(repo.name, beat))
            end_drills(made, self.metrics.practice, settings.drills.schedule)
            if self.parts.keeps_looking:
                watch_images(made, self.metrics.images)
        if leading is not None:
            leading.took_over = lambda: setattr(made, "executor", self._executor(opened, leading))
        return made

    def observing(self, opened: Opened, policies: PolicyStore, executor: Executor | ObservingExecutor) -> Reconciler:
        """The parts that look and decide, with these hands; nothing goes to a forge."""
        parts, settings, repo = self.parts, self.parts.settings, opened.repo
        parts.past.add(repo, opened.settings.aliases)
        tenancy = tenancy_of(settings)
        closures = Closures(repo, opened.settings.aliases)
        directory = Directory(repo, parts.engines, policies, opened.settings.aliases, tenancy, closures)
        threads = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="query")
        followed = ThreadPoolExecutor(FOLLOW_THREADS, thread_name_prefix="follow")
        together = Together(ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="together"))
        measuring = Measuring(
            self._source_of,
            threads,
            steady=self.steady,
            workloads=parts.workloads,
            alerts=parts.alerts,
            together=together,
        )
        inputs = Inputs(repo)
        signs = opened.settings.signing_key_file is not None
        forge = parts.forges.of(repo.name)
        budgets = guard_budgets(settings.budgets)
        limits = Limits(budgets, self.ledger.counted, tenancy, signs, forge=forge is not None, kinds=_kinds(settings))
        shifts = settings.handover.times if settings.handover else NO_SHIFTS
        facts = GuardFactsReader(repo, inputs, limits, parts.coming_back, parts.workloads)
        observer = Observer(repo, policies, measuring, tenancy, closures)
        blamer = Blamer(repo, inputs, closures, parts.workloads)
        made = Reconciler(
            viewer=Viewer(repo, opened.journal_repo, opened.journal, policies, parts.clock, committer_of(settings)),
            directory=directory,
            observer=observer,
            proposer=Proposer(repo, directory, observer, blamer, facts, parts.workloads, parts.objects),
            follower=Follower(
                repo, policies, measuring, parts.probe, self.steady, parts.workloads, followed, parts.objects
            ),
            surroundings=Surroundings(
                repo, self.settings_pause, committer_of(settings), shifts, settings.heartbeat.rhythm
            ),
            outbreaks=Outbreaks(repo, measuring),
            executor=executor,
            clock=parts.clock,
            side_by_side=lambda look, items: tuple(found for item in items if (found := look(item)) is not None),
            isolated=lambda name, act: self._isolated(made.executor, name, act),
            exclusive=repo.exclusive,
            ledger=lambda records: self.ledger.see(repo.name, records),
            remember=lambda journal: self._remember(repo.name, journal),
        )
        return made

    def _source_of(self, policy: Policy) -> MetricSource:
        return self.rations.of(policy, self.parts.sources.of(policy.metrics))

    def _remember(self, repo: str, journal: JournalView) -> None:
        self.parts.past.see(repo, journal)
        self.parts.audit.see(repo, journal, self.parts.clock.now())

    def _patience(self, interval: timedelta) -> float:
        """How long a tick waits for the looks: 0.6 of its interval in real time, and not less than a second."""
        return max(0.6 * self.parts.clock.real_seconds(interval), SHORTEST_PATIENCE_SECONDS)

    def _isolated(self, executor: Executor | ObservingExecutor, name: str, act: Callable[[], None]) -> None:
        try:
            act()
            self.health.recovered(name)
        except LeaseLost as error:
            log.warning("not done: another replica may act", application=name, error=error.message)
        except RollbackError as error:
            executor.fail(name, error, page=isinstance(error, StalledError))
        except Exception:
            log.exception("an action failed", application=name)
            self.health.report(name, False, "InternalError: see the log")

    def _look_failed(self, reconciler: Reconciler, repo: str, name: str, error: Exception) -> None:
        if isinstance(error, RollbackError) and error.reason is Reason.DISK_FULL:
            self._failed(reconciler, repo, error)  # no application's own trouble, and only a person can mend it
            return
        if isinstance(error, RollbackError):
            reconciler.executor.fail(name, error, page=False)
            return
        log.error("a look failed", application=name, exc_info=error)
        self.health.report(name, False, "InternalError: see the log")

    def _failed(self, reconciler: Reconciler, name: str, error: RollbackError) -> None:
        """A repository that cannot be read is retried; what only a person can mend is told at once, and once a day."""
        log.warning("a tick failed", repo=name, reason=error.reason.value, error=error.message)
        if isinstance(error, StalledError):
            key = f"{name}/{error.reason.value}/{self.parts.clock.now():%F}"
            reconciler.executor.tell(
                Message("failed", name, "Nothing can be done", str(error), key, error.reason.value, page=True)
            )


def tenancy_of(settings: Settings) -> Tenancy:
    """The settings' tenants as the core knows them."""
    tenants = tuple(
        Tenant(
            name=one.name,
            policies=one.policies,
            projects=one.applications.projects,
            namespaces=one.applications.namespaces,
            paths=one.paths,
            secrets=one.secrets,
            origins=one.origins,
            per_day=one.budgets.per24h,
        )
        for one in settings.tenants
    )
    return Tenancy(tenants, origin_of)


def guard_budgets(settings: BudgetSettings) -> Budgets:
    """The settings' budgets as the guards know them."""
    return Budgets(_limits(settings.application), _limits(settings.repository), _limits(settings.controller))


def _limits(given: Iterable[LimitSetting]) -> tuple[Limit, ...]:
    return tuple(Limit(one.max, one.per) for one in given)


class PauseNow:
    """The settings' door, replaced on each reload; thread-safe."""

    def __init__(self, state: PauseState) -> None:
        self._lock = threading.Lock()
        self._state = state

    def __call__(self) -> PauseState:
        with self._lock:
            return self._state

    def replace(self, state: PauseState) -> None:
        with self._lock:
            self._state = state


def _observing(told: Callable[[Tick], None], door: PageDoor) -> Callable[[Tick], None]:
    """What a look reports where nothing is ever written, and that to whoever presses a button."""

    def report(tick: Tick) -> None:
        told(tick)
        door.turn_away({}, tick.now, "only observes")

    return report


def _turning_away(loop: RepositoryLoop, door: ChatDoor | PageDoor | CheckDoor) -> Callable[[View], None]:
    """What the loop tells while another replica acts, and that one's name to whoever presses a button here."""
    told = loop.stood_by

    def stood_by(view: View) -> None:
        told(view)
        if loop.leading is not None:
            door.turn_away(view.journal.records, loop.clock.now(), loop.leading.words())

    return stood_by


def _kinds(settings: Settings) -> frozenset[tuple[str, str]]:
    """(group, kind) that the settings let go back and forth."""
    pairs = (one.rpartition("/") for one in settings.reversible_kinds)
    return frozenset((group, kind) for group, _, kind in pairs)
