"""The threads of a simulated process: each look is a strand of its own, and its futures end in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

from greenlet import getcurrent

from gitops_rollback.sandbox.simulation.schedule import START, Process, Schedule, Strand

Given = ParamSpec("Given")
Result = TypeVar("Result")
Item = TypeVar("Item")


class SimWorkers:
    """As many as are asked for: a pool that is too small is judged elsewhere."""

    def __init__(self, schedule: Schedule, process: Process) -> None:
        self._schedule = schedule
        self._process = process
        self._waiting: dict[Strand, Sequence[Future[Any]]] = {}

    def submit(self, act: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Future[Result]:
        """As in `app.workers.Workers`."""
        future: Future[Result] = Future()
        self._process.begin(partial(self._run, future, partial(act, *args, **named)))
        return future

    def wait(self, futures: Sequence[Future[Any]], seconds: float) -> None:
        """As in `app.workers.Workers`."""
        self._await(futures, partial(self._schedule.sleep, seconds))

    def map(self, act: Callable[[Item], Result], items: Sequence[Item], /) -> Iterable[Result]:
        """As in `app.progress.Pool`."""
        if len(items) < 2:
            return [act(item) for item in items]
        futures = [self.submit(act, item) for item in items]
        self._await(futures, self._schedule.park)
        return [future.result() for future in futures]

    def _await(self, futures: Sequence[Future[Any]], rest: Callable[[], None]) -> None:
        """Rest until all have ended, or as long as `rest` takes by itself."""
        strand = getcurrent()
        if not isinstance(strand, Strand):
            raise RuntimeError("only a strand of a simulated process can wait")
        if not _all_done(futures):
            self._waiting[strand] = futures
            rest()
            del self._waiting[strand]

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
        for strand, futures in [*self._waiting.items()]:
            if _all_done(futures):
                self._schedule.wake(strand)


def _all_done(futures: Sequence[Future[Any]]) -> bool:
    return all(future.done() for future in futures)
