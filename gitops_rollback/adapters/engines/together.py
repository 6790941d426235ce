"""How do many ask one thing at once without asking it many times? All loops tick at the same moment.

Whoever asks gets what was found by an act that began after they asked, never an older one: while one act is under way,
all that ask meanwhile wait for the next, and share that. So twenty that ask at once cost two acts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Together(Generic[Found]):
    """`act` for any number of threads; one act is under way at most. What it raises, all raise that waited for it."""

    def __init__(self, act: Callable[[], Found]) -> None:
        self._act = act
        self._under_way = threading.Lock()
        self._lock = threading.Lock()  # over the next turn
        self._next: Future[Found] | None = None

    def __call__(self) -> Found:
        """What an act finds that has not begun yet."""
        with self._lock:
            waits = self._next is not None
            turn = self._next = self._next or Future()
        if not waits:
            self._take(turn)
        return turn.result()

    def _take(self, turn: Future[Found]) -> None:
        with self._under_way:
            with self._lock:
                self._next = None
            try:
                turn.set_result(self._act())
            except BaseException as exc:
                turn.set_exception(exc)
