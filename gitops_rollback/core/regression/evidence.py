"""How the log evidence of one rung adds up, tick by tick.

A sum is kept as e^S instead of S: each is limited from above, and below e^-745 it counts as nothing. So adding the
prior needs no log-sum-exp, and a tick costs one exponential for each alternative.
Source: detection.md 4.2 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

TICKS_OF_PRIOR = 120  # T: half an hour
EARLY_TICKS, EARLY_SHARE = 4, 0.6  # w0: most faults begin with the deployment
MAX_NULL = 0.7  # a null level above it leaves no room for alternatives
MAX_ALTERNATIVE = 0.9

Slopes = tuple[tuple[float, float], ...]  # for each alternative: log evidence of one bad event, and of one good one


def prior(tick: int) -> float:
    """pi_t: the probability beforehand that the fault begins at the `tick`-th tick with data, counted from 1."""
    if tick <= EARLY_TICKS:
        return EARLY_SHARE / EARLY_TICKS
    return (1 - EARLY_SHARE) / (TICKS_OF_PRIOR - EARLY_TICKS) if tick <= TICKS_OF_PRIOR else 0.0


@lru_cache(maxsize=4096)
def slopes(null_level: float, times_worse: tuple[float, ...]) -> Slopes:
    """ln(p_k/q) and ln((1 - p_k)/(1 - q)) for each alternative p_k = min(q * g_k, 0.9); `0 < null_level <= 0.7`."""
    rates = [min(null_level * times, MAX_ALTERNATIVE) for times in times_worse]
    return tuple((math.log(rate / null_level), math.log((1 - rate) / (1 - null_level))) for rate in rates)


def added(
    sums: Sequence[float], per_event: Slopes, chance: float, bad: float, good: float, cap: float, limit: float
) -> tuple[float, ...]:
    """The sums e^S_k after one tick: `(e^S_k + chance) * e^min(l_k, cap)`, none above `limit` (as e^S too).

    `bad` and `good` are the tick's counts, divided by the dispersion.
    """
    result = []
    for grown, (of_bad, of_good) in zip(sums, per_event, strict=True):
        gained = bad * of_bad + good * of_good
        grown = (grown + chance) * math.exp(gained if gained < cap else cap)
        result.append(grown if grown < limit else limit)
    return tuple(result)


def mixed(sums: Sequence[float]) -> float:
    """M = ln of the mean of e^S_k; minus infinity where nothing speaks for any alternative."""
    mean = math.fsum(sums) / len(sums)
    return math.log(mean) if mean > 0 else -math.inf
