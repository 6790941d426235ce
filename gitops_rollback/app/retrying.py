"""How often, and after which waits, a lost push is tried again: full jitter, a few seconds, then a person."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 4.0


class PushRetries:
    """Iterating yields once for each try and waits in between; it ends after `tries` or `seconds`.

    `elapsed` gives seconds of a clock that only goes forward, `wait` waits for some, `draw` picks between two numbers.
    """

    def __init__(
        self,
        tries: int = 12,
        seconds: float = 30.0,
        elapsed: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._tries = tries
        self._seconds = seconds
        self._elapsed = elapsed
        self._wait = wait
        self._draw = draw

    def __iter__(self) -> Iterator[int]:
        end = self._elapsed() + self._seconds
        for attempt in range(self._tries):
            yield attempt
            pause = self._draw(0, min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt))
            if self._elapsed() + pause > end:
                return
            self._wait(pause)
