"""The two kinds of bad events, failed and slow ones: how they come, and how much must be seen of them.

Source: detection.md 4.1 (delta, phi0) and the table of 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

# How many times as bad as the null level things may have become. The wide ladder belongs to the first rung.
WIDE = (1.5, 2.5, 5.0, 10.0, 25.0, 100.0, 400.0)
NARROW = (1.5, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Rung:
    """One severity: above `max(floor, factor * p_n)`, confirmed by nominally `scrapes` ticks."""

    floor: float
    factor: float
    scrapes: int
    weight: float  # its share of the false alarms that are allowed
    times_worse: tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """What is counted. `rungs` are ordered by severity, the mildest first."""

    name: str
    delta: float  # the smallest rise of the rate that matters
    usual_dispersion: float  # of the variance, against that of independent events
    rungs: tuple[Rung, ...]
    quicker_with_few: bool = True  # with few events in a tick, fewer ticks have to confirm


ERRORS = Kind(
    "errors",
    delta=0.0005,
    usual_dispersion=2.0,
    rungs=(Rung(0.0, 1.0, 6, 0.6, WIDE), Rung(0.03, 3.0, 4, 0.2, NARROW), Rung(0.08, 8.0, 2, 0.2, NARROW)),
)
SLOW = Kind(
    "slow",
    delta=0.01,
    usual_dispersion=1.2,
    rungs=(Rung(0.0, 1.0, 10, 0.6, WIDE), Rung(0.25, 2.0, 6, 0.2, NARROW), Rung(0.50, 4.0, 4, 0.2, NARROW)),
    # A start is slow for up to two minutes, however few requests come: those ticks must not be enough.
    quicker_with_few=False,
)
