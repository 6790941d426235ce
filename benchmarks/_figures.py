"""How sure is a figure, and how good could it be? Bounds of a share, medians with misses, and the information floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from _traffic import AFTER, RAMP_SECONDS, TICK

MISSED = math.inf
CERTAINTY = 1000.0  # the odds that a floor takes: a false alarm in a thousand


def upper_bound(found: int, of: int) -> float:
    """The one-sided 95% Clopper-Pearson bound of a share."""
    return 1.0 if found >= of else _where(lambda share: _at_most(found, of, share), 0.05)


def interval(found: int, of: int) -> tuple[float, float]:
    """The two-sided 95% Clopper-Pearson interval of a share."""
    low = 0.0 if not found else 1 - _where(lambda share: _at_most(of - found, of, share), 0.025)
    return low, 1.0 if found >= of else _where(lambda share: _at_most(found, of, share), 0.025)


def _at_most(found: int, of: int, share: float) -> float:
    """The chance of at most `found` of `of`."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    logs = (
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(share)
        + (of - k) * math.log1p(-share)
        for k in range(found + 1)
    )
    return math.fsum(math.exp(log) for log in logs)


def _where(falling: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return high


def quantile(delays: Sequence[float], share: float) -> float:
    """The nearest rank; `MISSED` where that many were missed."""
    return sorted(delays)[min(len(delays) - 1, math.ceil(share * len(delays)) - 1)]


def missed(delays: Sequence[float]) -> float:
    """The share of faults that were never found."""
    return sum(delay == MISSED for delay in delays) / len(delays)


def floor_seconds(rps: float, before: float, fault: float | None) -> float:
    """When at best it can be known: independent errors, both rates known, a scrape each 15 s and a mean poll.

    ln(1000) of information, gathered while the new version takes over; `fault` None is the leak.
    """
    known = 0.0
    for tick in range(1, AFTER + 1):
        middle = (tick - 0.5) * TICK
        if fault is None:
            now = before + (0.05 - before) * middle / 1800
        else:
            now = before + (fault - before) * min(middle / RAMP_SECONDS, 1.0)
        known += rps * TICK * (now * math.log(now / before) + (1 - now) * math.log((1 - now) / (1 - before)))
        if known >= math.log(CERTAINTY):
            return tick * TICK + TICK / 2
    return MISSED
