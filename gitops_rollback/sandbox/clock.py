"""What time is it in the sandbox, and how does one wait there? All its parts share one clock."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class SandboxClock(Protocol):
    """Sandbox time: all delays of the sandbox are seconds of it."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        ...

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Wait until `event` is set or `seconds` of sandbox time passed; True if it is set."""
        ...


class ScaledClock:
    """Time that runs `speed` times as fast as the real one, equal to it at `start` (unix seconds; default: now).

    Two processes with the same `start` and `speed` agree on the time, since it is derived from the machine's clock.
    """

    def __init__(self, speed: float = 1.0, start: float | None = None) -> None:
        if speed <= 0:
            raise ValueError("the clock's speed must be above zero")
        self.speed = speed
        self.start = time.time() if start is None else start

    def now(self) -> datetime:
        """The present in scaled time, aware UTC."""
        return datetime.fromtimestamp(self.start + (time.time() - self.start) * self.speed, UTC)

    def jump(self, ahead: timedelta) -> None:
        """Let `ahead` pass at once. Only a clock that runs faster than the real one can; its `start` moves.

        Whoever derives the time from `start` and `speed` later agrees with it again.
        """
        if self.speed <= 1:
            raise ValueError("only a clock faster than the real one can jump")
        self.start -= ahead.total_seconds() / (self.speed - 1)

    def monotonic(self) -> float:
        """Seconds of scaled time that nothing but time moves: no jump, and no change of the machine's clock."""
        return time.monotonic() * self.speed

    def real_seconds(self, duration: timedelta) -> float:
        """How many real seconds `duration` of scaled time takes."""
        return duration.total_seconds() / self.speed

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Wait until `event` is set or `seconds` of scaled time passed; True if it is set."""
        return event.wait(max(0.0, seconds) / self.speed)
