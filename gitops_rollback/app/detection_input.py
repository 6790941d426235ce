"""A line of counts from anywhere, read and brought onto ticks of 15 seconds or more.

Ticks of less than 15 seconds are summed to the first multiple of their interval that is not below 15 seconds, counted
from the start of the first tick, so that ticks which were split come together again; one that the input ends within is
not known yet. A tick that is missing, or whose numbers are null, is no data. Ticks may come in any order.
A peer's tick counts from the first of our ticks that does not end before it: nothing is known before its time.
Source: interfaces.md, Verbs (`detect`); detection.md 4.1 and 4.4.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import TypeGuard

from gitops_rollback.app.offline import Identity, RequestInvalid, read_line
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.detector import WINDOW_TICKS
from gitops_rollback.core.regression.peers import HELD_TICKS, MIN_PEERS

TICK_SECONDS = 15.0
WATCH_SECONDS = 7200.0  # the longest watch of a deployment
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 0.001, 3600.0
MOST = 1e15  # events in a tick; above it a float no longer counts by ones
LATEST = 1e12

Row = tuple[float, float, float, float | None]  # end, requests, errors, slow


@dataclass(frozen=True)
class Series:
    """One deployment. Of `errors` and `slow` each holds the ticks that have that count, by their number on the grid.

    `peers` has the peers' ticks of the time before, and `peers_since` the pooled ones by number: None without peers.
    """

    t0_seconds: float
    tick_seconds: float
    errors: Mapping[int, Counts]
    slow: Mapping[int, Counts]
    ends: Mapping[int, float]  # of the ticks that are judged, missing ones among them, in order
    peers: tuple[Counts, ...] = ()
    peers_since: Mapping[int, Counts] | None = None
    named_peers: int = 0
    id: Identity = None


@dataclass(frozen=True)
class _Grid:
    """Tick `k` ends at `start_seconds + k * tick_seconds`, or when the sender says so."""

    start_seconds: float
    tick_seconds: float
    is_summed: bool

    def number(self, end_seconds: float) -> int:
        place = (end_seconds - self.start_seconds) / self.tick_seconds
        return math.ceil(place - 1e-6) if self.is_summed else math.floor(place + 0.5)

    def end(self, number: int) -> float:
        return self.start_seconds + number * self.tick_seconds


def parse_series(line: bytes) -> Series:
    """One line of a batch. Raises: RequestInvalid, with the id if there is one."""
    document, id = read_line(line)
    try:
        return _series(document, id)
    except ValueError as exc:
        raise RequestInvalid(str(exc), id) from exc


def _series(document: Mapping[str, object], id: Identity) -> Series:
    interval = document.get("interval")
    if not _is_number(interval) or not MIN_INTERVAL_SECONDS <= interval <= MAX_INTERVAL_SECONDS:
        raise ValueError(
            f"`interval` must be seconds, at least {MIN_INTERVAL_SECONDS:g} and at most {MAX_INTERVAL_SECONDS:.0f}"
        )
    t0 = document.get("deployed_at")
    if not _is_number(t0) or abs(t0) > LATEST:
        raise ValueError("`deployed_at` must be a time in unix seconds")
    rows = _rows(document.get("ticks"), "tick")
    peers = _peer_rows(document.get("peers"))
    grid = _grid(rows, t0, interval)
    errors, slow = _on_grid(rows, grid, interval)
    ends = _ends(grid, errors, t0)
    used = peers if len(peers) >= MIN_PEERS else ()
    return Series(
        t0_seconds=t0,
        tick_seconds=grid.tick_seconds,
        errors=errors,
        slow=slow,
        ends={number: end for number, end in ends.items() if end > t0},
        peers=tuple(Counts(end, requests, bad) for one in used for end, requests, bad, _ in one if end <= t0),
        peers_since=_pooled(used, ends) if used else None,
        named_peers=len(peers),
        id=id,
    )


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) in (int, float)


def _rows(given: object, what: str) -> list[Row]:
    """The ticks of one list in order of time, without those that say themselves that they have no data."""
    if not isinstance(given, list):
        raise ValueError(f"{what}s must be a list of objects with `t`, `requests` and `errors`")
    found = (_row(tick, what, place) for place, tick in enumerate(given, start=1))
    rows = sorted((row for row in found if row is not None), key=itemgetter(0))
    for earlier, later in pairwise(rows):
        if earlier[0] == later[0]:
            raise ValueError(f"two {what}s end at {later[0]:.15g}")
    return rows


def _row(tick: object, what: str, place: int) -> Row | None:
    if not isinstance(tick, dict):
        raise ValueError(f"{what} {place} is not an object with `t`, `requests` and `errors`")
    end, requests, errors, slow = tick.get("t"), tick.get("requests", ""), tick.get("errors", ""), tick.get("slow")
    if not _is_number(end) or not -LATEST <= end <= LATEST:
        raise ValueError(f"{what} {place}: `t` must be a time in unix seconds")
    if requests is None or errors is None:
        return None
    if not _is_number(requests) or not 0 <= requests <= MOST:
        raise ValueError(f"{what} {place}: `requests` must be a number, 0 or more")
    if not _is_number(errors) or not 0 <= errors <= requests:
        raise ValueError(f"{what} {place}: `errors` must be a number from 0 to that of `requests`")
    if slow is not None and (not _is_number(slow) or not 0 <= slow <= requests):
        raise ValueError(f"{what} {place}: `slow` must be a number from 0 to that of `requests`")
    return float(end), float(requests), float(errors), None if slow is None else float(slow)


def _peer_rows(given: object) -> list[list[Row]]:
    """The ticks of each peer that has any."""
    if given is None:
        return []
    if not isinstance(given, dict):
        raise ValueError("`peers` must be an object: a list of ticks for each name")
    rows = (_rows(ticks, f"peer {name[:100]!r}: tick") for name, ticks in given.items())
    return [one for one in rows if one]


def _grid(rows: Sequence[Row], t0_seconds: float, interval_seconds: float) -> _Grid:
    start = (rows[0][0] if rows else t0_seconds) - interval_seconds
    summed = math.ceil(TICK_SECONDS / interval_seconds - 1e-9)
    return _Grid(start, interval_seconds * max(1, summed), summed > 1)


def _on_grid(rows: Sequence[Row], grid: _Grid, interval_seconds: float) -> tuple[dict[int, Counts], dict[int, Counts]]:
    """The counts of errors and of slow requests by tick, in order of time."""
    parts: dict[int, list[Row]] = {}
    for row in rows:
        parts.setdefault(grid.number(row[0]), []).append(row)
    if grid.is_summed and parts:
        newest = max(parts)
        if rows[-1][0] < grid.end(newest) - interval_seconds / 2:
            del parts[newest]
    errors, slow = {}, {}
    for number, together in parts.items():
        end = grid.end(number) if grid.is_summed else together[-1][0]
        errors[number] = Counts(end, math.fsum(row[1] for row in together), math.fsum(row[2] for row in together))
        timed = [(row[1], row[3]) for row in together if row[3] is not None]
        if timed:
            slow[number] = Counts(end, math.fsum(row[0] for row in timed), math.fsum(row[1] for row in timed))
    return errors, slow


def _ends(grid: _Grid, ticks: Mapping[int, Counts], t0_seconds: float) -> dict[int, float]:
    """When each tick ends, from those before the deployment that peers are remembered from until the watch ends."""
    if not ticks:
        return {}
    first = grid.number(t0_seconds) - HELD_TICKS - WINDOW_TICKS
    last = min(max(ticks), grid.number(t0_seconds + WATCH_SECONDS))
    return {
        number: ticks[number].end_seconds if number in ticks else grid.end(number) for number in range(first, last + 1)
    }


def _pooled(peers: Sequence[Sequence[Row]], ends: Mapping[int, float]) -> dict[int, Counts]:
    """All peers' counts by our ticks. The first one takes nothing: what is older is not asked for."""
    numbers, times = list(ends), list(ends.values())
    found: dict[int, list[Counts]] = {}
    for row in (row for rows in peers for row in rows):
        place = bisect_left(times, row[0])
        if 0 < place < len(times):
            found.setdefault(numbers[place], []).append(Counts(row[0], row[1], row[2]))
    return {number: Counts(ends[number], *total(found.get(number, ()))) for number in numbers}
