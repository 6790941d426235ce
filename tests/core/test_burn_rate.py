"""The burn of an error budget: the lower of two windows, and nothing at all where one of them has no data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.burn_rate import burn, expressions
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.policy import BurnRate

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
WINDOWS = BurnRate(0.999, timedelta(hours=1), timedelta(minutes=5))


def answer(value: float | None) -> Answer:
    return Answer(Outcome.VALUE, AT, "q", () if value is None else (Series((), ((AT, value),)),))


FAILED = Answer(Outcome.ERROR, AT, "q", reason=Reason.METRICS_UNAVAILABLE, detail="no answer")


def test_each_counter_is_rated_over_both_windows() -> None:
    assert expressions('h{c="5"}', "h", WINDOWS) == (
        'sum(rate(h{c="5"}[3600s]))',
        "sum(rate(h[3600s]))",
        'sum(rate(h{c="5"}[300s]))',
        "sum(rate(h[300s]))",
    )


@pytest.mark.parametrize(
    ("bad_long", "bad_short", "value"),
    [
        pytest.param(0.2, 1.0, 20.0, id="both-burn"),
        pytest.param(0.01, 5.0, 1.0, id="a-short-burst-is-held-by-the-hour"),
        pytest.param(0.5, 0.0, 0.0, id="what-has-recovered-is-over"),
        pytest.param(0.5, None, 0.0, id="no-error-yet-is-a-true-zero"),
    ],
)
def test_the_lower_window_is_the_value(bad_long: float, bad_short: float | None, value: float) -> None:
    measured = burn([answer(bad_long), answer(10.0), answer(bad_short), answer(10.0)], WINDOWS)
    assert measured.value == pytest.approx(value)


def test_the_numbers_of_both_windows_are_said() -> None:
    measured = burn([answer(0.2), answer(10.0), answer(1.0), answer(10.0)], WINDOWS)
    assert measured.detail == "20 over 1h and 100 over 5m"


@pytest.mark.parametrize(
    ("answers", "outcome", "reason", "window"),
    [
        pytest.param((0.5, 10.0, 0.5, None), Outcome.NO_DATA, Reason.NO_DATA, "5m", id="no-series"),
        pytest.param((0.5, 10.0, 0.5, 0.0), Outcome.NO_DATA, Reason.NO_TRAFFIC, "5m", id="no-traffic"),
        pytest.param((0.5, 0.9, 0.5, 10.0), Outcome.NO_DATA, Reason.NO_TRAFFIC, "1h", id="little-traffic"),
        pytest.param((0.5, float("nan"), 0.5, 10.0), Outcome.NO_DATA, Reason.NO_DATA, "1h", id="nan"),
    ],
)
def test_one_window_without_data_leaves_the_whole_without(
    answers: tuple[float | None, ...], outcome: Outcome, reason: Reason, window: str
) -> None:
    measured = burn([answer(value) for value in answers], WINDOWS, 1.0)
    assert (measured.value, measured.outcome, measured.reason) == (None, outcome, reason)
    assert measured.detail.startswith(f"over {window}: ")


def test_a_failed_answer_is_an_error_and_no_number() -> None:
    measured = burn([answer(5.0), answer(10.0), FAILED, answer(10.0)], WINDOWS)
    assert (measured.value, measured.outcome, measured.reason) == (None, Outcome.ERROR, Reason.METRICS_UNAVAILABLE)
