"""What others would have said of the same counts, by their documented rules, each as its authors meant it.

Each answers with the number of the tick after the deployment at which it rolls back, or None.
Source: detection.md 8.1, Rivals; for Kayenta its MannWhitneyClassifier (confidence 0.98, tolerance 0.25).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from statistics import NormalDist

from gitops_rollback.core.regression.counts import Counts

Rival = Callable[[Sequence[Counts], Sequence[Counts]], int | None]  # ticks before, ticks after

PER_MINUTE = 4
TWO_MINUTES, FIVE_MINUTES, ONE_HOUR = 7, 19, 239  # increments of a range at a scrape each 15 s


class _Ratios:
    """Bad of all over the last `increments`, at each tick after the deployment."""

    def __init__(self, before: Sequence[Counts], after: Sequence[Counts]) -> None:
        whole = [*before, *after]
        self._first = len(before)
        self._events = [0.0, *accumulate(tick.events for tick in whole)]
        self._bad = [0.0, *accumulate(tick.bad for tick in whole)]
        self.ticks = range(1, len(after) + 1)

    def at(self, tick: int, increments: int) -> float | None:
        """None without any request."""
        last = self._first + tick
        events = self._events[last] - self._events[max(0, last - increments)]
        return (self._bad[last] - self._bad[max(0, last - increments)]) / events if events else None

    def above(self, tick: int, increments: int, limit: float) -> bool:
        ratio = self.at(tick, increments)
        return ratio is not None and ratio > limit


def static(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """Above 1% for 2 minutes: nine true ticks in a row."""
    ratios, held = _Ratios(before, after), 0
    for tick in ratios.ticks:
        held = held + 1 if ratios.above(tick, TWO_MINUTES, 0.01) else 0
        if held == 9:
            return tick
    return None


def instant(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """5% on 2 minutes or 1.44% on 5 minutes, without waiting."""
    ratios = _Ratios(before, after)
    true = (t for t in ratios.ticks if ratios.above(t, TWO_MINUTES, 0.05) or ratios.above(t, FIVE_MINUTES, 0.0144))
    return next(true, None)


def burn_rate(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """14.4 times the budget of 99.9%, on 5 minutes and 1 hour."""
    ratios = _Ratios(before, after)
    true = (t for t in ratios.ticks if ratios.above(t, FIVE_MINUTES, 0.0144) and ratios.above(t, ONE_HOUR, 0.0144))
    return next(true, None)


def argo(limit: float) -> Rival:
    """Each minute; the fourth bad measurement in total, and no data is bad."""

    def judged(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
        ratios = _Ratios(before, after)
        minutes = ratios.ticks[PER_MINUTE - 1 :: PER_MINUTE]
        bad = [tick for tick in minutes if (ratio := ratios.at(tick, TWO_MINUTES)) is None or ratio > limit]
        return bad[3] if len(bad) > 3 else None

    return judged


def flagger(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """Above 1% on a minute, each minute; the fifth in total, and it acts an interval later. No data is bad."""
    ratios = _Ratios(before, after)
    minutes = ratios.ticks[PER_MINUTE - 1 :: PER_MINUTE]
    bad = [tick for tick in minutes if (ratio := ratios.at(tick, 3)) is None or ratio > 0.01]
    return bad[4] + PER_MINUTE if len(bad) > 4 and bad[4] + PER_MINUTE in ratios.ticks else None


def kayenta(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """Points of a minute, all so far against the half hour before, each 5 minutes."""
    control = _minutes(before[-30 * PER_MINUTE :])
    for tick in range(20, len(after) + 1, 20):
        if _is_high(_minutes(after[:tick]), control):
            return tick
    return None


def pipecd(before: Sequence[Counts], after: Sequence[Counts]) -> int | None:
    """The last 5 minutes against those of two hours earlier; the second failure ends it."""
    whole, failed = [*before, *after], 0
    for tick in range(20, len(after) + 1, 20):
        last = len(before) + tick
        now, then = _points(whole[last - 20 : last]), _points(whole[last - 500 : last - 480])
        failed += _p_value(now, then) < 0.05
        if failed > 1:
            return tick
    return None


def _points(ticks: Sequence[Counts]) -> list[float]:
    return [tick.bad / tick.events for tick in ticks if tick.events]


def _minutes(ticks: Sequence[Counts]) -> list[float]:
    sums = (ticks[place : place + PER_MINUTE] for place in range(0, len(ticks), PER_MINUTE))
    pairs = ((sum(t.bad for t in part), sum(t.events for t in part)) for part in sums)
    return [bad / events for bad, events in pairs if events]


def _is_high(experiment: Sequence[float], control: Sequence[float]) -> bool:
    """The lower 98% bound of the shift lies above a quarter of the estimated shift."""
    if not experiment or not control or sorted(experiment) == sorted(control):
        return False
    differences = sorted(one - other for one in experiment for other in control)
    pairs, points = len(differences), len(experiment) + len(control)
    margin = NormalDist().inv_cdf(0.99) * math.sqrt(pairs * (points + 1) / 12)
    lower = differences[max(0, math.floor(pairs / 2 - margin))]
    estimate = differences[pairs // 2]
    return lower > 0.25 * abs(estimate)


def _p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """Mann-Whitney, two-sided, by the normal law with ties."""
    if not one or not other:
        return 1.0
    ranks, ties = _ranks([*one, *other])
    count = len(one) * len(other)
    points = len(ranks)
    above = sum(ranks[: len(one)]) - len(one) * (len(one) + 1) / 2
    variance = count / 12 * (points + 1 - ties / (points * (points - 1)))
    if variance <= 0:
        return 1.0
    return math.erfc(max(0.0, abs(above - count / 2) - 0.5) / math.sqrt(2 * variance))


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Mean ranks, and the sum of t^3 - t over ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties = [0.0] * len(values), 0.0
    for same in _equal(order, values):
        for place in same:
            ranks[order[place]] = (same[0] + same[-1]) / 2 + 1
        ties += len(same) ** 3 - len(same)
    return ranks, ties


def _equal(order: Sequence[int], values: Sequence[float]) -> Iterator[range]:
    start = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or values[order[place]] != values[order[start]]:
            yield range(start, place)
            start = place


RIVALS: dict[str, Rival] = {
    "instant thresholds": instant,
    "static 1%, for 2 min": static,
    "Argo 5%": argo(0.05),
    "Argo 1%": argo(0.01),
    "Flagger 1%": flagger,
    "Kayenta": kayenta,
    "PipeCD": pipecd,
    "SRE 14.4x": burn_rate,
}
