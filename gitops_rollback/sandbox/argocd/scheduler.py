"""Who works when? One thread that resumes generators; each yields how many seconds of sandbox time it wants to wait.

One thread, so that the writes of all applications have one order, as those of the real controller's queue.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
from collections.abc import Generator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.clock import SandboxClock

Steps = Generator[float, None, None]

_LONGEST_WAIT_SECONDS = 3600.0
log = logging.getLogger(__name__)


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
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._queue: list[tuple[datetime, int, int, Task]] = []
        self._order = itertools.count()
        self._stopped = False
        self._paused = False
        self._thread = threading.Thread(target=self._run, name="sandbox-argocd-controller", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the present step and wait for that."""
        self._stopped = True
        self._changed.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self, paused: bool) -> None:
        """Do nothing at all until unpaused; due work waits."""
        self._paused = paused
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
                due = self._clock.now() + timedelta(seconds=seconds)
                heapq.heappush(self._queue, (due, next(self._order), task.turn, task))
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            self._changed.clear()
            task, seconds = self._next()
            if task is None:
                self._clock.wait(seconds, self._changed)
            else:
                self._resume(task)

    def _next(self) -> tuple[Task | None, float]:
        if self._paused:
            return None, _LONGEST_WAIT_SECONDS
        with self._lock:
            while self._queue:
                due, _, turn, task = self._queue[0]
                left = (due - self._clock.now()).total_seconds()
                if turn == task.turn and left > 0:
                    return None, min(left, _LONGEST_WAIT_SECONDS)
                heapq.heappop(self._queue)
                if turn == task.turn:
                    return task, 0.0
        return None, _LONGEST_WAIT_SECONDS

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
