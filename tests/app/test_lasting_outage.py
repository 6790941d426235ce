"""What does the loop of a repository do while it cannot be read: is a person told, and are others left in peace?"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gitops_rollback.app.controller import DEFAULT_INTERVAL, RepositoryLoop
from gitops_rollback.app.health import Health
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, RollbackError, StalledError

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
PATIENCE_SECONDS = 20.0


@dataclass
class Outage:
    """A clock that jumps an interval at each look, and a reconciler whose repository does not answer."""

    error: RollbackError = field(default_factory=lambda: RepositoryUnavailable("shop", "error 503"))
    time: datetime = START
    told: list[RollbackError] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds() / 1000

    def tick(self, _now: datetime) -> None:
        self.ticks.append(time.monotonic())
        self.time += DEFAULT_INTERVAL
        if len(self.ticks) >= 3:
            self.enough.set()
        raise self.error

    def close(self) -> None:
        """Nothing is batched."""

    def loop(self, draw: float = 0.0) -> RepositoryLoop:
        def tell(_name: str, error: RollbackError) -> None:
            self.told.append(error)

        return RepositoryLoop("shop", self, self, Health(), tell, draw=lambda _low, _high: draw)


def test_an_outage_that_lasts_is_a_person_s_matter() -> None:
    outage = Outage()
    loop = outage.loop()
    for _ in range(60):
        loop.turn()
    kinds = [isinstance(error, StalledError) for error in outage.told]
    assert kinds.index(True) == 40  # ten minutes of four ticks
    assert all(kinds[40:])
    assert outage.told[40].reason is Reason.REPOSITORY_UNAVAILABLE
    assert outage.told[40].message == "for 10 minutes now: error 503"


def run(outage: Outage, draw: float = 0.0) -> list[float]:
    """The waits between three ticks, in real seconds."""
    stop = threading.Event()
    thread = threading.Thread(target=outage.loop(draw).run, args=(stop,))
    thread.start()
    assert outage.enough.wait(PATIENCE_SECONDS)
    stop.set()
    thread.join(PATIENCE_SECONDS)
    return [later - earlier for earlier, later in zip(outage.ticks, outage.ticks[1:], strict=False)]


def test_a_remote_is_left_alone_as_long_as_it_asks() -> None:
    error = RepositoryUnavailable("shop", "error 429")
    error.retry_after = 0.7
    assert min(run(Outage(error))) >= 0.7


def test_repositories_that_failed_together_do_not_come_back_together() -> None:
    early, late = run(Outage(), 0.0), run(Outage(), 60.0)
    assert min(late) >= 0.9
    assert max(early) < 0.9
