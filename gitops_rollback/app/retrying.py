"""How often, and after which waits, a lost push is tried again: full jitter, a few seconds, then a person."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 4.0


class PushRetries:
    """Iterating yields once for each try and waits in between; it ends after `tries` or `seconds`."""

    def __init__(self, tries: int = 12, seconds: float = 30.0) -> None:
        self._tries = tries
        self._seconds = seconds

    def __iter__(self) -> Iterator[int]:
        end = time.monotonic() + self._seconds
        for attempt in range(self._tries):
            yield attempt
            pause = random.uniform(0, min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt))
            if time.monotonic() + pause > end:
                return
            time.sleep(pause)
