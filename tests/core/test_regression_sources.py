"""Twins `core/regression/`: peers, raw counters, slow requests and gauges."""

from __future__ import annotations

import math

import pytest

from gitops_rollback.core.regression.baseline import baseline_of
from gitops_rollback.core.regression.counters import Counters, increase
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression, Verdict, step
from gitops_rollback.core.regression.gauges import gauge_of
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.latency import slow_bound
from gitops_rollback.core.regression.peers import Control, Seen, raised, watch_peers

T0 = 1_700_000_000.0
TICK = 15.0
BUSY = [Counts(T0 - TICK * back, 15000.0, 15.0) for back in reversed(range(960))]
BASELINE = baseline_of(ERRORS, BUSY, T0, TICK)


def control(events: float = 150_000.0, bad: float = 150.0) -> Control:
    return Control.of(BASELINE, [Counts(T0 - TICK * back, events, bad) for back in range(960)])


def seen(control: Control, bad: list[float], events: float = 150_000.0) -> Seen:
    now = Seen()
    for number, count in enumerate(bad, start=1):
        now = watch_peers(control, now, Counts(T0 + TICK * number, events, count))
    return now


def test_quiet_peers_change_nothing() -> None:
    assert raised(control(), Seen()) == BASELINE.null_rate
    assert raised(control(), seen(control(), [150.0] * 20)) == BASELINE.null_rate


def test_peers_without_requests_say_nothing() -> None:
    assert raised(control(), seen(control(), [0.0] * 20, events=0.0)) == BASELINE.null_rate


def test_what_the_peers_have_is_asked_of_ours_in_proportion_or_threefold() -> None:
    peers = control()
    assert peers.rate == pytest.approx(0.001, rel=0.001)
    low = 30000 / 600_000 - 2 * math.sqrt(2 * 30000) / 600_000
    proportion = BASELINE.null_rate * low / peers.rate
    threefold = BASELINE.rate + 3 * (low - 1.5 * peers.rate)
    assert threefold > proportion
    worse = control(bad=15_000.0)  # peers that always fail in a tenth excuse in proportion alone
    assert raised(peers, seen(peers, [7500.0] * 4)) == pytest.approx(threefold)
    assert raised(worse, seen(worse, [7500.0] * 4)) == BASELINE.null_rate


def test_what_the_peers_ask_for_is_held_for_two_minutes_and_no_longer() -> None:
    peers = control()
    incident = [150_000.0] * 4
    assert raised(peers, seen(peers, incident)) == 0.9
    held = [raised(peers, seen(peers, incident + [150.0] * quiet)) for quiet in range(13)]
    assert held[8] == 0.9
    assert held[11] > BASELINE.null_rate  # nine ticks ago, one of four ticks was bad
    assert held[12] == BASELINE.null_rate


def fires(ours: list[float], peers_bad: list[float]) -> list[Verdict]:
    test, peers = Regression.since(BASELINE, TICK), control()
    state, now, told = test.start, Seen(), []
    for number, (bad, theirs) in enumerate(zip(ours, peers_bad, strict=True), start=1):
        now = watch_peers(peers, now, Counts(T0 + TICK * number, 150_000.0, theirs))
        state, verdict = step(test, state, Counts(T0 + TICK * number, 15000.0, bad), raised(peers, now))
        told.append(verdict)
    return [verdict for verdict in told if verdict.severity]


def test_an_incident_of_all_is_not_ours() -> None:
    incident = [15.0] * 8 + [1500.0] * 24 + [15.0] * 60
    assert fires(incident, [150.0] * len(incident))
    assert not fires(incident, [10 * bad for bad in incident])


def test_what_fails_in_half_is_found_within_an_incident_of_all() -> None:
    found = fires([7500.0] * 40, [7500.0] * 40)
    assert found[0].at_seconds - T0 <= 120


def read(*ticks: dict[str, float], since: float = T0) -> list[float | None]:
    known, grown = Counters(T0), []
    for number, values in enumerate(ticks):
        known, more = increase(known, since + TICK * number, values)
        grown.append(more)
    return grown


def test_the_first_reading_has_nothing_to_compare() -> None:
    assert read({"a": 100.0}, {"a": 107.0}) == [None, 7.0]


def test_after_a_reset_the_new_value_counts() -> None:
    assert read({"a": 100.0}, {"a": 3.0}, {"a": 5.0}) == [None, 3.0, 2.0]


def test_pods_that_are_replaced_never_make_it_negative() -> None:
    """Of the first sketch: `sum(x) - sum(x offset 5m)` is negative when Pods are replaced."""
    assert read({"old": 9000.0}, {"old": 9010.0, "new": 4.0}, {"new": 9.0}) == [None, 14.0, 5.0]


def test_the_first_error_of_a_series_born_after_the_deployment_counts() -> None:
    """`increase()` never counts a new series' first sample."""
    assert read({"200": 50.0}, {"200": 60.0, "500": 7.0}) == [None, 17.0]


def test_the_first_error_of_all_counts_though_there_was_no_series_before() -> None:
    assert read({}, {}, {"500": 7.0}, {"500": 9.0}) == [None, None, 7.0, 2.0]


def test_a_series_that_appears_before_the_deployment_may_be_old() -> None:
    assert read({"a": 50.0}, {"a": 60.0, "b": 7000.0}, since=T0 - 600) == [None, 10.0]


@pytest.mark.parametrize(("away", "grown"), [(18, 30.0), (19, 0.0), (40, 0.0)])
def test_a_series_away_for_less_than_five_minutes_goes_on(away: int, grown: float) -> None:
    ticks = [{"a": 1.0, "b": 0.0}, *[{"b": 0.0}] * away, {"a": 31.0, "b": 0.0}]
    assert read(*ticks)[-1] == grown


def test_no_series_at_all_is_no_data() -> None:
    assert read({"a": 1.0}, {}, {"a": math.nan}, {"a": 4.0}) == [None, None, None, 3.0]


@pytest.mark.parametrize(
    ("slower", "bound"),
    [
        pytest.param({0.1: 0.27, 0.25: 0.04, 0.5: 0.005, 1: 0.0003}, 0.25, id="nearest-5-percent"),
        pytest.param({0.1: 0.10, 0.25: 0.024}, 0.1, id="on-a-log-scale"),
        pytest.param({0.1: 0.31, 0.25: 0.0029}, None, id="none-can-be-counted"),
        pytest.param({0.1: 0.30, 0.25: 0.0029}, 0.1, id="the-edges-count"),
        pytest.param({}, None, id="no-buckets"),
    ],
)
def test_a_request_is_slow_beyond_the_bound_with_about_5_percent(slower: dict[float, float], bound: float) -> None:
    assert slow_bound(slower) == bound


def a_day(*cycle: float) -> list[tuple[float, float]]:
    return [(T0 - TICK * back, cycle[back % len(cycle)]) for back in reversed(range(5760))]


def test_a_gauge_is_bad_well_above_what_was_usual() -> None:
    gauge = gauge_of(a_day(*range(1, 101)), T0, TICK)
    assert gauge is not None
    assert gauge.limit == pytest.approx(1.25 * 95, rel=0.01)
    assert gauge.baseline.bad == 0
    assert [gauge.counted((T0, value)).bad for value in (gauge.limit, 130.0)] == [0, 1]
    assert gauge.counted((T0, math.nan)).events == 0


def test_a_gauge_that_stays_high_is_as_dispersed_as_its_runs_are_long() -> None:
    runs = gauge_of(a_day(*[10.0] * 970, *[100.0] * 30), T0, TICK)
    assert runs is not None
    assert runs.baseline.dispersion >= 29


def test_a_gauge_that_jumps_is_found_and_one_without_a_past_is_none() -> None:
    gauge = gauge_of(a_day(*range(1, 101)), T0, TICK)
    assert gauge is not None
    test = Regression.since(gauge.baseline, TICK)
    state, severities = test.start, []
    for number in range(1, 21):
        state, verdict = step(test, state, gauge.counted((T0 + TICK * number, 200.0)))
        severities.append(verdict.severity)
    assert severities[-1] is not None
    assert gauge_of(a_day(1.0)[:19], T0, TICK) is None
    assert gauge_of([(T0 - number, math.nan) for number in range(50)], T0, TICK) is None
