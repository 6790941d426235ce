"""What other tools of this field get wrong, each by the name of its mistake: ours does not.

Source: Argo Rollouts analysis, Flagger's metric checks, PipeCD's analysis stage, as documented.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.measurement import Answer, Outcome, Series, ratio, single
from gitops_rollback.core.policy import Comparison
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


def test_flagger_acted_an_interval_late() -> None:
    state = lived([Level.TRUE] * 5)
    assert state.fired_at == AT + HOLD.hold_for
