"""How many events a tick saw, from the raw counters of all Pods: no `rate()`, no query that goes below zero.

After a reset the new value counts; a series that is born after the deployment counts from 0, first error included; one
that was away for less than five minutes goes on from its last value, and after that from its new one.
Source: detection.md section 4; 1.1, Staleness, for what `increase()` does not count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

AWAY_SECONDS = 300.0


class Reading(NamedTuple):
    """The last value of one series, and when it was read."""

    at_seconds: float
    value: float


NOTHING_READ: Mapping[str, Reading] = MappingProxyType({})


class Counters(NamedTuple):
    """What is remembered of the series of one metric, by their labels. It starts before the deployment."""

    t0_seconds: float
    last: Mapping[str, Reading] = NOTHING_READ
    is_read: bool = False  # so that a series which comes now is new, though there was none before


def increase(known: Counters, at_seconds: float, values: Mapping[str, float]) -> tuple[Counters, float | None]:
    """What is known after reading `values`, and by how much they grew together.

    None where there is nothing to compare: no series at all, or the first reading. A value that is no number is away.
    """
    last, grown = dict(known.last), []
    for name, value in values.items():
        if math.isfinite(value):
            before = last.get(name)
            grown.append(_born(known, at_seconds, value) if before is None else _grown(before, at_seconds, value))
            last[name] = Reading(at_seconds, value)
    return Counters(known.t0_seconds, last, is_read=True), math.fsum(grown) if grown and known.is_read else None


def _born(known: Counters, at_seconds: float, value: float) -> float:
    return value if known.is_read and at_seconds > known.t0_seconds else 0.0


def _grown(before: Reading, at_seconds: float, value: float) -> float:
    if at_seconds - before.at_seconds >= AWAY_SECONDS:
        return 0.0
    return value - before.value if value >= before.value else value
