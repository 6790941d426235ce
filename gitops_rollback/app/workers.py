"""Looks at many applications side by side, so that one that hangs or breaks delays no other.

At most one look at an application is under way. A tick waits only for looks that it began, and not for an application
whose last look took too long: what was found late is taken at a later tick. What is too old by then is worth only what
`aged` makes of it: a look that always takes too long must not hide for ever that a deadline has passed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")
Given = ParamSpec("Given")
Result = TypeVar("Result")

WORKERS = 16
STALE_SECONDS = 30.0


class Workers(Protocol):
    """Who looks, and whose clock says how long it took."""

    def submit(self, act: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Future[Result]:
        """Begin `act`, now or as soon as a worker is free."""

    def wait(self, futures: Sequence[Future[Any]], seconds: float) -> None:
        """Until all have ended, or for so long."""

    def elapsed(self) -> float:
        """Seconds of a clock that only goes forward."""

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its own deadlines."""


class WorkerThreads:
    """Real threads, and real time."""

    def __init__(self, count: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="look")

    def submit(self, act: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Future[Result]:
        """As in `Workers`."""
        return self._pool.submit(act, *args, **named)

    def wait(self, futures: Sequence[Future[Any]], seconds: float) -> None:
        """As in `Workers`."""
        wait(futures, timeout=seconds)

    def elapsed(self) -> float:
        """As in `Workers`."""
        return time.monotonic()

    def close(self) -> None:
        """As in `Workers`."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class _Under(Generic[Found]):
    future: Future[tuple[Found | None, float]]
    since: float


class SideBySide(Generic[Item, Found]):
    """`name_of` tells items apart; `failed(item, error)` is called in the caller's thread for a look that raised.

    `workers` are threads of its own where nobody gives others.
    """

    def __init__(
        self,
        name_of: Callable[[Item], str],
        failed: Callable[[Item, Exception], None],
        patience_seconds: Callable[[], float],
        workers: Workers | None = None,
        aged: Callable[[Found], Found | None] = lambda _: None,
    ) -> None:
        self._aged = aged
        self._name_of = name_of
        self._failed = failed
        self._patience = patience_seconds
        self._workers: Workers = workers or WorkerThreads()
        self._under_way: dict[str, _Under[Found]] = {}
        self._slow: set[str] = set()

    def __call__(self, look: Callable[[Item], Found | None], items: Sequence[Item]) -> tuple[Found, ...]:
        """What could be seen of `items` in time, in their order."""
        by_name = {self._name_of(item): item for item in items}
        self._slow &= set(by_name)
        gone = [name for name, under in self._under_way.items() if name not in by_name and under.future.done()]
        for name in gone:
            del self._under_way[name]
        before = {name: self._take(name, item) for name, item in by_name.items()}
        begun = [name for name in by_name if name not in self._under_way]
        for name in begun:
            self._under_way[name] = _Under(
                self._workers.submit(self._timed, look, by_name[name]), self._workers.elapsed()
            )
        waited = [self._under_way[name].future for name in begun if name not in self._slow]
        self._workers.wait(waited, self._patience())
        now = {name: self._take(name, item) for name, item in by_name.items()}
        return tuple(one for name in by_name for one in now[name] or before[name] if one is not None)

    def late(self) -> int:
        """How many looks are still under way."""
        return sum(not under.future.done() for under in self._under_way.values())

    def close(self) -> None:
        """Begin no further look; those under way end by their own deadlines."""
        self._workers.close()

    def _take(self, name: str, item: Item) -> tuple[Found | None, ...]:
        """What the look at `name` found; () if it has not ended, has failed or is too old."""
        under = self._under_way.get(name)
        if under is None or not under.future.done():
            return ()
        del self._under_way[name]
        error = under.future.exception()
        found, ended = under.future.result() if error is None else (None, self._workers.elapsed())
        self._slow.discard(name)
        if ended - under.since > self._patience():
            self._slow.add(name)
        if isinstance(error, Exception):
            self._failed(item, error)
        elif error is not None:
            raise error
        if error is not None:
            return ()
        if self._workers.elapsed() - under.since < STALE_SECONDS or found is None:
            return (found,)
        old = self._aged(found)
        return () if old is None else (old,)

    def _timed(self, look: Callable[[Item], Found | None], item: Item) -> tuple[Found | None, float]:
        return look(item), self._workers.elapsed()
