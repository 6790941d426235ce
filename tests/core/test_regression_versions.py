"""Twins `core/regression/versions.py`: the new version against the old one beside it, at the same time."""

from __future__ import annotations

import math

import pytest

from gitops_rollback.core.regression.baseline import baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression, Verdict, step
from gitops_rollback.core.regression.kinds import ERRORS, SLOW, Kind
from gitops_rollback.core.regression.peers import Control, Seen, raised, watch_peers
from gitops_rollback.core.regression.told import sentence
from gitops_rollback.core.regression.versions import SHARE, Pair, SideBySide, compare, held_against

T0 = 1_700_000_000.0
TICK = 15.0
BUSY = [Counts(T0 - TICK * back, 15000.0, 15.0) for back in reversed(range(960))]

Two = tuple[float, float, float, float]  # requests and bad ones of the new version, then of the old one


def baseline(kind: Kind = ERRORS) -> SideBySide:
    return SideBySide.since(baseline_of(kind, BUSY, T0, TICK), TICK)


def told(ticks: list[Two], side: SideBySide | None = None) -> list[Verdict]:
    """The verdicts of ticks after the deployment: the old version also says what it excuses, as everywhere."""
    side = side or baseline()
    test, old = side.beside, Control(side.baseline, side.baseline.rate)
    state, compared, seen, found = test.start, side.start, Seen(), []
    for number, (events, bad, old_events, old_bad) in enumerate(ticks, start=1):
        at = T0 + TICK * number
        pair = Pair(Counts(at, events, bad), Counts(at, old_events, old_bad))
        seen = watch_peers(old, seen, pair.old)
        state, verdict = step(test, state, pair.new, raised(old, seen))
        compared, beside = compare(side, compared, pair)
        found.append(held_against(verdict, beside))
    return found


def first(verdicts: list[Verdict]) -> int | None:
    return next((number for number, one in enumerate(verdicts, start=1) if one.severity is not None), None)


def test_the_evidence_of_one_tick_is_that_of_the_page() -> None:
    side = baseline()
    pair = Pair(Counts(T0 + TICK, 1000.0, 3.0), Counts(T0 + TICK, 9000.0, 4.0))
    state, _ = compare(side, side.start, pair)
    for times, grown in zip(ERRORS.rungs[0].times_worse, state.sums, strict=True):
        theta, null = (rho * 1000 / (rho * 1000 + 9000) for rho in (1.5 * times, 1.5))
        gained = (3 * math.log(theta / null) + 4 * math.log((1 - theta) / (1 - null))) / side.baseline.dispersion
        assert grown == pytest.approx(0.15 * math.exp(min(gained, side.threshold.cap)))


def test_an_incident_that_both_versions_have_is_nobody_s_fault() -> None:
    assert first(told([(1500, 150, 13500, 1350)] * 120)) is None


def test_a_fault_within_an_incident_of_both_is_found_by_what_lies_between_them() -> None:
    """The old Pods' trouble raises what counts as normal threefold, and the new ones stay below that."""
    verdicts = told([(1500, 200, 13500, 800)] * 20)
    fired = first(verdicts)
    assert fired is not None
    assert fired <= 6
    verdict = verdicts[fired - 1]
    assert (verdict.only_beside, verdict.severity) == (True, 1)
    said = sentence(verdict)
    assert "requests of the new version failed (13.3%), 0.1% before, 3200 of 54000 of the old version beside it" in said
    assert "(8.89%) would be normal beside that" in said
    assert "worse than the old version, severity 1; a plain limit of 8.89% on these says the same" in said


def test_without_the_comparison_that_fault_would_not_be_seen() -> None:
    side = baseline()
    test, old, seen = side.beside, Control(side.baseline, side.baseline.rate), Seen()
    state = test.start
    for number in range(1, 21):
        at = T0 + TICK * number
        seen = watch_peers(old, seen, Counts(at, 13500, 800))
        state, verdict = step(test, state, Counts(at, 1500, 200), raised(old, seen))
        assert verdict.severity is None


@pytest.mark.parametrize(
    "ticks",
    [
        pytest.param([(0.0, 0.0, 15000.0, 15.0)] * 60, id="the new version has no requests"),
        pytest.param([(1500.0, 1.0, 0.0, 0.0)] * 60, id="the old one has none"),
        pytest.param([(0.0, 0.0, 0.0, 0.0)] * 60, id="neither has any"),
    ],
)
def test_a_version_without_requests_is_no_evidence(ticks: list[Two]) -> None:
    verdicts = told(ticks)
    assert first(verdicts) is None
    beside = verdicts[-1].beside
    assert beside is not None
    assert beside.evidence == -math.inf
    assert (verdicts[-1].rate is None) is (ticks[0][0] == 0)


def test_once_the_old_version_is_gone_the_two_are_not_compared_any_more() -> None:
    apart: list[Two] = [(1500, 200, 13500, 800)] * 8
    alone: list[Two] = [(15000, 1500, 0, 0)] * 3
    fired = [verdict.severity is not None for verdict in told(apart + alone)]
    assert fired[7]
    gone = told(apart + [(15000, 1500, 0, 0)] * 5)[-1]
    assert gone.beside is not None
    assert not gone.beside.fires


def test_it_must_be_worse_than_usual_too_and_not_only_than_a_lucky_old_version() -> None:
    """Twice as bad as the other, and no worse than what was normal: 0.1% against nothing at all."""
    assert first(told([(7500, 8, 7500, 0)] * 120)) is None


def test_it_takes_four_scrapes_at_least_where_many_requests_come() -> None:
    fired = first(told([(1500, 360, 13500, 1620)] * 10))
    assert fired is not None
    assert fired >= 4


def test_the_steps_of_a_canary_are_no_evidence_though_its_share_of_the_bad_requests_grows() -> None:
    shares = [0.01] * 20 + [0.1] * 20 + [0.5] * 20 + [0.99] * 20
    for rate in (0.001, 0.1):
        ticks = [(15000 * s, 15000 * s * rate, 15000 * (1 - s), 15000 * (1 - s) * rate) for s in shares]
        assert first(told(ticks)) is None


def test_both_tests_share_the_false_alarms_that_are_allowed() -> None:
    for kind in (ERRORS, SLOW):
        side = baseline(kind)
        weights = [*(math.exp(-one.needed) for one in side.beside.thresholds), math.exp(-side.threshold.needed)]
        assert sum(weights) == pytest.approx(side.baseline.alpha)
        assert weights[-1] == pytest.approx(SHARE * side.baseline.alpha)
        alone = Regression.since(side.baseline, TICK)
        assert sum(math.exp(-one.needed) for one in alone.thresholds) == pytest.approx(side.baseline.alpha)


def test_a_quiet_verdict_tells_the_old_version_s_counts_too() -> None:
    said = sentence(told([(1500, 2, 13500, 13)] * 4)[-1])
    assert "8 of the last 6000 requests of the new version failed (0.133%)" in said
    assert "52 of 54000 of the old version beside it (evidence" in said
    none = sentence(told([(1500, 2, 0, 0)] * 4)[-1])
    assert "and no requests of the old version beside it" in none
