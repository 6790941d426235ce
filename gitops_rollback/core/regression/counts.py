"""What the detector reads: how many events one tick saw, and how many of them were bad."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Counts(NamedTuple):
    """The events of one tick, which ends at `end_seconds` (unix time). `0 <= bad <= events`."""

    end_seconds: float
    events: float
    bad: float


def total(ticks: Iterable[Counts]) -> tuple[float, float]:
    """Events and bad ones of all `ticks`; exact, so that their order does not matter."""
    known = list(ticks)
    return math.fsum([tick.events for tick in known]), math.fsum([tick.bad for tick in known])


def within(ticks: Sequence[Counts], after_seconds: float, until_seconds: float) -> list[Counts]:
    """Those that end after the one instant and not after the other."""
    return [tick for tick in ticks if after_seconds < tick.end_seconds <= until_seconds]
