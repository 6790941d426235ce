"""One measured value, and all the ways in which there is none. No data is never zero and never healthy.

`single` and `ratio` turn what a metric source answered into one number or the reason why there is none.
Source: detection.md 1.1, 2.1 and 2.3; Prometheus HTTP API v1 (`result: []` for no match, `"NaN"` for 0/0).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Comparison

ONE_SERIES = frozenset({"one", "sum", "max", "min", "any", "all"})  # each `reduce`: of one value all say that value


class Outcome(StrEnum):
    """VALUE carries a number; NO_DATA and ERROR are inconclusive; INVALID is a query that can never work."""

    VALUE = "value"
    NO_DATA = "no-data"
    ERROR = "error"
    INVALID = "invalid"


class OldVersion(NamedTuple):
    """What the old version did at the same time as the new one, and how far that tells the two apart."""

    bad: float
    of: float
    evidence: float
    needed: float


class Compared(NamedTuple):
    """What a trigger that compares with before held its counts against; `numerator` and `denominator` are those.

    `limit` is the plain threshold that says the same: what fires exceeds it. `evidence` is minus infinity where nothing
    speaks for a rise; `needed` is what it takes.
    """

    normal: float  # up to that share would be normal
    limit: float
    evidence: float
    needed: float
    dispersion: float
    beside: OldVersion | None = None  # where the counts are those of the new version alone


class Measurement(NamedTuple):
    """What was measured at `at` (the tick's instant, not the arrival). `value` is set only for VALUE, always finite."""

    outcome: Outcome
    at: datetime
    value: float | None = None
    reason: Reason | None = None
    detail: str = ""  # one sentence for people; no secret, no whole payload
    query: str = ""  # as rendered and sent
    numerator: float | None = None  # a ratio's `bad`
    denominator: float | None = None  # a ratio's `total`
    log_evidence: float | None = None  # ln of how much likelier it is if the rate has risen; None where nobody counts
    compared: Compared | None = None
    unseen: int = 0  # series without a number, passed over since another one is enough to breach

    @classmethod
    def of(cls, value: float, at: datetime, query: str = "") -> Measurement:
        return cls(Outcome.VALUE, at, value, query=query)

    @classmethod
    def missing(cls, reason: Reason, at: datetime, detail: str = "", query: str = "") -> Measurement:
        return cls(Outcome.NO_DATA, at, reason=reason, detail=detail, query=query)

    @classmethod
    def failed(cls, reason: Reason, at: datetime, detail: str = "", query: str = "") -> Measurement:
        return cls(Outcome.ERROR, at, reason=reason, detail=detail, query=query)

    @classmethod
    def invalid(cls, at: datetime, detail: str, query: str = "") -> Measurement:
        return cls(Outcome.INVALID, at, reason=Reason.QUERY_INVALID, detail=detail, query=query)


class Series(NamedTuple):
    """One series of an answer: labels and samples (time, value); a value may be NaN or infinite here."""

    labels: tuple[tuple[str, str], ...]
    samples: tuple[tuple[datetime, float], ...]


class Answer(NamedTuple):
    """All that a metric source answered to one query at `at`. `series` may be empty only with VALUE (no match).

    NO_DATA is never set here: whether no series means zero, no traffic or no data depends on the query's role.
    """

    outcome: Outcome
    at: datetime
    query: str
    series: tuple[Series, ...] = ()
    kind: str = "vector"  # vector, scalar, matrix, string
    reason: Reason | None = None
    detail: str = ""
    oversized: bool = False  # an ERROR since the answer would be too large


def single(answer: Answer, reduce: str = "one", comparison: Comparison = Comparison.GREATER_THAN) -> Measurement:
    """The one finite value of `answer`, several series taken together as `reduce` says.

    NO_DATA: no series, NaN, an infinite value. INVALID: more than one series under `one`, a string, a matrix, a
    histogram. `any` and `all` pick the series that decides `comparison`. Where one series is enough to breach, series
    that are NaN are passed over, and counted as `unseen`; where all must, one NaN makes the whole inconclusive.
    """
    if answer.outcome is not Outcome.VALUE:
        return Measurement(
            answer.outcome, answer.at, reason=answer.reason or _reason(answer), detail=answer.detail, query=answer.query
        )
    if answer.kind not in ("vector", "scalar"):
        return Measurement.invalid(answer.at, f"the query returns a {answer.kind}, not one number", answer.query)
    if len(answer.series) == 1 and answer.series[0].samples and reduce in ONE_SERIES:  # as nearly always
        value = answer.series[0].samples[-1][1]
        if math.isfinite(value):
            return Measurement(Outcome.VALUE, answer.at, value, query=answer.query)
    values = [series.samples[-1][1] for series in answer.series if series.samples]
    if not values:
        return Measurement.missing(Reason.NO_DATA, answer.at, "no series matches the query", answer.query)
    if len(values) > 1 and reduce == "one":
        detail = f"the query returns {len(values)} series; aggregate them, or say how with `reduce`"
        return Measurement.invalid(answer.at, detail, answer.query)
    return _reduced(answer, values, reduce, comparison)


def ratio(bad: Answer, total: Answer, minimum_per_second: float = 0.0, reduce: str = "one") -> Measurement:
    """`bad` divided by `total`, where `bad` counts a subset of `total`, both per second.

    When `total` has series and `bad` has none, bad is a true zero: its first event has not happened yet. A total of 0,
    or one below `minimum_per_second`, is NO_DATA with `NoTraffic`: a share of nothing is not a number.
    """
    query = f"({bad.query}) / ({total.query})"
    if reduce not in ("one", "sum"):
        return Measurement.invalid(total.at, f"`reduce: {reduce}` cannot be used with `bad` and `total`", query)
    denominator = single(total, reduce)
    if denominator.value is None:
        return denominator._replace(query=query, detail=f"total: {denominator.detail}")
    if bad.outcome is Outcome.VALUE and bad.kind == "vector" and not bad.series:
        numerator = Measurement.of(0.0, bad.at)
    else:
        numerator = single(bad, reduce)
    if numerator.value is None:
        return numerator._replace(query=query, detail=f"bad: {numerator.detail}", denominator=denominator.value)
    if denominator.value <= 0 or denominator.value < minimum_per_second:
        detail = f"{denominator.value:g} per second is below the traffic that is needed to tell"
        nothing = Measurement.missing(Reason.NO_TRAFFIC, total.at, detail, query)
        return nothing._replace(numerator=numerator.value, denominator=denominator.value)
    value = numerator.value / denominator.value
    if not math.isfinite(value):
        return Measurement.missing(Reason.NO_DATA, total.at, "the ratio is not finite", query)
    return Measurement(
        Outcome.VALUE, total.at, value, query=query, numerator=numerator.value, denominator=denominator.value
    )


def by_instant(answer: Answer, instants: Sequence[datetime], tolerance: timedelta) -> tuple[Answer, ...]:
    """A range query's answer as one instant answer for each of `instants`, in their order.

    A series is in an instant's answer if it has a sample there, give or take `tolerance` (below half a step). An answer
    that failed fails at each instant.
    """
    if answer.outcome is not Outcome.VALUE or answer.kind != "matrix":
        return tuple(answer._replace(at=at) for at in instants)
    if len(instants) == 1:
        return (_at_one(answer, instants[0], tolerance),)
    found: dict[int, list[Series]] = {}
    ordered = sorted((at, index) for index, at in enumerate(instants))
    for series in answer.series:
        for index, sample in _matched(series.samples, ordered, tolerance):
            found.setdefault(index, []).append(Series(series.labels, ((instants[index], sample),)))
    return tuple(
        Answer(Outcome.VALUE, at, answer.query, tuple(found.get(index, ())), "vector", answer.reason, answer.detail)
        for index, at in enumerate(instants)
    )


def _at_one(answer: Answer, instant: datetime, tolerance: timedelta) -> Answer:
    """As `by_instant`, of one: so is nearly all read that is read, a tick after a tick."""
    earliest, latest = instant - tolerance, instant + tolerance
    found: list[Series] = []
    for series in answer.series:
        samples = series.samples
        if len(samples) != 1:
            samples = tuple(sorted([one for one in samples if earliest <= one[0] <= latest], key=_time)[:1])
        if samples and earliest <= samples[0][0] <= latest:
            exact = samples is series.samples and samples[0][0] == instant
            found.append(series if exact else Series(series.labels, ((instant, samples[0][1]),)))
    return Answer(Outcome.VALUE, instant, answer.query, tuple(found), "vector", answer.reason, answer.detail)


def _time(sample: tuple[datetime, float]) -> datetime:
    return sample[0]


def _matched(
    samples: Sequence[tuple[datetime, float]], ordered: Sequence[tuple[datetime, int]], tolerance: timedelta
) -> Iterable[tuple[int, float]]:
    position = 0
    for at, value in sorted(samples, key=_time):
        while position < len(ordered) and ordered[position][0] < at - tolerance:
            position += 1
        if position < len(ordered) and ordered[position][0] <= at + tolerance:
            yield ordered[position][1], value
            position += 1


def _reason(answer: Answer) -> Reason:
    return Reason.QUERY_INVALID if answer.outcome is Outcome.INVALID else Reason.METRICS_UNAVAILABLE


def _reduced(answer: Answer, values: Sequence[float], reduce: str, comparison: Comparison) -> Measurement:
    greater = comparison is Comparison.GREATER_THAN
    if any(math.isinf(value) for value in values):
        return Measurement.missing(Reason.NO_DATA, answer.at, "the value is infinite", answer.query)
    numbers = [value for value in values if not math.isnan(value)]
    one_is_enough = reduce == "any" or (reduce, greater) in (("max", True), ("min", False))
    if not numbers or (len(numbers) < len(values) and not one_is_enough):
        return Measurement.missing(Reason.NO_DATA, answer.at, "the value is NaN", answer.query)
    if reduce in ("one", "sum"):
        value = sum(numbers)
    elif reduce == "max" or (reduce, greater) in (("any", True), ("all", False)):
        value = max(numbers)
    elif reduce == "min" or reduce in ("any", "all"):
        value = min(numbers)
    else:
        return Measurement.invalid(answer.at, f"unknown `reduce: {reduce}`", answer.query)
    if math.isinf(value):
        return Measurement.missing(Reason.NO_DATA, answer.at, "the sum is infinite", answer.query)
    return Measurement.of(value, answer.at, answer.query)._replace(unseen=len(values) - len(numbers))
