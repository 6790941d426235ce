"""When does what happen? True time that jumps from event to event; whoever waits lets the world go on meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
Act = Callable[[], None]


class Schedule:
    """Events by time; of two at one time the one that was planned first. `advance` may be called within an event."""

    def __init__(self) -> None:
        self.now = START
        self._heap: list[tuple[datetime, int, Act]] = []
        self._planned = 0

    def at(self, when: datetime, act: Act) -> None:
        """Do `act` at `when`; what lies in the past is done next."""
        self._planned += 1
        heapq.heappush(self._heap, (when, self._planned, act))

    def after(self, seconds: float, act: Act) -> None:
        """Do `act` so many seconds from now."""
        self.at(self.now + timedelta(seconds=seconds), act)

    def advance(self, seconds: float) -> None:
        """Let so much time pass; everything that is due happens, whole ticks of another replica included."""
        self.run_until(self.now + timedelta(seconds=seconds))

    def run_until(self, end: datetime) -> None:
        """Do everything up to `end`."""
        while self._heap and self._heap[0][0] <= end:
            when, _, act = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            act()
        self.now = max(self.now, end)
