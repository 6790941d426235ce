"""Twins `core/measurement.py`: what one answer is worth, and all the ways in which it is worth nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series, by_instant, ratio, single
from gitops_rollback.core.policy import Check, Comparison, Trigger
from gitops_rollback.core.verification import judge

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAN, INF = math.nan, math.inf


def answer(*values: float, kind: str = "vector") -> Answer:
    series = tuple(Series((("pod", str(n)),), ((AT, value),)) for n, value in enumerate(values))
    return Answer(Outcome.VALUE, AT, "q", series, kind)


FAILED = Answer(Outcome.ERROR, AT, "q", reason=Reason.METRICS_UNAVAILABLE, detail="HTTP 503")
BROKEN = Answer(Outcome.INVALID, AT, "q", reason=Reason.QUERY_INVALID, detail="parse error")


@pytest.mark.parametrize(
    ("given_answer", "outcome", "reason"),
    [
        pytest.param(answer(), Outcome.NO_DATA, Reason.NO_DATA, id="empty-is-not-zero"),
        pytest.param(answer(NAN), Outcome.NO_DATA, Reason.NO_DATA, id="nan-is-not-healthy"),
        pytest.param(answer(INF), Outcome.NO_DATA, Reason.NO_DATA, id="plus-infinity"),
        pytest.param(answer(-INF), Outcome.NO_DATA, Reason.NO_DATA, id="minus-infinity"),
        pytest.param(answer(1, 2), Outcome.INVALID, Reason.QUERY_INVALID, id="the-first-of-several-is-not-taken"),
        pytest.param(answer(1, kind="matrix"), Outcome.INVALID, Reason.QUERY_INVALID, id="matrix"),
        pytest.param(answer(1, kind="string"), Outcome.INVALID, Reason.QUERY_INVALID, id="string"),
        pytest.param(answer(1, kind="histogram"), Outcome.INVALID, Reason.QUERY_INVALID, id="histogram"),
        pytest.param(FAILED, Outcome.ERROR, Reason.METRICS_UNAVAILABLE, id="error"),
        pytest.param(BROKEN, Outcome.INVALID, Reason.QUERY_INVALID, id="invalid"),
    ],
)
def test_no_data_is_never_a_number(given_answer: Answer, outcome: Outcome, reason: Reason) -> None:
    measured = single(given_answer)
    assert (measured.outcome, measured.reason, measured.value) == (outcome, reason, None)


@pytest.mark.parametrize("kind", ["vector", "scalar"])
def test_one_finite_number_is_the_value(kind: str) -> None:
    assert single(answer(0.07, kind=kind)).value == 0.07


def test_a_zero_that_was_measured_is_a_zero() -> None:
    assert single(answer(0.0)).value == 0.0


@pytest.mark.parametrize(
    ("reduce", "comparison", "values", "expected"),
    [
        ("max", Comparison.GREATER_THAN, (1, 3, 2), 3),
        ("min", Comparison.GREATER_THAN, (1, 3, 2), 1),
        ("sum", Comparison.GREATER_THAN, (1, 3, 2), 6),
        ("any", Comparison.GREATER_THAN, (1, 3, 2), 3),
        ("any", Comparison.LESS_THAN, (1, 3, 2), 1),
        ("all", Comparison.GREATER_THAN, (1, 3, 2), 1),
        ("all", Comparison.LESS_THAN, (1, 3, 2), 3),
        ("any", Comparison.GREATER_THAN, (1, NAN), 1),
        ("any", Comparison.LESS_THAN, (1, NAN), 1),
        ("max", Comparison.GREATER_THAN, (1, NAN), 1),
        ("max", Comparison.LESS_THAN, (1, NAN), None),
        ("min", Comparison.GREATER_THAN, (1, NAN), None),
        ("all", Comparison.GREATER_THAN, (1, NAN), None),
        ("sum", Comparison.GREATER_THAN, (1, NAN), None),
        ("any", Comparison.GREATER_THAN, (1, INF), None),
        ("any", Comparison.GREATER_THAN, (NAN, NAN), None),
        ("sum", Comparison.GREATER_THAN, (1e308, 1e308), None),
        ("middle", Comparison.GREATER_THAN, (1, 2), None),
    ],
)
def test_several_series_become_one_number_only_as_the_policy_says(
    reduce: str, comparison: Comparison, values: tuple[float, ...], expected: float | None
) -> None:
    assert single(answer(*values), reduce, comparison).value == expected


@pytest.mark.parametrize(
    ("reduce", "values", "ok"),
    [("any", (1, 2), True), ("any", (1, NAN), None), ("any", (9, NAN), False), ("max", (1, NAN), None)],
)
def test_a_series_without_a_number_never_verifies(reduce: str, values: tuple[float, ...], ok: bool | None) -> None:
    """That one is too high says enough; that none is too high is not known while one of them says nothing."""
    errors = Trigger("errors", "query", query="errors", threshold=5, reduce=reduce)
    check = Check(name="errors", type="prometheus", query_from="errors")
    assert judge(check, errors, single(answer(*values), reduce, errors.comparison)).ok is ok


def test_no_bad_series_beside_traffic_is_a_true_zero() -> None:
    measured = ratio(answer(), answer(12.5))
    assert (measured.value, measured.numerator, measured.denominator) == (0.0, 0.0, 12.5)


@pytest.mark.parametrize(
    ("bad", "total", "minimum", "outcome", "reason"),
    [
        pytest.param(answer(), answer(), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="nothing-at-all"),
        pytest.param(answer(1), answer(), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="total-has-no-series"),
        pytest.param(answer(0), answer(0), 0.0, Outcome.NO_DATA, Reason.NO_TRAFFIC, id="no-requests"),
        pytest.param(answer(), answer(0), 0.0, Outcome.NO_DATA, Reason.NO_TRAFFIC, id="no-requests-no-errors"),
        pytest.param(answer(0.9), answer(0.9), 1.0, Outcome.NO_DATA, Reason.NO_TRAFFIC, id="below-minimum-traffic"),
        pytest.param(answer(1), answer(-3), 0.0, Outcome.NO_DATA, Reason.NO_TRAFFIC, id="negative-total"),
        pytest.param(answer(NAN), answer(5), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="bad-is-nan"),
        pytest.param(answer(1), answer(NAN), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="total-is-nan"),
        pytest.param(answer(INF), answer(5), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="bad-is-infinite"),
        pytest.param(answer(1e308), answer(1e-300), 0.0, Outcome.NO_DATA, Reason.NO_DATA, id="quotient-overflows"),
        pytest.param(answer(1, 2), answer(5), 0.0, Outcome.INVALID, Reason.QUERY_INVALID, id="several-bad"),
        pytest.param(answer(1), answer(5, 6), 0.0, Outcome.INVALID, Reason.QUERY_INVALID, id="several-total"),
        pytest.param(FAILED, answer(5), 0.0, Outcome.ERROR, Reason.METRICS_UNAVAILABLE, id="bad-failed-is-not-zero"),
        pytest.param(answer(), FAILED, 0.0, Outcome.ERROR, Reason.METRICS_UNAVAILABLE, id="total-failed"),
        pytest.param(BROKEN, answer(5), 0.0, Outcome.INVALID, Reason.QUERY_INVALID, id="bad-broken"),
    ],
)
def test_a_ratio_without_both_sides_is_no_number(
    bad: Answer, total: Answer, minimum: float, outcome: Outcome, reason: Reason
) -> None:
    measured = ratio(bad, total, minimum)
    assert (measured.outcome, measured.reason, measured.value) == (outcome, reason, None)


def test_exactly_the_minimum_traffic_is_enough() -> None:
    assert ratio(answer(0.1), answer(1.0), 1.0).value == pytest.approx(0.1)


def test_a_ratio_can_sum_its_series_but_not_pick_one() -> None:
    assert ratio(answer(1, 1), answer(5, 5), reduce="sum").value == pytest.approx(0.2)
    assert ratio(answer(1, 1), answer(5, 5), reduce="any").outcome is Outcome.INVALID


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5), st.sampled_from(["one", "any", "sum"]))
def test_a_value_is_always_finite(values: list[float], reduce: str) -> None:
    measured = single(answer(*values), reduce)
    assert (measured.outcome is Outcome.VALUE) == (measured.value is not None)
    assert measured.value is None or math.isfinite(measured.value)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=2), st.lists(st.floats(), max_size=2))
def test_a_ratio_is_always_finite(bad: list[float], total: list[float]) -> None:
    measured = ratio(answer(*bad), answer(*total))
    assert measured.value is None or math.isfinite(measured.value)


def test_a_range_answer_is_taken_apart_tick_by_tick() -> None:
    step = timedelta(seconds=15)
    ticks = [AT + n * step for n in range(3)]
    first = Series((("pod", "a"),), ((ticks[0], 1.0), (ticks[2], 3.0)))
    second = Series((("pod", "b"),), ((ticks[2] + timedelta(milliseconds=1), 4.0),))
    parts = by_instant(Answer(Outcome.VALUE, AT, "q", (first, second), "matrix"), ticks, step / 4)
    assert [[series.samples[0][1] for series in part.series] for part in parts] == [[1.0], [], [3.0, 4.0]]
    assert [part.at for part in parts] == ticks
    assert all(part.kind == "vector" for part in parts)


def test_a_failed_range_answer_fails_at_each_tick() -> None:
    assert [part.outcome for part in by_instant(FAILED, [AT, AT], timedelta(seconds=1))] == [Outcome.ERROR] * 2


OFFSETS = st.lists(st.tuples(st.integers(-40, 40), st.floats(allow_nan=False)), max_size=4)


@given(st.lists(OFFSETS, max_size=3))
def test_one_tick_of_a_range_reads_as_among_others(several: list[list[tuple[int, float]]]) -> None:
    """A usual look reads one tick by a short way; a look after a restart reads many. Both must see the same."""
    series = tuple(
        Series((("n", str(n)),), tuple((AT + timedelta(seconds=seconds), value) for seconds, value in samples))
        for n, samples in enumerate(several)
    )
    answer = Answer(Outcome.VALUE, AT, "q", series, "matrix")
    among, tolerance = [AT, AT + timedelta(hours=1)], timedelta(seconds=4)
    assert by_instant(answer, [AT], tolerance)[0] == by_instant(answer, among, tolerance)[0]
