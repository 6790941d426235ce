"""Has a rate risen since the deployment? Raw counters or a gauge, read from the metric store and stepped tick by tick.

Every look reads what came since the last one by one range query for each expression: the baseline, ticks that were not
lived and the newest tick are all read the same way, so a state after a restart is the one that was lived.
Source: detection.md section 4, and 2.6 for what is read after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from gitops_rollback.app.neighbours import Neighbours, heard, neighbours_of
from gitops_rollback.app.queries import Asker, Question, Span, tick_of
from gitops_rollback.app.tallying import Tallied, Tally
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Compared, Measurement, OldVersion, Outcome, single
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.regression.baseline import FAR_BELOW_PER_SECOND, after_watches, baseline_of
from gitops_rollback.core.regression.baseline import Baseline as Normality
from gitops_rollback.core.regression.counts import Counts, total
from gitops_rollback.core.regression.detector import Regression, State, Verdict, already_bad, step, unseen
from gitops_rollback.core.regression.gauges import Gauge, gauge_of
from gitops_rollback.core.regression.kinds import ERRORS, SLOW, Kind
from gitops_rollback.core.regression.past import FAR_SECONDS, FAR_TICK_SECONDS, NEAR_SECONDS
from gitops_rollback.core.regression.told import sentence
from gitops_rollback.core.regression.versions import Pair, SideBySide, compare, held_against
from gitops_rollback.core.regression.versions import State as ComparedSoFar
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Tick
from gitops_rollback.core.watches import Past

LEAST_TICK = timedelta(seconds=15)
FAR_STEP = timedelta(seconds=FAR_TICK_SECONDS)  # below a counter's absence

UNREAD = Baseline(BaselineLevel.PENDING)
NOBODY_ELSE: Mapping[datetime, float] = {}


@dataclass(slots=True)
class Beyond:
    """A second test where it was bad before the deployment already: is it surely worse than even that?"""

    test: Regression
    state: State
    fired: bool = False

    def step(self, counts: Counts, null_rate: float | None) -> None:
        normal = max(self.test.baseline.null_rate, null_rate or 0.0)
        self.state, verdict = step(self.test, self.state, counts, normal)
        self.fired = self.fired or verdict.severity is not None


@dataclass(slots=True)
class Versions:
    """The test of the new version against the old one beside it, where counters tell them apart."""

    test: SideBySide
    state: ComparedSoFar
    fired: bool = False

    def step(self, verdict: Verdict, new: Counts, old: Counts | None) -> Verdict:
        """`verdict` with what the two versions are to one another, from the first tick of a new one on."""
        if old is None:
            return verdict
        self.state, beside = compare(self.test, self.state, Pair(new, old))
        self.fired = self.fired or beside.fires
        return held_against(verdict, beside)


@dataclass(slots=True)
class Counted:
    """What was read of one trigger for one deployment. `read_until` is the newest tick in it."""

    read_until: datetime
    tally: Tally
    before: list[Counts] = field(default_factory=list)  # until it is known what is normal
    test: Regression | None = None
    state: State | None = None
    bad_before: bool = False  # it would have fired on the last minutes before the deployment
    began_before: bool = False  # and it fires
    beyond: Beyond | None = None
    versions: Versions | None = None
    newest: Look | None = None
    gauge: Gauge | None = None  # of a trigger of that type
    neighbours: Neighbours | None = None
    control: tuple[str, ...] = ()  # that the neighbours were asked by


class Look(NamedTuple):
    """What one look gives: the ticks that it added, the newest tick in words, and what it was before the deployment."""

    counted: Counted | None
    ticks: tuple[Tick, ...]
    measured: Measurement
    baseline: Baseline


def look(
    asker: Asker, question: Question, known: Counted | None, past: Past, at: datetime, interval: timedelta
) -> Look:
    """Read on until `at` and judge each new tick. What cannot be read changes nothing, and is read at the next look."""
    if question.fault:
        return Look(known, (), Measurement.invalid(at, question.fault), UNREAD)
    if known is not None and known.control != question.control:
        known = None  # a peer is no control any more: all is judged anew, as after a restart
    span = unread(question.trigger, known, past.t0, at, interval)
    if known is not None and known.newest is not None and (known.test is None or span.is_empty):
        return known.newest._replace(ticks=())
    read = _read_gauge if question.trigger.type == "gauge" else _read_counters
    return read(asker, question, known, past, span)


def unread(trigger: Trigger, known: Counted | None, t0: datetime, at: datetime, interval: timedelta) -> Span:
    """The ticks that a look at `at` has to read: since the last one, or from long before the sync at the first one."""
    seconds = _tick_every(interval)
    if known is not None:
        return Span(known.read_until + seconds, tick_of(at, seconds), seconds)
    back = timedelta(seconds=FAR_SECONDS if trigger.type == "gauge" else NEAR_SECONDS)
    return Span(tick_of(t0, seconds) - back, tick_of(at, seconds), seconds)


@lru_cache(maxsize=64)
def _tick_every(interval: timedelta) -> timedelta:
    """So many intervals that a tick is not too short to count in."""
    return interval * math.ceil(LEAST_TICK / interval)


@dataclass(frozen=True)
class Normal:
    """What a trigger calls normal, and the time between two of its ticks. `gauge` is that of such a trigger."""

    baseline: Normality
    tick: timedelta
    tally: Tally
    gauge: Gauge | None = None


def normal_before(asker: Asker, question: Question, past: Past, interval: timedelta) -> Normal | Measurement:
    """What was normal before a deployment; what could not be read instead."""
    found = look(asker, question, None, past, past.t0, interval)
    if found.counted is None or found.counted.test is None:
        return found.measured
    test, beyond = found.counted.test, found.counted.beyond
    baseline = test.baseline if beyond is None else beyond.test.baseline
    return Normal(baseline, timedelta(seconds=test.tick_seconds), found.counted.tally, found.counted.gauge)


def first_after(since: datetime, now: datetime, tick: timedelta) -> Span:
    """The ticks whose time lies wholly after `since`, and the one before them, from which they count."""
    return Span(tick_of(since, tick) + tick, tick_of(now, tick), tick)


def counted_in(asker: Asker, question: Question, normal: Normal, span: Span) -> Sequence[Counts] | Measurement:
    """What the ticks of `span` with data saw, but for the first one of counters; what could not be read instead."""
    gauge = normal.gauge
    if gauge is not None:
        (history,) = asker.histories([question], span)
        values = [(tick.at.timestamp(), tick.value) for tick in history.ticks]
        return history.fault or [gauge.counted((at, value)) for at, value in values if value is not None]
    answers = asker.ranges(question.expressions, span)
    broken = next((one for one in answers if one.outcome is not Outcome.VALUE), None)
    if broken is not None:
        return single(broken)
    ticks = normal.tally.elsewhere(span.start, apart=False).read(answers, span)
    return [tick.counts for tick in ticks if tick.counts is not None]


def _read_counters(asker: Asker, question: Question, known: Counted | None, past: Past, span: Span) -> Look:
    t0 = past.t0
    answers = asker.ranges(question.expressions, span)
    broken = next((one for one in answers if one.outcome is not Outcome.VALUE), None)
    if broken is not None:
        return Look(known, (), single(broken), UNREAD)
    windows = heard(asker, question, span, t0)
    if isinstance(windows, Measurement):
        return Look(known, (), windows, UNREAD)
    counted = known or Counted(span.start, Tally.of(question, t0), control=question.control)
    found = counted.tally.read(answers, span)
    test = counted.test
    if test is None:
        if counted.tally.histogram and counted.tally.bound is None:
            return _without_bound(counted, span)
        counted.before = [one.counts for one in found if one.counts is not None and one.at <= t0]
        fault = _read_far(asker, question, counted, span.start, span.step)
        if fault is not None:
            return Look(None, (), single(fault), UNREAD)
        baseline = _normal(counted, SLOW if question.trigger.counts_slow else ERRORS, past, span)
        at_t0 = Span(tick_of(t0, span.step), tick_of(t0, span.step), span.step)
        neighbours = neighbours_of(asker, question, baseline, at_t0)
        if isinstance(neighbours, Measurement):
            return Look(None, (), neighbours, UNREAD)
        counted.neighbours = neighbours
        test = _begin(counted, baseline, span)
    raised = counted.neighbours.null_rates(windows, found) if counted.neighbours is not None else {}
    return _judged(counted, test, found, t0, span, raised)


def _normal(counted: Counted, kind: Kind, past: Past, span: Span) -> Normality:
    tick_seconds = span.step.total_seconds()
    baseline = baseline_of(kind, counted.before, past.t0.timestamp(), tick_seconds, watches=past.watches)
    return _beside_watches(counted, baseline, past, span)


def _beside_watches(counted: Counted, baseline: Normality, past: Past, span: Span) -> Normality:
    """`baseline`, and what the time since the deployment before adds to it, where that was still under watch.

    What was bad before raises nothing: as bad as that is told as not ours, and only worse is tested beyond it.
    """
    tick_seconds, t0_seconds = span.step.total_seconds(), past.t0.timestamp()
    raised = after_watches(baseline, counted.before, tick_seconds, past.watches)
    counted.bad_before = already_bad(baseline.kind, counted.before, t0_seconds, tick_seconds, past.watches)
    if not counted.bad_before:
        return raised
    if raised.null_rate > baseline.null_rate:
        beyond = Regression.since(raised, tick_seconds)
        counted.beyond = Beyond(beyond, beyond.start)
    return baseline


def _begin(counted: Counted, baseline: Normality, span: Span) -> Regression:
    """The test against what is normal. What was before is not needed any more: hours of ticks for each application."""
    counted.before = []
    tick_seconds = span.step.total_seconds()
    if not counted.tally.tells_apart:
        counted.test = Regression.since(baseline, tick_seconds)
        return counted.test
    side_by_side = SideBySide.since(baseline, tick_seconds)
    counted.versions = Versions(side_by_side, side_by_side.start)
    counted.test = side_by_side.beside
    return counted.test


def _without_bound(counted: Counted, span: Span) -> Look:
    """Nothing can be called slow: it is read anew at no later look, since the time before stays as it is."""
    detail = "no bucket parts the slow requests from the others before the sync"
    said = Measurement.missing(Reason.NO_BASELINE, span.end, detail)
    counted.newest = Look(counted, (), said, Baseline(BaselineLevel.NONE, None, detail))
    return counted.newest


def _read_gauge(asker: Asker, question: Question, known: Counted | None, past: Past, span: Span) -> Look:
    """A day before the sync says from which value on a sample is bad."""
    t0, tick_seconds = past.t0, span.step.total_seconds()
    (history,) = asker.histories([question], span)
    if history.fault is not None:
        return Look(known, (), history.fault, UNREAD)
    values = [(tick.at, tick.value) for tick in history.ticks]
    counted = known or Counted(span.start, Tally.of(question, t0), control=question.control)
    gauge, test = counted.gauge, counted.test
    if gauge is None or test is None:
        before = [(at.timestamp(), value) for at, value in values if value is not None and at <= t0]
        gauge = counted.gauge = gauge_of(before, t0.timestamp(), tick_seconds, past.watches)
        if gauge is None:
            said = Measurement.missing(Reason.NO_BASELINE, span.end, "too few values before the sync")
            counted.newest = Look(counted, (), said, Baseline(BaselineLevel.NONE, None, said.detail))
            return counted.newest
        counted.before = [gauge.counted(sample) for sample in before]
        test = _begin(counted, _beside_watches(counted, gauge.baseline, past, span), span)
    found = [Tallied(at, None if value is None else gauge.counted((at.timestamp(), value))) for at, value in values]
    return _judged(counted, test, found, t0, span)


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
    ticks = counted.tally.elsewhere(counted.tally.t0, apart=False).read(answers, span)
    counted.before = [*(tick.counts for tick in ticks if tick.counts is not None), *counted.before]
    return None


def _judged(
    counted: Counted,
    test: Regression,
    found: Sequence[Tallied],
    t0: datetime,
    span: Span,
    raised: Mapping[datetime, float] = NOBODY_ELSE,
) -> Look:
    """`raised` are the null rates of ticks at which neighbours are heard."""
    state: State = counted.state or test.start
    verdict: Verdict | None = None
    stepped: list[Tick] = []
    for instant, counts, old in found:
        if instant <= t0:
            continue
        if counts is None:
            verdict = unseen(test, state, instant.timestamp(), raised.get(instant))
        else:
            state, verdict = step(test, state, counts, raised.get(instant))
            if counted.beyond is not None:
                counted.beyond.step(counts, raised.get(instant))
            counted.began_before = counted.began_before or (counted.bad_before and verdict.severity is not None)
            if counted.versions is not None:
                verdict = counted.versions.step(verdict, counts, old)
        stepped.append(_tick(instant, verdict))
    if verdict is None:
        verdict = unseen(test, state, span.end.timestamp())
    counted.state, counted.read_until = state, span.end
    gone = bool(found) and found[-1].counts is None and found[-1].old is not None
    counted.newest = Look(counted, tuple(stepped), _measured(verdict, counted.tally, gone), _baseline(counted, test))
    return counted.newest


def _tick(at: datetime, verdict: Verdict) -> Tick:
    if verdict.rate is None or not verdict.observed:
        return Tick(at, Level.NO_DATA)
    return Tick(at, Level.FALSE if verdict.severity is None else Level.TRUE, verdict.rate)


def _measured(verdict: Verdict, tally: Tally, gone: bool) -> Measurement:
    """`gone`: the newest tick has counters, but none of the new version any more."""
    at, said = datetime.fromtimestamp(verdict.at_seconds, UTC), sentence(verdict).rstrip(".")
    if gone:
        said = "No counters of the new version any more, and the old one's say nothing about it"
    if tally.together:
        said = f"{said} (versions are counted together: {tally.together})"
    if not verdict.observed:
        return Measurement.missing(Reason.NO_DATA, at, said)
    if verdict.rate is None:
        return Measurement.missing(Reason.NO_TRAFFIC, at, said)
    # What fires speaks at least as clearly as the false alarms that are allowed.
    evidence = verdict.weighed if verdict.severity is None else max(verdict.weighed, verdict.baseline.needed)
    return Measurement(
        Outcome.VALUE,
        at,
        verdict.rate,
        detail=said,
        numerator=verdict.bad,
        denominator=verdict.events,
        log_evidence=evidence,
        compared=_compared(verdict),
    )


def _compared(verdict: Verdict) -> Compared:
    beside = verdict.beside
    old = OldVersion(beside.bad, beside.events, beside.evidence, beside.needed) if beside else None
    dispersion = verdict.baseline.dispersion
    return Compared(verdict.null_rate, verdict.level, verdict.evidence, verdict.needed, dispersion, old)


def _baseline(counted: Counted, test: Regression) -> Baseline:
    """Quiet, unless it would have fired on the time before; without enough requests before it cannot be told."""
    rate = test.baseline.rate
    if counted.bad_before and counted.versions is not None and counted.versions.fired:
        detail = "it was bad before the sync already, and the new version is worse than the old one beside it"
        return Baseline(BaselineLevel.NONE, rate, detail)
    if counted.beyond is not None and counted.beyond.fired:
        detail = "it was bad before the sync already, and is surely worse since"
        return Baseline(BaselineLevel.NONE, rate, detail)
    if counted.began_before:
        return Baseline(BaselineLevel.FIRING, rate, "it would have fired on the last minutes before the sync")
    if not test.baseline.is_known:
        return Baseline(BaselineLevel.NONE, None, "too few requests before the sync to know what is normal")
    return Baseline(BaselineLevel.QUIET, rate)
