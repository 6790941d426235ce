"""Looks at many applications side by side, so that one that hangs or breaks delays no other.

At most one look at an application is under way. One that is not done in time is left to go on; what it found is taken
at a later tick, unless it is too old by then.
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
    future: Future[Found | None]
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

    def __call__(self, look: Callable[[Item], Found | None], items: Sequence[Item]) -> tuple[Found, ...]:
        """What could be seen of `items` in time, in their order."""
        by_name = {self._name_of(item): item for item in items}
        for name, item in by_name.items():
            if name not in self._under_way:
                self._under_way[name] = _Under(self._pool.submit(look, item), time.monotonic())
        wait([self._under_way[name].future for name in by_name], timeout=self._patience())
        found: list[Found] = []
        for name, item in by_name.items():
            sight = self._take(name, item)
            if sight is not None:
                found.append(sight)
        return tuple(found)

    def late(self) -> int:
        """How many looks are still under way."""
        return sum(not under.future.done() for under in self._under_way.values())

    def close(self) -> None:
        """Begin no further look; those under way end by their own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, name: str, item: Item) -> Found | None:
        under = self._under_way[name]
        if not under.future.done():
            return None
        del self._under_way[name]
        error = under.future.exception()
        if isinstance(error, Exception):
            self._failed(item, error)
            return None
        if error is not None:
            raise error
        return under.future.result() if time.monotonic() - under.since < STALE_SECONDS else None
