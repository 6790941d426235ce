"""May this query be sent now? At most so many in flight and so many a minute, the most urgent first.

And who does not answer at all is tried once at each tick, until there is an answer.

Real time, since it protects a real backend. Who cannot be let through in time is told so at once.
Source: safety.md, Query limits.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

MINUTE = 60.0
FAILURES = 3  # in a row, over all queries: one that always takes too long says nothing about the source
LONGEST_REST = 600.0  # seconds; whatever a server says
USUAL_REST = 60.0
MAX_WAITING = 256  # in each lane


class Turnstile:
    """Lanes with their own places and queues; the minute's budget is shared by all lanes."""

    def __init__(
        self, places: Mapping[str, int], per_minute: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = dict(places)
        self._waiting: dict[str, list[tuple[float, int]]] = {lane: [] for lane in places}
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._numbers = itertools.count()
        self._now = monotonic
        self._changed = threading.Condition()

    @contextmanager
    def passing(self, lane: str, priority: float, patience: float) -> Iterator[bool]:
        """Hold a place while the query runs; False if none came free within `patience` seconds, then send nothing.

        A higher `priority` goes first; equal ones in the order of coming.
        """
        passed = self._enter(lane, priority, patience)
        try:
            yield passed
        finally:
            if passed:
                self._leave(lane)

    def _enter(self, lane: str, priority: float, patience: float) -> bool:
        with self._changed:
            waiting = self._waiting[lane]
            if len(waiting) >= MAX_WAITING:
                return False
            ticket = (-priority, next(self._numbers))
            heapq.heappush(waiting, ticket)
            try:
                return self._wait_for_turn(lane, ticket, self._now() + patience)
            finally:
                waiting.remove(ticket)
                heapq.heapify(waiting)
                self._changed.notify_all()

    def _wait_for_turn(self, lane: str, ticket: tuple[float, int], deadline: float) -> bool:
        while True:
            now = self._now()
            budget_wait = self._until_budget(now)
            if self._waiting[lane][0] == ticket and self._places[lane] > 0 and budget_wait <= 0:
                self._places[lane] -= 1
                self._sent.append(now)
                return True
            if now + max(budget_wait, 0.0) >= deadline:
                return False
            self._changed.wait(min(deadline - now, budget_wait) if budget_wait > 0 else deadline - now)

    def _until_budget(self, now: float) -> float:
        """Seconds until the minute's budget has room; 0 or less if it has."""
        if len(self._sent) < (self._sent.maxlen or 0):
            return 0.0
        return self._sent[0] + MINUTE - now if self._sent else MINUTE

    def _leave(self, lane: str) -> None:
        with self._changed:
            self._places[lane] += 1
            self._changed.notify_all()


class Rest:
    """Until when a source that said 429 is left alone: nothing is sent before."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._until = float("-inf")
        self._lock = threading.Lock()

    def begin(self, headers: Mapping[str, str]) -> None:
        said = headers.get("retry-after") or headers.get("x-ratelimit-reset") or ""
        seconds = float(said) if said.isascii() and said.isdigit() else USUAL_REST
        with self._lock:
            self._until = max(self._until, self._now() + min(seconds, LONGEST_REST))

    def left(self) -> float:
        """Seconds; 0 or less if it may be asked."""
        with self._lock:
            return self._until - self._now()


class Outage:
    """Whether a source answers. One that does not is tried by one probe at each tick, and asked nothing else."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._changed = threading.Condition()
        self._failed = 0
        self._tick: datetime | None = None  # of the newest probe
        self._probed = float("-inf")
        self._probing = False
        self._why = ""

    def failed(self, why: str, nobody_at: datetime | None = None) -> None:
        """No answer came back. `nobody_at`: at this tick nobody was there, and no second try is needed to know it."""
        with self._changed:
            self._failed, self._why = self._failed + 1, why
            if nobody_at is not None:
                self._failed, self._tick, self._probed = FAILURES, nobody_at, self._now()

    def answered(self) -> None:
        """Whatever the answer was."""
        with self._changed:
            self._failed = 0

    def refusal(self, at: datetime, probe: Callable[[], None]) -> str:
        """Why nothing may be asked at the tick `at`; "" if it may be.

        The first who asks at a tick while the source does not answer runs `probe`, which calls `failed` or `answered`;
        all others wait for that.
        """
        with self._changed:
            if self._failed >= FAILURES and not self._probing and self._is_due(at):
                self._probing, self._tick, self._probed = True, at, self._now()
            else:
                self._changed.wait_for(lambda: not self._probing, MINUTE)
                return self._word()
        try:
            probe()
        finally:
            with self._changed:
                self._probing = False
                self._changed.notify_all()
        return self.known()

    def known(self) -> str:
        """As `refusal`, by what is known, without any probe."""
        with self._changed:
            return self._word()

    def _word(self) -> str:
        return f"nobody answers there; it is tried once at each tick: {self._why}" if self._failed >= FAILURES else ""

    def _is_due(self, at: datetime) -> bool:
        """At a later tick; and after a minute in any case, since a clock may go back."""
        return self._tick is None or at > self._tick or self._now() - self._probed >= MINUTE
