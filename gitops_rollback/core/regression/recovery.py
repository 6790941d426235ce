"""Has it recovered since a rollback? The counts of the time after the switch against what was normal before the fault.

Recovered is what is surely no worse than normal allows; not recovered is what the detector calls worse again; all else
is inconclusive. Better than expected is recovered, no event is neither, and nothing is divided by what was expected.
Source: detection.md section 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from gitops_rollback.core.regression.baseline import Baseline
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.detector import Regression, step

CONFIDENCE = 0.95
EXACT_UP_TO = 60  # events; above it the approximation of Wilson and Hilferty differs by less than a thousandth
SHORTEST_SECONDS = 120.0  # of the newest time that may speak for all
LASTING_SECONDS = 120.0  # longer than Pods that leave, or caches that fill, are bad for


@dataclass(frozen=True)
class Recovery:
    """`recovered` None: it cannot be told yet. The counts are those that were judged."""

    recovered: bool | None
    message: str
    rate: float | None = None
    final: bool = False  # it has been bad for so long that no start explains it


def upper_bound(bad: float) -> float:
    """How many bad events there may well have been where `bad` were counted: the upper 95% bound of a Poisson mean.

    `chi2_0.95(2 (bad + 1)) / 2`: 3.00, 4.74, 6.30 for 0, 1, 2.
    """
    count = math.ceil(max(bad, 0.0))
    if count > EXACT_UP_TO:
        k = 2.0 * (count + 1)
        return k * (1 - 2 / (9 * k) + NormalDist().inv_cdf(CONFIDENCE) * math.sqrt(2 / (9 * k))) ** 3 / 2
    low, high = float(count), count + 10.0 * math.sqrt(count + 1)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _at_most(count: int, mean: float) -> float:
    """The probability of at most `count` events."""
    return math.fsum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(count + 1))


def recovery(baseline: Baseline, tick_seconds: float, ticks: Sequence[Counts]) -> Recovery:
    """`ticks` are those with data that lie wholly after the switch, in order of time.

    All of them may speak, or the newest half, quarter and so on down to two minutes: what a start brought is no fault.
    """
    worse = _fires_for(baseline, tick_seconds, ticks)
    events, bad = total(ticks)
    if not events:
        return Recovery(None, "no requests since the switch")
    normal = baseline.null_rate
    if worse:
        said = f"{_counted(events, bad)} since the switch, where up to {_percent(normal)} would be normal"
        return Recovery(False, said, bad / events, worse >= LASTING_SECONDS)
    if not baseline.is_known:
        return Recovery(None, f"{_counted(events, bad)}; too few requests before to know what is normal", bad / events)
    newest = list(ticks)
    while newest[-1].end_seconds - newest[0].end_seconds + tick_seconds >= SHORTEST_SECONDS:
        some, failed = total(newest)
        bound = upper_bound(failed) / some if some else math.inf
        if bound <= normal:
            said = f"{_counted(some, failed)}, so surely at most {_percent(bound)}; {_percent(normal)} is normal"
            return Recovery(True, said, failed / some)
        newest = newest[len(newest) // 2 :]
    wanted = math.ceil(upper_bound(0) / normal)
    said = f"{_counted(events, bad)}, perhaps up to {_percent(min(1.0, upper_bound(bad) / events))}"
    return Recovery(None, f"{said}; {wanted} without one would show at most {_percent(normal)}", bad / events)


def gauge_recovery(baseline: Baseline, tick_seconds: float, ticks: Sequence[Counts]) -> Recovery:
    """Of a gauge, whose ticks count one sample each: too few come for a bound, so the newest one must be usual."""
    seen = [tick for tick in ticks if tick.events]
    if not seen:
        return Recovery(None, "no value since the switch")
    events, bad = total(seen)
    said = f"{bad:.0f} of {events:.0f} values were higher than what was usual before"
    worse = _fires_for(baseline, tick_seconds, seen)
    if worse:
        return Recovery(False, said, final=worse >= LASTING_SECONDS)
    return Recovery(True if not seen[-1].bad else None, said)


def _fires_for(baseline: Baseline, tick_seconds: float, ticks: Sequence[Counts]) -> float:
    """For how many seconds the detector, begun at the switch, has fired at every tick up to the newest; 0: it does not.

    Half an interval of a tick that fires alone.
    """
    test = Regression.since(baseline, tick_seconds)
    state, since = test.start, None
    for tick in ticks:
        state, verdict = step(test, state, tick)
        since = (since or tick.end_seconds - tick_seconds / 2) if verdict.severity is not None else None
    return ticks[-1].end_seconds - since if since is not None else 0.0


def _counted(events: float, bad: float) -> str:
    return f"{bad:.0f} of {events:.0f} were bad"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g}%"
