"""How long ago was that, whatever the wall clock has done since? Wall times freed from the jumps that we saw.

A wall clock that is set anew moves all that is counted from its earlier readings. The monotonic clock does not move
with it, so the difference of the two tells each jump. What was before the process began is known by the wall clock
alone.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta

from gitops_rollback.ports import Clock

SMALLEST_JUMP = timedelta(seconds=2)  # less than that is a slow read, or a clock that is being slewed
MAX_JUMPS = 100
MAX_READS = 5


class Steady:
    """Steady time is wall time as it went on from the start of the process. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        wall, self._seen = self._read()
        self._start = wall - self._seen
        self._jumps: deque[tuple[datetime, timedelta]] = deque(maxlen=MAX_JUMPS)  # since this reading: ahead by so much

    def look(self) -> timedelta:
        """By how much the wall clock has jumped ahead (below zero: back) since the process began."""
        with self._lock:
            wall, passed = self._read()
            ahead = wall - passed - self._start
            if abs(ahead - self._ahead) >= SMALLEST_JUMP:
                self._jumps.append((wall - (passed - self._seen), ahead))  # it may have jumped just after the last look
            self._seen = passed
            return self._ahead

    def of(self, wall: datetime) -> datetime:
        """The steady time of a reading of the wall clock; of one that was read twice, since it went back, the later."""
        self.look()
        with self._lock:
            for since, jump in reversed(self._jumps):
                if since <= wall:
                    return wall - jump
            return wall - (self._jumps[0][1] if len(self._jumps) == MAX_JUMPS else timedelta(0))

    def wall(self, steady: datetime) -> datetime:
        """A steady time as the wall clock would have called it, had it always gone as it goes now."""
        return steady + self.look()

    @property
    def _ahead(self) -> timedelta:
        return self._jumps[-1][1] if self._jumps else timedelta(0)

    def _read(self) -> tuple[datetime, timedelta]:
        """Both clocks at one moment: a process that stood still between the two readings reads them again."""
        for _ in range(MAX_READS):
            before = self._clock.monotonic()
            wall, after = self._clock.now(), self._clock.monotonic()
            if timedelta(seconds=after - before) < SMALLEST_JUMP / 4:
                break
        return wall, timedelta(seconds=after)
