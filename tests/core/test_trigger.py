"""Twins `core/trigger.py`: the `for` machine, replay, and what was so before the sync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Baseline as BaselineRule
from gitops_rollback.core.policy import Comparison, Severity, Trigger
from gitops_rollback.core.trigger import (
    Baseline,
    BaselineLevel,
    Hold,
    Level,
    Phase,
    Tick,
    TriggerState,
    Verdict,
    against_baseline,
    judge_baseline,
    level,
    replay,
    step,
)

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
TWO_MINUTES = Hold(timedelta(minutes=2), INTERVAL)
LEVELS = {"T": Level.TRUE, "F": Level.FALSE, "n": Level.NO_DATA, "e": Level.ERROR, "i": Level.INVALID}


def ticks(word: str, start: datetime = T0, interval: timedelta = INTERVAL) -> list[Tick]:
    """One tick a letter; `.` is a tick that never came."""
    return [
        Tick(start + index * interval, LEVELS[letter], 1.0 if letter in "TF" else None)
        for index, letter in enumerate(word)
        if letter != "."
    ]


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        pytest.param("", Phase.INACTIVE, id="nothing-seen"),
        pytest.param("FFFF", Phase.INACTIVE, id="quiet"),
        pytest.param("T", Phase.PENDING, id="first-true"),
        pytest.param("T" * 8, Phase.PENDING, id="one-tick-before-two-minutes"),
        pytest.param("T" * 9, Phase.FIRING, id="exactly-two-minutes"),
        pytest.param("TTTTFTTTT", Phase.PENDING, id="one-false-starts-anew"),
        pytest.param("TTTTFTTTTTTTTT", Phase.FIRING, id="two-minutes-after-the-false"),
        pytest.param("TTTTTTTTF", Phase.INACTIVE, id="false-at-the-last-moment"),
        pytest.param("TTnTTeTTT", Phase.FIRING, id="seven-of-nine-true"),
        pytest.param("TTnTTeTiT", Phase.PENDING, id="six-of-nine-true"),
        pytest.param("TTTTTTTTn", Phase.PENDING, id="newest-is-no-data"),
        pytest.param("TTTT..TTTTT", Phase.PENDING, id="a-gap-of-three-intervals-starts-anew"),
        pytest.param("TTTT.TTTTTT", Phase.FIRING, id="a-gap-of-two-intervals-is-borne"),
        pytest.param("T" + "n" * 30, Phase.INACTIVE, id="blind-after-one-true"),
        pytest.param("T.......T", Phase.PENDING, id="a-gap-never-completes-it"),
        pytest.param("Tn.......T", Phase.PENDING, id="neither-does-a-blind-gap"),
        pytest.param("T" * 9 + "F", Phase.RESOLVED, id="resolved"),
        pytest.param("T" * 9 + "FT", Phase.PENDING, id="back-again"),
        pytest.param("T" * 9 + "n" * 2, Phase.FIRING, id="fired-then-blind"),
        pytest.param("T" * 9 + "n" * 9 + "T", Phase.PENDING, id="fired-then-blind-too-long"),
        pytest.param("n" * 40, Phase.INACTIVE, id="never-any-data"),
    ],
)
def test_a_trigger_holds_for_two_minutes_of_observed_time(word: str, phase: Phase) -> None:
    assert replay(ticks(word), TWO_MINUTES).phase is phase


def test_an_ignored_for_duration_would_fire_on_the_first_true_tick() -> None:
    assert replay(ticks("T"), TWO_MINUTES).phase is Phase.PENDING


@pytest.mark.parametrize(
    ("hold", "word", "phase"),
    [
        pytest.param(Hold(timedelta(0), INTERVAL, immediate=True), "T", Phase.FIRING, id="immediate"),
        pytest.param(Hold(timedelta(0), INTERVAL, immediate=True), "n", Phase.INACTIVE, id="immediate-needs-true"),
        pytest.param(Hold(timedelta(0), INTERVAL), "T", Phase.PENDING, id="zero-without-immediate"),
        pytest.param(Hold(timedelta(0), INTERVAL), "TT", Phase.FIRING, id="zero-needs-a-second-tick"),
        pytest.param(Hold(timedelta(seconds=5), INTERVAL), "T", Phase.PENDING, id="shorter-than-the-interval"),
        pytest.param(Hold(timedelta(seconds=5), INTERVAL), "TT", Phase.FIRING, id="shorter-second-tick"),
        pytest.param(Hold(timedelta(minutes=2), INTERVAL, immediate=True), "T", Phase.PENDING, id="immediate-and-for"),
    ],
)
def test_for_zero_fires_at_once_only_where_the_policy_says_immediate(hold: Hold, word: str, phase: Phase) -> None:
    assert replay(ticks(word), hold).phase is phase


def test_keep_firing_for_bears_a_short_quiet() -> None:
    hold = Hold(timedelta(seconds=30), INTERVAL, keep_firing_for=timedelta(seconds=60))
    assert replay(ticks("TTTFFFF"), hold).phase is Phase.FIRING
    assert replay(ticks("TTTFFFFT"), hold).phase is Phase.FIRING
    assert replay(ticks("TTTFFFFF"), hold).phase is Phase.RESOLVED


def test_a_fired_trigger_whose_newest_tick_is_blind_gives_nobody_leave_to_act() -> None:
    blind, seen = replay(ticks("T" * 9 + "n"), TWO_MINUTES), replay(ticks("T" * 9 + "nT"), TWO_MINUTES)
    assert not a_verdict(blind).fires
    assert a_verdict(seen).fires


def a_verdict(state: TriggerState) -> Verdict:
    return Verdict("x", Severity.AUTO_ROLLBACK, state, None, Baseline(BaselineLevel.QUIET))


def test_the_onset_is_the_first_true_tick_of_the_run() -> None:
    state = replay(ticks("FFT" + "T" * 8), TWO_MINUTES)
    assert state.since == T0 + 2 * INTERVAL
    assert state.fired_at == T0 + 10 * INTERVAL


def test_blind_since_is_the_first_of_the_newest_inconclusive_ticks() -> None:
    assert replay(ticks("nnFneT"), TWO_MINUTES).blind_since is None
    assert replay(ticks("nnFne"), TWO_MINUTES).blind_since == T0 + 3 * INTERVAL


@pytest.mark.parametrize("late", [T0 - INTERVAL, T0, T0 + 7 * INTERVAL, T0 + 8 * INTERVAL])
def test_a_tick_that_is_late_or_repeated_changes_nothing(late: datetime) -> None:
    state = replay(ticks("T" * 9), TWO_MINUTES)
    assert step(state, Tick(late, Level.FALSE, 0.0), TWO_MINUTES) is state


@given(st.text(alphabet="TFnei.", max_size=60), st.integers(0, 60))
def test_a_replayed_state_equals_the_lived_one(word: str, cut: int) -> None:
    lived, before = TriggerState(), ticks(word)
    for tick in before:
        lived = step(lived, tick, TWO_MINUTES)
    assert replay(before, TWO_MINUTES) == lived
    assert replay(before[cut:], TWO_MINUTES, replay(before[:cut], TWO_MINUTES)) == lived


@given(st.text(alphabet="nei.", max_size=80))
def test_ticks_without_data_never_fire(word: str) -> None:
    hold = Hold(timedelta(0), INTERVAL, immediate=True)
    assert all(state.phase is Phase.INACTIVE for state in states(word, hold))


@given(st.text(alphabet="TFnei.", max_size=80), st.integers(0, 8))
def test_whatever_fires_was_true_for_its_whole_for(word: str, intervals: int) -> None:
    """The rule again, from the ticks alone: an oracle that shares no code with the machine."""
    hold = Hold(intervals * INTERVAL, INTERVAL)
    for end, state in enumerate(states(word, hold), start=1):
        seen = ticks(word)[:end]
        if state.phase is not Phase.FIRING or state.fired_at != seen[-1].at:
            continue
        run = [tick for tick in seen if state.since is not None and tick.at >= state.since]
        true = [tick.at for tick in run if tick.level is Level.TRUE]
        assert all(tick.level is not Level.FALSE for tick in run)
        assert run[-1].level is Level.TRUE
        assert true[-1] - true[0] >= hold.hold_for
        assert all((later - sooner) / INTERVAL <= 2.5 for sooner, later in pairwise(true))
        assert len(true) >= 0.75 * ((true[-1] - true[0]) / INTERVAL + 1)


def states(word: str, hold: Hold) -> list[TriggerState]:
    state, seen = TriggerState(), []
    for tick in ticks(word):
        state = step(state, tick, hold)
        seen.append(state)
    return seen


@given(st.integers(3, 40), st.integers(1, 40))
def test_a_gap_never_completes_a_for(gap: int, before: int) -> None:
    """Fewer TRUE ticks than the `for` needs, then silence: the first TRUE tick afterwards is never the last straw."""
    hold = Hold((before + 1) * INTERVAL, INTERVAL)
    assert replay(ticks("T" * before + "." * (gap - 1) + "T"), hold).phase is Phase.PENDING


def test_a_flap_shorter_than_the_for_never_fires() -> None:
    assert all(state.phase in (Phase.PENDING, Phase.INACTIVE) for state in states("TTTTFFFF" * 20, TWO_MINUTES))


@pytest.mark.parametrize(
    ("value", "comparison", "expected"),
    [
        (0.06, Comparison.GREATER_THAN, Level.TRUE),
        (0.05, Comparison.GREATER_THAN, Level.FALSE),
        (0.04, Comparison.GREATER_THAN, Level.FALSE),
        (0.04, Comparison.LESS_THAN, Level.TRUE),
        (0.05, Comparison.LESS_THAN, Level.FALSE),
    ],
)
def test_equal_to_the_limit_is_not_beyond_it(value: float, comparison: Comparison, expected: Level) -> None:
    assert level(Measurement.of(value, T0), comparison, 0.05) is expected


@pytest.mark.parametrize("comparison", list(Comparison))
@pytest.mark.parametrize(
    ("measurement", "expected"),
    [
        (Measurement.missing(Reason.NO_DATA, T0), Level.NO_DATA),
        (Measurement.failed(Reason.METRICS_UNAVAILABLE, T0), Level.ERROR),
        (Measurement.invalid(T0, "two series"), Level.INVALID),
        (Measurement.of(float("inf"), T0), Level.NO_DATA),
        (Measurement.of(float("nan"), T0), Level.NO_DATA),
    ],
)
def test_no_data_is_neither_above_nor_below(measurement: Measurement, expected: Level, comparison: Comparison) -> None:
    assert level(measurement, comparison, 0.0) is expected


ERRORS = Trigger("errors", "ratio", threshold=0.05, hold_for=timedelta(minutes=2))
DOUBLED = Trigger(
    "errors",
    "ratio",
    threshold=0.05,
    hold_for=timedelta(minutes=2),
    baseline=BaselineRule(lookback=timedelta(minutes=30), must_exceed_factor=2.0),
)


def before(word: str, value: float = 1.0) -> list[Tick]:
    """Ticks that end one interval before T0."""
    return [
        Tick(tick.at, tick.level, value if tick.value is not None else None)
        for tick in ticks(word, T0 - len(word) * INTERVAL)
    ]


@pytest.mark.parametrize(
    ("word", "other_data", "expected"),
    [
        pytest.param("FFFFF", False, BaselineLevel.QUIET, id="quiet-before"),
        pytest.param("FFFFT", False, BaselineLevel.FIRING, id="true-at-the-last-tick"),
        pytest.param("TTTTF", False, BaselineLevel.QUIET, id="was-true-but-had-ended"),
        pytest.param("FFFTn", False, BaselineLevel.FIRING, id="last-tick-lost-true-before-it"),
        pytest.param("nnnnn", True, BaselineLevel.QUIET, id="other-series-had-data"),
        pytest.param("nnnnn", False, BaselineLevel.NONE, id="nothing-had-data"),
        pytest.param("", False, BaselineLevel.NONE, id="a-new-application"),
        pytest.param("TTTTnnnnnnnn", False, BaselineLevel.NONE, id="old-news-only"),
    ],
)
def test_what_was_so_before_the_sync_is_not_blamed_on_it(word: str, other_data: bool, expected: BaselineLevel) -> None:
    assert judge_baseline(ERRORS, before(word), T0, INTERVAL, other_data).level is expected


def test_a_tick_at_the_sync_itself_is_not_before_it() -> None:
    at_t0 = [*before("FF"), Tick(T0, Level.TRUE, 1.0)]
    assert judge_baseline(ERRORS, at_t0, T0, INTERVAL, False).level is BaselineLevel.QUIET


@pytest.mark.parametrize(
    ("word", "ticks_before"),
    [("FTTT", 3), ("FTFTT", 2), ("FTnT", 3), ("TTTT", None), ("nTTT", None), ("FFFF", None)],
)
def test_a_fault_from_before_the_sync_began_where_a_quiet_tick_was_seen_before_it(
    word: str, ticks_before: int | None
) -> None:
    began = judge_baseline(ERRORS, before(word), T0, INTERVAL, True).began
    assert began == (None if ticks_before is None else T0 - ticks_before * INTERVAL)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("F" * 7, BaselineLevel.NONE, id="seven-of-the-eight-ticks-of-its-for"),
        pytest.param("F" * 8, BaselineLevel.QUIET, id="as-long-as-its-for"),
        pytest.param("F" * 7 + "T", BaselineLevel.FIRING, id="true-outranks-the-mean"),
        pytest.param("", BaselineLevel.NONE, id="none"),
    ],
)
def test_a_mean_over_too_little_is_no_baseline(word: str, expected: BaselineLevel) -> None:
    assert judge_baseline(DOUBLED, before(word), T0, INTERVAL, True).level is expected


@pytest.mark.parametrize(
    ("comparison", "now", "expected"),
    [
        (Comparison.GREATER_THAN, 0.079, BaselineLevel.FIRING),
        (Comparison.GREATER_THAN, 0.08, BaselineLevel.FIRING),
        (Comparison.GREATER_THAN, 0.081, BaselineLevel.QUIET),
        (Comparison.LESS_THAN, 0.021, BaselineLevel.FIRING),
        (Comparison.LESS_THAN, 0.019, BaselineLevel.QUIET),
    ],
)
def test_a_value_must_exceed_the_factor_times_the_mean_before(
    comparison: Comparison, now: float, expected: BaselineLevel
) -> None:
    trigger = Trigger("x", "query", comparison=comparison, threshold=0.0, baseline=DOUBLED.baseline)
    quiet = Baseline(BaselineLevel.QUIET, 0.04)
    assert against_baseline(trigger, quiet, now).level is expected


def test_ticks_older_than_the_lookback_do_not_count_in_the_mean() -> None:
    old = [Tick(T0 - timedelta(hours=1) + index * INTERVAL, Level.FALSE, 100.0) for index in range(20)]
    baseline = judge_baseline(DOUBLED, [*old, *before("F" * 20, 0.01)], T0, INTERVAL, True)
    assert baseline.value == pytest.approx(0.01)
