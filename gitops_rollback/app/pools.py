"""Who asks several things at the same time?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Protocol):
    """Who asks several things at the same time, as `concurrent.futures.Executor` does."""

    def map(self, act: Callable[[Item], Result], items: Sequence[Item], /) -> Iterable[Result]:
        """The results in the order of `items`. Raises what the first of them raised."""
        ...


class OneByOne:
    """Asks one after the other."""

    def map(self, act: Callable[[Item], Result], items: Sequence[Item], /) -> Iterable[Result]:
        """As in `Pool`."""
        return map(act, items)
