"""The running controller: one loop for each config repository, woken by time and by the engines' hints."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from gitops_rollback.app.chat_door import Presses
from gitops_rollback.app.health import LONGEST_TICK_SECONDS, Health
from gitops_rollback.app.leading import Leading, Role, nothing
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.tick import Tick
from gitops_rollback.app.view import View
from gitops_rollback.core.errors import LeaseLost, Reason, RepositoryUnavailable, RollbackError, StalledError
from gitops_rollback.core.press import CheckPress, PagePress, Press
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import Advising, Clock, Engine
from gitops_rollback.replicas import Members

DEFAULT_INTERVAL = timedelta(seconds=15)
WAIT_SLICE_SECONDS = 1.0
SHORTEST_WAKE_SECONDS = 0.25
SHORTEST_ALARM_SECONDS = 2.0
LONGEST_BACKOFF = 8
LEAVE_SECONDS = 2.0
LONGEST_RETRY_AFTER_SECONDS = 900.0
TIDY_SECONDS = 3600.0  # between two looks whether the clone has grown
LONGEST_SILENCE = timedelta(minutes=10)  # of a repository that cannot be read; then a person is told
log = structlog.get_logger()


@dataclass
class RepositoryLoop:
    """Turns one repository's reconciler. A tick never overlaps itself; one that comes late is skipped, not queued."""

    name: str
    reconciler: Reconciler
    clock: Clock
    health: Health
    failed: Callable[[str, RollbackError], None]
    stood_by: Callable[[View], None] = lambda _view: None  # is told what was read while another replica acts
    tidy: Callable[[], None] = lambda: None  # bounds the clone's disk
    ended: Callable[[str], None] = lambda _failure: None  # a tick did, "" or with the reason why it failed
    leading: Leading | None = None  # None: there is no other replica
    addresses: tuple[str, ...] = ()  # of the repository, by which others may name it
    presses: Presses[Press] = field(default_factory=Presses)
    checks: Presses[CheckPress] = field(default_factory=Presses)
    pages: Presses[PagePress] = field(default_factory=Presses)
    interval: timedelta = DEFAULT_INTERVAL
    draw: Callable[[float, float], float] = random.uniform
    _hint: threading.Event = field(default_factory=threading.Event)
    _called: threading.Event = field(default_factory=threading.Event)
    _alarm: threading.Event = field(default_factory=threading.Event)
    _following: bool = False
    _role: Role = Role.LEADS
    _failures: int = 0
    _turned_at: datetime | None = None
    _failing_since: float | None = None  # monotonic seconds of policy time
    _tidied_at: float | None = None  # monotonic seconds
    _not_before: float = 0.0  # monotonic seconds: the remote asked to be left alone until then

    def alarm(self) -> None:
        """Pods fail in a new way: look now, rollback or not, and not at the next multiple of the interval."""
        self._alarm.set()

    def is_one_of(self, addresses: Sequence[str]) -> bool:
        """Whether its repository has one of these addresses."""
        return any(same_repository(own, other) for own in self.addresses for other in addresses)

    def wake(self) -> None:
        """An application may have changed: look sooner if a rollback is under way."""
        self._hint.set()

    def call(self) -> None:
        """It has become ours, or a commit of ours has landed that the engine should apply: look now."""
        self._called.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. Nothing that a tick raises ends the loop."""
        while not stop.is_set():
            self.health.turned(self.name, LONGEST_TICK_SECONDS)
            self.turn()
            self.health.turned(self.name)
            self._wait(stop)
        self._last_words()

    def _last_words(self) -> None:
        if self._role is not Role.LEADS:
            return
        try:
            self.reconciler.close()
        except RollbackError as error:
            log.warning("could not write the last decisions", repo=self.name, error=error.message)

    def turn(self) -> None:
        """One tick, at the newest multiple of the interval; at this very moment after an alarm."""
        alarmed = self._alarm.is_set()
        self._alarm.clear()
        now = self.clock.now() if alarmed else aligned(self.clock.now(), self.interval)
        if self._turned_at is not None and timedelta(0) < self._turned_at - now < self.interval:
            now = self._turned_at  # the multiple before an alarm's moment is past
        self._turned_at = now
        self._role = self.leading.begin() if self.leading is not None else Role.LEADS
        try:
            tick = self._tick(now)
        except LeaseLost as error:
            log.warning("a tick ended without its lease", repo=self.name, error=error.message)
            return
        except RollbackError as error:
            self._failures += 1
            self.ended(error.reason.value)
            self.health.report(self.name, False, f"{error.reason.value}: {error.message}")
            if self._role is not Role.STANDS_BY:  # else the one that leads tells it
                self.failed(self.name, self._after(error))
            return
        except Exception:
            self._failures += 1
            self.ended(Reason.INTERNAL_ERROR.value)
            self.health.report(self.name, False, "InternalError: see the log")
            log.exception("a tick failed", repo=self.name)
            return
        if self._role is not Role.READS_ONLY:
            self._failing_since = None
        self._failures = 0
        self.ended("")
        self._following = tick is not None and any(sight.progress is not None for sight in tick.sights)
        self._keep_small()
        if tick is None:
            self.health.report(self.name, True, "fetched; another replica acts")
            return
        timings = [watched.policy.timing.interval for watched in tick.listing.watched]
        self.interval = min(timings, default=DEFAULT_INTERVAL)
        self._report(tick)
        if self.leading is not None and self.leading.offer(self._following, self._last_words):
            log.info("handed the repository over", repo=self.name)

    def _tick(self, now: datetime) -> Tick | None:
        """As much of it as our role allows; None: only the repository was read."""
        if self._role is Role.STANDS_BY:
            self._following = False
            self.stood_by(self.reconciler.stand_by())
            return None
        if self._role is Role.LEADS or self.leading is None:
            return self.reconciler.tick(now)
        tick = self.reconciler.read_only(now)
        unable = self._after(LeaseLost(self.name, f"nothing is written: {self.leading.words()}"))
        if isinstance(unable, StalledError):
            self.failed(self.name, unable)
        return tick

    def _after(self, error: RollbackError) -> RollbackError:
        """Keep what the remote asks for. An error that has lasted too long for a passing one is a person's matter."""
        now = self.clock.monotonic()
        since = self._failing_since = now if self._failing_since is None else self._failing_since
        silence = timedelta(seconds=now - since)
        if isinstance(error, RepositoryUnavailable):
            self._not_before = time.monotonic() + min(error.retry_after, LONGEST_RETRY_AFTER_SECONDS)
        if isinstance(error, StalledError) or silence < LONGEST_SILENCE:
            return error
        minutes = silence // timedelta(minutes=1)
        return StalledError(error.subject, f"for {minutes} minutes now: {error.message}", error.reason)

    def _keep_small(self) -> None:
        """Tidy the clone now and then, never while a rollback is under way: it may take minutes."""
        now = time.monotonic()
        if self._tidied_at is None:
            self._tidied_at = now  # the first looks must not wait
        if self._following or now - self._tidied_at < TIDY_SECONDS:
            return
        self._tidied_at = now
        try:
            self.tidy()
        except RollbackError as error:
            log.warning("could not tidy the clone", repo=self.name, error=error.message)

    def _report(self, tick: Tick) -> None:
        view, listing = tick.view, tick.listing
        watched = f"{len(listing.watched)} applications watched at {view.heads.branch[:12]}"
        self.health.report(self.name, True, watched)
        errors = len(view.policies.errors)
        self.health.report(f"{self.name} policies", True, f"{len(view.policies.policies)} loaded, {errors} faults")
        journal = view.heads.journal[:12] if view.heads.journal else "not there yet"
        self.health.report(f"{self.name} journal", not view.journal.damaged, f"read at {journal}")
        for engine in {one.engine.instance for one in listing.fed}:
            self.health.report(f"engine {engine} listing", True, "answered at the last tick")
        for problem in listing.silent:
            self.health.report(f"engine {problem.subject} listing", False, problem.message)

    def _wait(self, stop: threading.Event) -> None:
        """Until the next multiple of the interval, or a hint while a rollback is under way.

        After failures longer, by up to an interval more, so that what failed together does not come back together.
        """
        steps = min(2**self._failures, LONGEST_BACKOFF) if self._failures else 1
        due = aligned(self.clock.now(), self.interval) + self.interval * steps
        if self._failures:
            due += self.interval * self.draw(0.0, 1.0)
        end = max(time.monotonic() + self.clock.real_seconds(due - self.clock.now()), self._not_before)
        earliest = time.monotonic() + SHORTEST_WAKE_SECONDS
        earliest_alarm = max(time.monotonic() + SHORTEST_ALARM_SECONDS, self._not_before)
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            self.health.turned(self.name)
            if self._called.is_set() or (self._following and self._hint.is_set() and time.monotonic() >= earliest):
                break
            if self._alarm.is_set() and not self._failures and time.monotonic() >= earliest_alarm:
                break
            stop.wait(min(left, WAIT_SLICE_SECONDS, SHORTEST_WAKE_SECONDS if self._following else left))
        self._hint.clear()
        self._called.clear()


@dataclass
class Controller:
    """All loops and streams, each in its own thread."""

    loops: tuple[RepositoryLoop, ...]
    engines: tuple[Engine, ...]
    health: Health
    members: Members | None = None
    halt: Callable[[], None] = nothing
    heard: Callable[[str], None] = lambda _instance: None  # the engine of this name told of a change
    stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _leaves: threading.Event = field(default_factory=threading.Event)
    _electing: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._elect()
        for loop in self.loops:
            self._spawn(f"loop {loop.name}", partial(loop.run, self.stop))
        for engine in self.engines:
            self._spawn(
                f"stream {engine.instance}", partial(engine.watch, partial(self._wake, engine.instance), self.stop)
            )
            self._spawn(f"probe {engine.instance}", partial(self._probe, engine))

    def alarm(self) -> None:
        """All loops look now."""
        for loop in self.loops:
            loop.alarm()

    def pressed(self, press: Press | CheckPress | PagePress) -> None:
        """Somebody pressed a button, in a chat, below a check or on a page: whose rollback it is looks now."""
        for loop in self.loops:
            if isinstance(press, Press):
                loop.presses.add(press)
                loop.alarm()
            elif isinstance(press, PagePress):
                if loop.name == press.repository:
                    loop.pages.add(press)
                    loop.alarm()
            elif loop.is_one_of(press.places):
                loop.checks.add(press)
                loop.alarm()

    def look(self, repositories: Sequence[str]) -> bool:
        """The loop of the repository with one of these addresses looks now; without any address all of them do.

        False if the addresses are of no repository of ours.
        """
        named = [loop for loop in self.loops if not repositories or loop.is_one_of(repositories)]
        for loop in named:
            loop.alarm()
        return bool(named)

    def join(self, timeout_seconds: float) -> bool:
        """Ask all to end, and wait; True if all did."""
        self.stop.set()
        self.halt()
        for loop in self.loops:
            loop.wake()
        end = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        ended = not any(thread.is_alive() for thread in self._threads)
        self._leave(ended)
        return ended

    def _elect(self) -> None:
        """A lease is held as long as there may be work under it: its thread ends after all others."""
        runs = {f"lease {one.repository}": one.run for one in self._leads()}
        if self.members is not None:
            runs["members"] = self.members.run
        for name, run in runs.items():
            self._electing.append(threading.Thread(target=run, args=(self._leaves,), name=name, daemon=True))
            self._electing[-1].start()

    def _leave(self, ended: bool) -> None:
        """Give back what we lead, so that another replica goes on at once; where work goes on, it runs out instead."""
        self._leaves.set()
        for thread in self._electing:
            thread.join(LEAVE_SECONDS)
        for one in self._leads() if ended else ():
            one.give_back()

    def _leads(self) -> tuple[Leading, ...]:
        return tuple(loop.leading for loop in self.loops if loop.leading is not None)

    def _probe(self, engine: Engine) -> None:
        """Say once at the start what the engine does not allow us; every look says for itself whether it worked."""
        part = f"engine {engine.instance}"
        try:
            complaints = engine.probe()
        except RollbackError as error:
            complaints = (error.message,)
        for complaint in complaints:
            log.warning("the engine does not allow all that is needed", engine=engine.instance, error=complaint)
        self.health.report(part, not complaints, "; ".join(complaints) or "answers, and allows what is needed")
        if isinstance(engine, Advising):
            self._advise(engine, engine.instance)

    def _advise(self, engine: Advising, instance: str) -> None:
        try:
            advice = engine.advice()
        except RollbackError:
            return  # the complaints say it
        for sentence in advice:
            log.warning("a rollback may be slow", engine=instance, advice=sentence)
        if advice:
            self.health.report(f"engine {instance} advice", True, "; ".join(advice))

    def _wake(self, instance: str, _application: ApplicationId) -> None:
        self.heard(instance)
        for loop in self.loops:
            loop.wake()

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def aligned(now: datetime, interval: timedelta) -> datetime:
    """The newest multiple of `interval` since the epoch, so that all replicas share their ticks."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (now - epoch) // interval * interval
