"""Policy time: the machine's clock, or a demo's clock that runs faster. Deadlines of I/O never come from here."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds()


class ScaledClock:
    """Demo time: policy time equals real time at the instant `start`, and runs `speed` times as fast from then on.

    All processes that are given the same `start` and `speed` agree on the time. Before `start` it stands at `start`.
    """

    def __init__(
        self,
        start: datetime,
        speed: float,
        real: Callable[[], float] = time.time,
        passed: Callable[[], float] = time.monotonic,
    ) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self._start = start
        self._speed = speed
        self._real = real
        self._passed = passed

    def now(self) -> datetime:
        passed = max(0.0, self._real() - self._start.timestamp())
        return self._start.astimezone(UTC) + timedelta(seconds=passed * self._speed)

    def monotonic(self) -> float:
        return self._passed() * self._speed

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds() / self._speed
