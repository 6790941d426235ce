"""The threads of a simulated process: each look is a strand of its own, and its futures end in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from greenlet import getcurrent

from gitops_rollback.sandbox.simulation.schedule import START, Process, Schedule, Strand

Given = ParamSpec("Given")
Result = TypeVar("Result")


class SimWorkers:
    """As many as are asked for: a pool that is too small is judged elsewhere."""

    def __init__(self, schedule: Schedule, process: Process) -> None:
        self._schedule = schedule
        self._process = process
        self._waiting: Strand | None = None
        self._awaited: Sequence[Future[Any]] = ()

    def submit(self, act: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Future[Result]:
        """As in `app.workers.Workers`."""
        future: Future[Result] = Future()
        self._process.begin(partial(self._run, future, partial(act, *args, **named)))
        return future

    def wait(self, futures: Sequence[Future[Any]], seconds: float) -> None:
        """As in `app.workers.Workers`."""
        strand = getcurrent()
        if not isinstance(strand, Strand):
            raise RuntimeError("only a strand of a simulated process can wait")
        self._awaited, self._waiting = futures, strand
        if not self._all_done():
            self._schedule.sleep(seconds)
        self._awaited, self._waiting = (), None

    def elapsed(self) -> float:
        """As in `app.workers.Workers`."""
        return (self._schedule.now - START).total_seconds()

    def close(self) -> None:
        """As in `app.workers.Workers`."""

    def _run(self, future: Future[Result], act: Callable[[], Result]) -> None:
        try:
            future.set_result(act())
        except Exception as error:
            future.set_exception(error)
        if self._waiting is not None and self._all_done():
            self._schedule.wake(self._waiting)

    def _all_done(self) -> bool:
        return all(future.done() for future in self._awaited)
