"""Watches of earlier deployments are no time to learn from: what one of them broke hides no fault of a later one.

A hundred requests a second, of which one in a thousand fails, but where a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gitops_rollback.core.regression.baseline import after_watches, baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression, already_bad, step
from gitops_rollback.core.regression.gauges import gauge_of
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.past import Watch, usual

T0, TICK, MINUTE, HOUR = 1_700_000_000.0, 15.0, 60.0, 3600.0
USUAL = 0.001


def counts(rate: Callable[[float], float], since: float, until: float, per_tick: float = 1500.0) -> list[Counts]:
    """Ticks from `since` to `until` (seconds since T0), of which `rate(seconds)` fail, whole requests each."""
    owed, told = 0.0, []
    for number in range(1, int((until - since) / TICK) + 1):
        seconds = since + number * TICK
        owed += per_tick * rate(seconds)
        told.append(Counts(T0 + seconds, per_tick, float(int(owed))))
        owed -= int(owed)
    return told


def between(since: float, until: float, worse: float) -> Callable[[float], float]:
    return lambda seconds: worse if since < seconds <= until else USUAL


def watch(since: float, until: float, taken_back: bool = False) -> Watch:
    return Watch(T0 + since, T0 + until, taken_back)


def found_after(before: Sequence[Counts], worse: float, watches: Sequence[Watch] = ()) -> float | None:
    """How many seconds after T0 a deployment that brings `worse` is found; None within half an hour: never."""
    baseline = after_watches(baseline_of(ERRORS, before, T0, TICK, watches=watches), before, TICK, watches)
    test = Regression.since(baseline, TICK)
    state = test.start
    for tick in counts(lambda _seconds: worse, 0, 30 * MINUTE):
        state, verdict = step(test, state, tick)
        if verdict.severity is not None:
            return tick.end_seconds - T0
    return None


# One deployment two hours ago broke one request in twenty, and was taken back after ten minutes.
BROKEN = counts(between(-120 * MINUTE, -110 * MINUTE, 0.05), -4 * HOUR, 0)
WATCHED = (watch(-120 * MINUTE, -110 * MINUTE, taken_back=True), watch(-110 * MINUTE, -80 * MINUTE))


@pytest.mark.parametrize(
    ("worse", "known", "ignored"),
    [
        pytest.param(0.01, 90, None, id="1 %"),
        pytest.param(0.05, 60, 1275, id="5 %"),
        pytest.param(0.5, 30, 90, id="50 %"),
    ],
)
def test_a_fault_that_was_taken_back_hides_no_later_one(worse: float, known: float, ignored: float | None) -> None:
    assert found_after(BROKEN, worse, WATCHED) == pytest.approx(known, abs=15)
    assert found_after(BROKEN, worse) == (None if ignored is None else pytest.approx(ignored, abs=60))


def test_what_was_counted_in_a_watch_is_not_in_the_baseline() -> None:
    baseline = baseline_of(ERRORS, BROKEN, T0, TICK, watches=WATCHED)
    assert (baseline.events, baseline.bad) == (1500.0 * (960 - 160), 1.5 * (960 - 160))
    assert baseline.events_per_tick == 1500.0


def test_where_hardly_anything_else_is_left_only_what_was_taken_back_is_left_out() -> None:
    """A deployment each twenty minutes, of which one was bad for ten."""
    often = [watch(at * MINUTE, (at + 20) * MINUTE, at == -120) for at in range(-240, 0, 20)]
    kept = usual(BROKEN, often, T0, TICK)
    assert kept.apart == (watch(-120 * MINUTE, -100 * MINUTE, taken_back=True),)
    assert found_after(BROKEN, 0.01, often) == pytest.approx(90, abs=15)


def test_a_baseline_is_never_lost_by_leaving_out() -> None:
    everything = [watch(-24 * HOUR, 0, taken_back=True)]
    assert usual(BROKEN, everything, T0, TICK).ticks == BROKEN
    little = counts(lambda _seconds: USUAL, -4 * HOUR, 0, per_tick=1.0)
    assert baseline_of(ERRORS, little, T0, TICK, watches=[watch(-4 * HOUR, -2 * HOUR)]).is_known


def test_ticks_of_four_minutes_are_left_out_where_they_reach_into_a_watch() -> None:
    far = [Counts(T0 - 20 * HOUR + 240.0 * n, 10.0, 0.0) for n in range(240)]
    seen = {watch(-10 * HOUR, -9 * HOUR)}
    left = usual([*far, *counts(lambda _seconds: USUAL, -4 * HOUR, 0)], tuple(seen), T0, TICK).ticks
    gone = [tick.end_seconds - T0 for tick in far if tick not in left]
    assert (min(gone), max(gone)) == (-10 * HOUR + 240, -9 * HOUR)


# Since the deployment before, twenty minutes ago, three in a thousand fail: too few to have been found at once.
SINCE_THE_LAST = counts(between(-20 * MINUTE, 0, 0.003), -4 * HOUR, 0)
LAST = (watch(-20 * MINUTE, 0),)


def test_what_the_deployment_before_brought_is_blamed_on_no_later_one() -> None:
    assert already_bad(ERRORS, SINCE_THE_LAST, T0, TICK, LAST)
    assert found_after(SINCE_THE_LAST, 0.003, LAST) is None


def test_what_is_worse_than_since_the_deployment_before_is_found() -> None:
    assert found_after(SINCE_THE_LAST, 0.05, LAST) == pytest.approx(75, abs=15)


def test_what_began_with_the_deployment_before_was_so_before_however_long_it_was_watched() -> None:
    """Ten requests a second, of which one in a hundred fails since then: five minutes alone would not tell."""
    worse = counts(between(-40 * MINUTE, 0, 0.006), -4 * HOUR, 0, per_tick=150.0)
    seen = (watch(-40 * MINUTE, 0),)
    assert already_bad(ERRORS, worse, T0, TICK, seen)
    assert not already_bad(ERRORS, worse, T0, TICK)


def test_what_is_over_since_the_deployment_before_was_not_so_before() -> None:
    over = counts(between(-20 * MINUTE, -15 * MINUTE, 0.05), -4 * HOUR, 0)
    assert not already_bad(ERRORS, over, T0, TICK, LAST)


def test_a_gauge_learns_its_limit_from_the_same_time() -> None:
    samples = [(tick.end_seconds, 100.0 if tick.bad > 50 else 10.0) for tick in BROKEN]
    gauge = gauge_of(samples, T0, TICK, WATCHED)
    assert gauge is not None
    assert (gauge.limit, gauge.baseline.bad) == (12.5, 0.0)
    assert gauge_of(samples, T0, TICK, (watch(-4 * HOUR, 0),)) is not None
