"""Looks at many applications side by side, so that one that hangs or breaks delays no other.

At most one look at an application is under way. A tick waits only for looks that it began, and not for an application
whose last look took too long: what was found late is taken at a later tick, unless it is too old by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")

WORKERS = 16
STALE_SECONDS = 30.0


@dataclass(frozen=True)
class _Under(Generic[Found]):
    future: Future[tuple[Found | None, float]]
    since: float


class SideBySide(Generic[Item, Found]):
    """`name_of` tells items apart; `failed(item, error)` is called in the caller's thread for a look that raised."""

    def __init__(
        self,
        name_of: Callable[[Item], str],
        failed: Callable[[Item, Exception], None],
        patience_seconds: Callable[[], float],
    ) -> None:
        self._name_of = name_of
        self._failed = failed
        self._patience = patience_seconds
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="look")
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
            self._under_way[name] = _Under(self._pool.submit(_timed, look, by_name[name]), time.monotonic())
        wait([self._under_way[name].future for name in begun if name not in self._slow], timeout=self._patience())
        now = {name: self._take(name, item) for name, item in by_name.items()}
        return tuple(one for name in by_name for one in now[name] or before[name] if one is not None)

    def late(self) -> int:
        """How many looks are still under way."""
        return sum(not under.future.done() for under in self._under_way.values())

    def close(self) -> None:
        """Begin no further look; those under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, name: str, item: Item) -> tuple[Found | None, ...]:
        """What the look at `name` found; () if it has not ended, has failed or is too old."""
        under = self._under_way.get(name)
        if under is None or not under.future.done():
            return ()
        del self._under_way[name]
        error = under.future.exception()
        found, ended = under.future.result() if error is None else (None, time.monotonic())
        self._slow.discard(name)
        if ended - under.since > self._patience():
            self._slow.add(name)
        if isinstance(error, Exception):
            self._failed(item, error)
        elif error is not None:
            raise error
        fresh = error is None and time.monotonic() - under.since < STALE_SECONDS
        return (found,) if fresh else ()


def _timed(look: Callable[[Item], Found | None], item: Item) -> tuple[Found | None, float]:
    return look(item), time.monotonic()
