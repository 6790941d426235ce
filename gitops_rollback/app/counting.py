"""Has a rate risen since the deployment? Raw counters read from the metric store, and stepped tick by tick.

Every look reads what came since the last one by one range query for each of `bad` and `total`: the baseline, ticks that
were not lived and the newest tick are all read the same way, so a state after a restart is the one that was lived.
Source: detection.md section 4, and 2.6 for what is read after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gitops_rollback.app.queries import Asker, Question, Span, tick_of
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Measurement, Outcome, by_instant, single
from gitops_rollback.core.regression.baseline import FAR_BELOW_PER_SECOND, FAR_SECONDS, NEAR_SECONDS, baseline_of
from gitops_rollback.core.regression.counters import Counters, increase
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.detector import Regression, State, Verdict, already_bad, step, unseen
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.told import sentence
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Tick

LEAST_TICK = timedelta(seconds=15)
FAR_STEP = timedelta(minutes=4)  # of what is older than four hours, where only totals count; below a counter's absence


@dataclass
class Counted:
    """What was read of one trigger for one deployment. `read_until` is the newest tick in it."""

    read_until: datetime
    bad: Counters
    total: Counters
    before: list[Counts] = field(default_factory=list)
    test: Regression | None = None
    state: State | None = None
    began_before: bool | None = None
    newest: Look | None = None


@dataclass(frozen=True)
class Look:
    """What one look gives: the ticks that it added, the newest tick in words, and what it was before the deployment."""

    counted: Counted | None
    ticks: tuple[Tick, ...]
    measured: Measurement
    baseline: Baseline


def look(
    asker: Asker, question: Question, known: Counted | None, t0: datetime, at: datetime, interval: timedelta
) -> Look:
    """Read on until `at` and judge each new tick. What cannot be read changes nothing, and is read at the next look."""
    nothing = Baseline(BaselineLevel.PENDING)
    if question.fault:
        return Look(known, (), Measurement.invalid(at, question.fault), nothing)
    seconds = interval * math.ceil(LEAST_TICK / interval)
    newest = tick_of(at, seconds)
    start = known.read_until + seconds if known else tick_of(t0, seconds) - timedelta(seconds=NEAR_SECONDS)
    if known is not None and known.newest is not None and newest < start:
        return replace(known.newest, ticks=())
    answers = asker.ranges(question.expressions, Span(start, newest, seconds))
    broken = next((one for one in answers if one.outcome is not Outcome.VALUE), None)
    if broken is not None:
        return Look(known, (), single(broken), nothing)
    counted = known or Counted(start, Counters(t0.timestamp()), Counters(t0.timestamp()))
    found = list(_counts(counted, answers, Span(start, newest, seconds)))
    if known is None:
        counted.before = [tick for _, tick in found if tick is not None and tick.end_seconds <= t0.timestamp()]
        fault = _read_far(asker, question, counted, start, seconds)
        if fault is not None:
            return Look(None, (), single(fault), nothing)
    counted.read_until = newest
    return _judged(counted, [one for one in found if one[0] > t0], t0, at, seconds)


def _counts(counted: Counted, answers: Sequence[Answer], span: Span) -> Iterator[tuple[datetime, Counts | None]]:
    """What each tick of `span` saw; None without data. While nothing was bad yet, `bad` has no series: that is 0."""
    parts = [by_instant(answer, span.instants, span.step / 4) for answer in answers]
    for at, bad, all_of_them in zip(span.instants, *parts, strict=True):
        counted.bad, failed = increase(counted.bad, at.timestamp(), _values(bad))
        counted.total, events = increase(counted.total, at.timestamp(), _values(all_of_them))
        yield at, None if events is None else Counts(at.timestamp(), events, min(failed or 0.0, events))


def _values(answer: Answer) -> dict[str, float]:
    return {repr(series.labels): series.samples[0][1] for series in answer.series}


def _read_far(asker: Asker, question: Question, counted: Counted, near: datetime, tick: timedelta) -> Answer | None:
    """Add the day before what was read, where few requests come; the answer that failed, if one did."""
    events, _ = total(counted.before)
    if not counted.before or events / len(counted.before) / tick.total_seconds() > FAR_BELOW_PER_SECOND:
        return None
    far = timedelta(seconds=FAR_SECONDS - NEAR_SECONDS)
    span = Span(near - far, near, max(FAR_STEP, tick))
    answers = asker.ranges(question.expressions, span)
    broken = next((one for one in answers if one.outcome is not Outcome.VALUE), None)
    if broken is not None:
        return broken
    apart = Counted(near, Counters(counted.bad.t0_seconds), Counters(counted.bad.t0_seconds))
    older = [tick for _, tick in _counts(apart, answers, span) if tick is not None]
    counted.before = [*older, *counted.before]
    return None


def _judged(
    counted: Counted, ticks: Sequence[tuple[datetime, Counts | None]], t0: datetime, at: datetime, tick: timedelta
) -> Look:
    test = counted.test
    if test is None:
        baseline = baseline_of(ERRORS, counted.before, t0.timestamp(), tick.total_seconds())
        test = counted.test = Regression.since(baseline, tick.total_seconds())
    state, verdict = counted.state or test.start, unseen(test, counted.state or test.start, at.timestamp())
    stepped: list[Tick] = []
    for instant, counts in ticks:
        if counts is None:
            verdict = unseen(test, state, instant.timestamp())
        else:
            state, verdict = step(test, state, counts)
        stepped.append(_tick(instant, verdict))
        if verdict.severity is not None and counted.began_before is None:
            before = t0.timestamp(), tick.total_seconds()
            counted.began_before = already_bad(ERRORS, counted.before, *before)
    counted.state = state
    counted.newest = Look(counted, tuple(stepped), _measured(verdict), _baseline(counted, test))
    return counted.newest


def _tick(at: datetime, verdict: Verdict) -> Tick:
    if verdict.rate is None or not verdict.observed:
        return Tick(at, Level.NO_DATA)
    return Tick(at, Level.FALSE if verdict.severity is None else Level.TRUE, verdict.rate)


def _measured(verdict: Verdict) -> Measurement:
    at, said = datetime.fromtimestamp(verdict.at_seconds, UTC), sentence(verdict).rstrip(".")
    if not verdict.observed:
        return Measurement.missing(Reason.NO_DATA, at, said)
    if verdict.rate is None:
        return Measurement.missing(Reason.NO_TRAFFIC, at, said)
    value, numerator, denominator = verdict.rate, verdict.bad, verdict.events
    return Measurement(Outcome.VALUE, at, value, detail=said, numerator=numerator, denominator=denominator)


def _baseline(counted: Counted, test: Regression) -> Baseline:
    """Quiet, unless it would have fired on the time before; without enough requests before it cannot be told."""
    rate = test.baseline.rate
    if counted.began_before:
        return Baseline(BaselineLevel.FIRING, rate, "it would have fired on the last minutes before the sync")
    if not test.baseline.is_known:
        return Baseline(BaselineLevel.NONE, None, "too few requests before the sync to know what is normal")
    return Baseline(BaselineLevel.QUIET, rate)
