"""What time is it in a world on the wire? It stands still until somebody moves it; nothing is waited for."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # the same for ever, so that a seed's commits have the same names
Act = Callable[[], None]


class SteppedClock:
    """The one clock of the sandbox and of the controller. Goes forward only."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """As in `ports.Clock`."""
        return self._now

    def monotonic(self) -> float:
        """As in `ports.Clock`."""
        return (self._now - START).total_seconds()

    def real_seconds(self, duration: timedelta) -> float:
        """As in `ports.Clock`: how long I/O may take is real time, as ever."""
        return duration.total_seconds()

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """As in `SandboxClock`, for streams: they stand still with the clock."""
        return event.wait(min(seconds, 1.0))

    def pass_to(self, moment: datetime) -> None:
        """It is `moment` now, if it was earlier."""
        self._now = max(self._now, moment)


class Agenda:
    """What people and faults are going to do. In one order, whoever asks."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Act]] = []
        self._planned = 0

    def at(self, when: datetime, act: Act) -> None:
        """Do `act` at `when`, or next if that is past."""
        self._planned += 1
        heapq.heappush(self._heap, (when, self._planned, act))

    @property
    def due(self) -> datetime | None:
        """When the next act is due."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> Act:
        """The next act."""
        return heapq.heappop(self._heap)[2]
