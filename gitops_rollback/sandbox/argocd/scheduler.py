"""Who works when? One thread that resumes generators; each yields how many seconds of sandbox time it wants to wait.

One thread, so that the writes of all applications have one order, as those of the real controller's queue.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.clock import SandboxClock

Steps = Generator[float, None, None]

_LONGEST_WAIT_SECONDS = 3600.0
_LONGEST_LAG = timedelta(seconds=30)
log = logging.getLogger(__name__)


class TaskClock:
    """The clock for whoever a task calls: inside a step it is the moment for which the step was due.

    So a stall of the machine moves nothing: what was due in an order happens in that order, with those times.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self.real = clock
        self._moment: datetime | None = None
        self._thread: int | None = None

    def now(self) -> datetime:
        """The present; on the scheduler's thread the present step's own moment."""
        moment = self._moment
        return moment if moment is not None and threading.get_ident() == self._thread else self.real.now()

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Wait in real sandbox time."""
        return self.real.wait(seconds, event)

    def enter(self, due: datetime) -> None:
        """A step begins that was due at `due`; the clock never lags far behind, however long a stall was."""
        self._thread = threading.get_ident()
        self._moment = max(due, self.real.now() - _LONGEST_LAG)

    def leave(self) -> None:
        """The step is over."""
        self._moment = None


class Task:
    """One running generator. It may yield infinity: then only `wake` resumes it."""

    def __init__(self, name: str, steps: Steps) -> None:
        self.name = name
        self.steps = steps
        self.turn = 0  # older entries of the queue are void
        self.done = False


class Scheduler:
    """Runs tasks in the order of their time. `failures` holds what escaped from them: nothing should."""

    def __init__(self, clock: SandboxClock) -> None:
        self.failures: list[BaseException] = []
        self.clock = TaskClock(clock)
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._queue: list[tuple[datetime, int, int, Task]] = []
        self._order = itertools.count()
        self._stopped = False
        self._paused: datetime | None = None
        self._pass_to: Callable[[datetime], None] | None = None
        self._stepping = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="sandbox-argocd-controller", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def drive(self, pass_to: Callable[[datetime], None]) -> None:
        """Instead of `start`: nothing happens but by `step`, and by who waits in `attend`.

        `pass_to(moment)` lets the clock come to a moment, if it is not there yet.
        """
        self._pass_to = pass_to

    def due(self) -> datetime | None:
        """When the next step is due, which may be past; None if nothing is."""
        with self._lock:
            while self._queue and self._queue[0][2] != self._queue[0][3].turn:
                heapq.heappop(self._queue)
            return self._queue[0][0] if self._queue and self._paused is None else None

    def step(self) -> bool:
        """Let time pass to the next step, and do it on this thread; False if there is none. Only after `drive`."""
        with self._stepping:
            due = self.due()
            if due is None or self._pass_to is None:
                return False
            self._pass_to(due)
            task, moment = self._next()
            if task is not None and moment is not None:
                self.clock.enter(moment)
                self._resume(task)
                self.clock.leave()
            return True

    def attend(self, event: threading.Event, real_seconds: float) -> None:
        """Wait for `event` a while. With a clock that stands, whoever waits lets the world go on."""
        if self._pass_to is None or event.is_set() or not self.step():
            event.wait(real_seconds)

    def stop(self) -> None:
        """Stop after the present step and wait for that."""
        self._stopped = True
        self._changed.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self, paused: bool) -> None:
        """Do nothing at all until unpaused; then everything comes later by the length of the pause."""
        now = self.clock.real.now()
        with self._lock:
            if not paused and self._paused is not None:
                pause = now - self._paused
                self._queue = [(due + pause, order, turn, task) for due, order, turn, task in self._queue]
            self._paused = (self._paused or now) if paused else None
        self._changed.set()

    def spawn(self, name: str, steps: Steps, after: float = 0.0) -> Task:
        """Run `steps`, the first of them `after` seconds from now."""
        task = Task(name, steps)
        self._schedule(task, after)
        return task

    def wake(self, task: Task, after: float = 0.0) -> None:
        """Resume `task` in `after` seconds, whatever it waits for."""
        if not task.done:
            self._schedule(task, after)

    def _schedule(self, task: Task, seconds: float, unless_woken_since: int | None = None) -> None:
        with self._lock:
            if unless_woken_since not in (None, task.turn):
                return
            task.turn += 1
            if not math.isinf(seconds):
                due = self.clock.now() + timedelta(seconds=seconds)
                heapq.heappush(self._queue, (due, next(self._order), task.turn, task))
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            task, due = self._next()
            if task is None:
                wait = (due - self.clock.real.now()).total_seconds() if due else _LONGEST_WAIT_SECONDS
                self.clock.wait(min(wait, _LONGEST_WAIT_SECONDS), self._changed)
            elif due is not None:
                self.clock.enter(due)
                self._resume(task)
                self.clock.leave()

    def _next(self) -> tuple[Task | None, datetime | None]:
        """The task that is due, with its moment; or None and the moment of the next one."""
        with self._lock:
            while self._queue and self._paused is None:
                due, _, turn, task = self._queue[0]
                if turn == task.turn and due > self.clock.real.now():
                    return None, due
                heapq.heappop(self._queue)
                if turn == task.turn:
                    return task, due
        return None, None

    def _resume(self, task: Task) -> None:
        turn = task.turn
        try:
            delay = next(task.steps)
        except StopIteration:
            task.done = True
            return
        except Exception as exc:
            task.done = True
            self.failures.append(exc)
            log.exception("sandbox task %s failed", task.name)
            return
        self._schedule(task, delay, unless_woken_since=turn)
