"""What other tools of this field get wrong, each by the name of its mistake: ours does not.

Source: Argo Rollouts analysis, Flagger's metric checks, Kayenta's judge, PipeCD's analysis stage, as documented.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from gitops_rollback.core.measurement import Answer, Outcome, Series, ratio, single
from gitops_rollback.core.policy import Comparison
from gitops_rollback.core.regression.baseline import baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression
from gitops_rollback.core.regression.detector import step as judged
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.trigger import Hold, Level, Phase, Tick, TriggerState, level, replay

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
HOLD = Hold(timedelta(minutes=1), INTERVAL)


def lived(levels: Sequence[Level], hold: Hold = HOLD) -> TriggerState:
    return replay((Tick(AT + n * INTERVAL, said) for n, said in enumerate(levels)), hold)


def answer(*values: float) -> Answer:
    return Answer(Outcome.VALUE, AT, "q", tuple(Series((("n", str(n)),), ((AT, v),)) for n, v in enumerate(values)))


def test_argo_rollouts_counted_failures_over_the_whole_run_and_not_in_a_row() -> None:
    assert lived([Level.TRUE, Level.FALSE, Level.FALSE] * 20).fired_at is None


@pytest.mark.parametrize("blind", [Level.NO_DATA, Level.ERROR, Level.INVALID])
def test_argo_rollouts_aborted_on_five_empty_results_and_pipecd_on_two_intervals_of_an_outage(blind: Level) -> None:
    state = lived([Level.FALSE, *[blind] * 20])
    assert (state.phase, state.fired_at) == (Phase.INACTIVE, None)


def test_an_outage_within_a_run_completed_its_for() -> None:
    assert lived([Level.TRUE, *[Level.ERROR] * 8, Level.TRUE]).phase is Phase.PENDING


@pytest.mark.parametrize("comparison", list(Comparison))
@pytest.mark.parametrize("limit", [-1.0, 0.0, 1.0])
def test_argo_rollouts_let_nan_fail_one_condition_and_pass_another(comparison: Comparison, limit: float) -> None:
    assert level(single(answer(float("nan"))), comparison, limit) is Level.NO_DATA


def test_flagger_took_no_values_for_a_failed_check_and_no_rows_for_zero() -> None:
    measured = single(answer())
    assert (measured.value, measured.outcome) == (None, Outcome.NO_DATA)
    assert ratio(answer(), answer()).outcome is Outcome.NO_DATA


def test_flagger_read_the_last_of_many_series() -> None:
    assert single(answer(0.1, 0.9)).outcome is Outcome.INVALID


def restless(rng: Random, ticks: int) -> list[Counts]:
    """1,500 requests a tick, of which one in a thousand fails, now more often and now less: each tick like the last."""
    found, log = [], 0.0
    for number in range(ticks):
        log = 0.92 * log + rng.gauss(0.0, 0.5 * math.sqrt(1 - 0.92**2))
        found.append(
            Counts(15.0 * number, 1500.0, float(sum(rng.random() < 0.001 * math.exp(log) for _ in range(1500))))
        )
    return found


def test_kayenta_judged_what_comes_in_runs_again_and_again_until_chance_fired() -> None:
    rng = Random("runs")
    before = restless(rng, 960)
    end, usual = before[-1].end_seconds, sum(tick.bad for tick in before) / len(before)
    test = Regression.since(baseline_of(ERRORS, before, end, 15.0), 15.0)
    by_chance = 0
    for _ in range(20):
        ticks = [tick._replace(end_seconds=end + 15.0 + tick.end_seconds) for tick in restless(rng, 120)]
        windows = [sum(tick.bad for tick in ticks[n - 20 : n]) for n in range(20, 121, 20)]
        by_chance += any(bad > 20 * usual + 2 * math.sqrt(20 * usual) for bad in windows)  # 98 %, each five minutes
        state = test.start
        for tick in ticks:
            state, verdict = judged(test, state, tick)
            assert verdict.severity is None
    assert by_chance >= 5


def test_flagger_acted_an_interval_late() -> None:
    state = lived([Level.TRUE] * 5)
    assert state.fired_at == AT + HOLD.hold_for
