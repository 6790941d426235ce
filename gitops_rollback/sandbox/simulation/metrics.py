"""The metric store of a simulated world: the truth as it is seen through gaps, NaN, outages and noise.

What it says of one instant never changes, so that a range read later equals what was asked live.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.sandbox.simulation.databases import Databases
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.traffic import stable_share
from gitops_rollback.sandbox.simulation.truth import Truth

GREEN, RED = 0.01, 0.5
WORSE = 0.9  # what is answered of a red one that fails harder than before; for the truth that is red, too
LOOKBACK = timedelta(minutes=5)
COUNTED = ("requests", "rows")  # what is counted where releases move data
SERVICE = re.compile(r'service="([^"]*)"')


@dataclass(frozen=True)
class Overlay:
    """From `start` to `end` the store shows this instead of the truth: red, green, gap or nan."""

    start: datetime
    end: datetime
    shows: str


@dataclass(frozen=True)
class Seen:
    """What a replica was answered about a service: the value at an instant, or why there was none."""

    at: datetime  # by the replica's clock
    really: datetime
    value: float | None
    why: str = ""


@dataclass
class Store:
    """What is shown. `overlays` of "" concern every service; the newest one that covers an instant holds.

    `weak` is from when to when what has always run bears no more than a share of the traffic; `hard`, when it is worse.
    """

    truth: Truth
    clock: Callable[[], datetime]
    overlays: dict[str, list[Overlay]] = field(default_factory=dict)
    down: list[tuple[datetime, datetime]] = field(default_factory=list)
    weak: dict[str, list[tuple[datetime, datetime, float]]] = field(default_factory=dict)
    hard: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    databases: Databases | None = None
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)  # (replica, service) -> its newest answer

    def show(self, service: str, shows: str, start: datetime, seconds: float) -> None:
        """From `start` on, for so long, instead of the truth. Only what lies ahead may be changed."""
        self.overlays.setdefault(service, []).append(Overlay(start, start + timedelta(seconds=seconds), shows))

    def value(self, service: str, at: datetime) -> float | None:
        """What the store shows of a service at an instant; None where there is no series."""
        for overlay in (*self.overlays.get("", ())[::-1], *self.overlays.get(service, ())[::-1]):
            if overlay.start <= at < overlay.end:
                return {"red": RED, "green": GREEN, "nan": float("nan")}.get(overlay.shows)
        if service not in self.truth.ran:
            return None
        return RED if self.truth.is_bad(service, at) else GREEN

    def answered(self, expression: str, service: str, at: datetime) -> float | None:
        """What a query reads: errors, and how much worse than bad; or how the old version bears its traffic."""
        if expression.startswith("strain"):
            return RED if self.is_strained(service, at) else GREEN
        if expression.startswith(COUNTED):
            return self._counted(expression, service, at)
        value = self.value(service, at)
        harder = any(start <= at < end for start, end in self.hard.get(service, ()))
        return WORSE if value == RED and harder else value

    def _counted(self, expression: str, service: str, at: datetime) -> float | None:
        """Requests or rows, where they can be seen."""
        hidden = self.overlays.get(f"{expression.partition('{')[0]} of {service}", ())
        if self.databases is None or any(one.start <= at < one.end for one in hidden):
            return None
        if expression.startswith("requests"):
            return self.databases.requests(service, at)
        return float(self.databases.data[service].count(at))

    def is_strained(self, service: str, at: datetime) -> bool:
        """The old version has more of the traffic than it bears."""
        shares = [share for start, end, share in self.weak.get(service, ()) if start <= at < end]
        ran = self.truth.at(service, at) if shares else None
        return ran is not None and stable_share(self.truth.objects, service, ran.revision) > min(shares)

    def is_down(self) -> bool:
        """True while the store answers nobody."""
        now = self.clock()
        return any(start <= now < end for start, end in self.down)


class SimMetrics:
    """One replica's way to the store."""

    name = "simulated"

    def __init__(self, gate: Gate, store: Store) -> None:
        self._gate = gate
        self._store = store

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """As in `ports.MetricSource`."""
        service = self._service(expression)
        kind = expression.partition("{")[0]
        asked = f"{kind} of {service}" if kind in ("strain", *COUNTED) else service
        fails, now = self._fails("metrics.query"), self._store.clock()
        if fails:
            self._store.seen[self._gate.who, asked] = Seen(at, now, None, "error")
            return Answer(Outcome.ERROR, at, expression, detail="did not answer")
        if at - now > LOOKBACK:
            self._store.seen[self._gate.who, asked] = Seen(at, now, None, "future")
            return Answer(Outcome.VALUE, at, expression)
        value = self._store.answered(expression, service, min(at, now))
        finite = (RED if value == WORSE else value) if value is not None and value == value else None
        self._store.seen[self._gate.who, asked] = Seen(at, now, finite, "" if finite is not None else "no data")
        series = () if value is None else (Series((), ((at, value),)),)
        return Answer(Outcome.VALUE, at, expression, series)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """As in `ports.MetricSource`."""
        if self._fails("metrics.query_range"):
            return Answer(Outcome.ERROR, end, expression, kind="matrix", detail="did not answer")
        service, now = self._service(expression), self._store.clock()
        times = (start + n * step for n in range((end - start) // step + 1))
        shown = [(at, self._store.answered(expression, service, at)) for at in times if at <= now]
        samples = tuple((at, value) for at, value in shown if value is not None)
        return Answer(Outcome.VALUE, end, expression, (Series((), samples),) if samples else (), kind="matrix")

    def _fails(self, port: str) -> bool:
        struck = self._gate.enter(port)
        self._gate.leave(port)
        return bool(struck) or self._store.is_down()

    def _service(self, expression: str) -> str:
        found = SERVICE.search(expression)
        return found.group(1) if found else ""
