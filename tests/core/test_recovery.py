"""Recovered, not recovered, inconclusive: the counts since a rollback's switch, against what was normal before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from gitops_rollback.core.regression.baseline import Baseline, baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.gauges import gauge_of
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.recovery import EXACT_UP_TO, Recovery, gauge_recovery, recovery, upper_bound

TICK = 15.0
SWITCH = 100_000.0


def counts(*ticks: tuple[float, float]) -> list[Counts]:
    """(requests, bad) of each tick since the switch."""
    return [Counts(SWITCH + (n + 1) * TICK, events, bad) for n, (events, bad) in enumerate(ticks)]


def a_baseline(null_rate: float = 0.002) -> Baseline:
    """About 100 requests a second, of which one in a thousand failed."""
    before = [Counts(SWITCH - 3600 - n * TICK, 1500, 1.5) for n in range(960)]
    return replace(baseline_of(ERRORS, before, SWITCH - 3600, TICK), null_rate=null_rate)


NORMAL = a_baseline()


def _is_bad(said: Recovery) -> bool:
    return said.recovered is False


def _is_final(said: Recovery) -> bool:
    return said.final


@pytest.mark.parametrize(("bad", "bound"), [(0, 3.00), (1, 4.74), (2, 6.30), (10, 16.96), (100, 118.08)])
def test_the_bound_is_that_of_poisson(bad: int, bound: float) -> None:
    assert upper_bound(bad) == pytest.approx(bound, abs=0.005)


def test_the_bound_grows_without_a_step_where_it_is_approximated() -> None:
    bounds = [upper_bound(bad) for bad in range(EXACT_UP_TO - 3, EXACT_UP_TO + 5)]
    steps = [after - before for before, after in pairwise(bounds)]
    assert max(steps) - min(steps) < 0.02


def test_without_a_failure_fifteen_hundred_requests_show_a_fifth_of_a_percent() -> None:
    ticks = [(187.5, 0)] * 8
    assert recovery(NORMAL, TICK, counts(*ticks)).recovered is True
    fewer = recovery(NORMAL, TICK, counts(*ticks[1:], (180, 0)))
    assert fewer.recovered is None
    assert "0 of 1492 were bad" in fewer.message
    assert "1498 without one would show at most 0.2%" in fewer.message


def test_better_than_expected_has_recovered() -> None:
    said = recovery(NORMAL, TICK, counts(*[(1500, 0)] * 8))
    assert (said.recovered, said.rate) == (True, 0)
    assert "0.2% is normal" in said.message


def test_what_was_normal_before_is_normal_again() -> None:
    assert recovery(NORMAL, TICK, counts(*[(1500, 1.5)] * 12)).recovered is True


def test_what_is_as_bad_as_before_the_rollback_has_not_recovered() -> None:
    said = recovery(NORMAL, TICK, counts(*[(1500, 75)] * 8))
    assert said.recovered is False
    assert said.message == "600 of 12000 were bad since the switch, where up to 0.2% would be normal"


def test_it_is_told_within_a_minute_and_is_final_after_two_more() -> None:
    said = [recovery(NORMAL, TICK, counts(*[(1500, 750)] * n)) for n in range(1, 20)]
    first, final = (next(n for n, one in enumerate(said, start=1) if told(one)) for told in (_is_bad, _is_final))
    assert 2 <= first <= 4
    assert final - first == 8


def test_what_pods_that_leave_still_fail_is_not_final() -> None:
    for well in range(1, 9):
        assert not recovery(NORMAL, TICK, counts(*[(1500, 750)] * 3, *[(1500, 1)] * well)).final


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param([], id="nothing was read"),
        pytest.param([(0, 0)] * 8, id="no requests"),
        pytest.param([(1500, 0)] * 7, id="less than two minutes"),
        pytest.param([(2, 0)] * 60, id="too few requests for the whole time"),
        pytest.param([(1500, 3.2)] * 10, id="about as bad as may be"),
    ],
)
def test_what_cannot_be_told_is_neither(ticks: Sequence[tuple[float, float]]) -> None:
    assert recovery(NORMAL, TICK, counts(*ticks)).recovered is None


def test_what_a_cold_start_brought_is_forgotten_once_it_is_well() -> None:
    start, well = [(1500, 45)] * 2, [(1500, 1)] * 8
    assert recovery(NORMAL, TICK, counts(*start)).recovered is None
    assert recovery(NORMAL, TICK, counts(*start, *well * 2)).recovered is True


def test_where_nothing_was_known_before_only_a_level_can_be_bad() -> None:
    few = baseline_of(ERRORS, [Counts(SWITCH - 4000, 20, 0)], SWITCH - 3600, TICK)
    said = recovery(few, TICK, counts(*[(1500, 0)] * 20))
    assert said.recovered is None
    assert "too few requests before" in said.message
    assert recovery(few, TICK, counts(*[(1500, 900)] * 20)).recovered is False


def test_a_gauge_is_well_once_it_is_as_usual_and_bad_while_it_stays_high() -> None:
    before = [(SWITCH - 3600 - n * TICK, 10.0 + n % 5) for n in range(2000)][::-1]
    gauge = gauge_of(before, SWITCH - 3600, TICK)
    assert gauge is not None

    def said(*values: float) -> bool | None:
        ticks = [gauge.counted((SWITCH + (n + 1) * TICK, value)) for n, value in enumerate(values)]
        return gauge_recovery(gauge.baseline, TICK, ticks).recovered

    assert (said(12.0), said(1.0), said(40.0, 12.0)) == (True, True, True)
    assert (said(), said(math.nan), said(12.0, 40.0)) == (None, None, None)
    assert said(*[40.0] * 40) is False
