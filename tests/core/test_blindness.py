"""How long a metric source has failed, as the journal tells a process that was not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.blindness import MOST_ABSENCES, Absences, told_blind
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import DecisionEntry

T0 = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def said(minutes: float, reason: Reason) -> DecisionEntry:
    return DecisionEntry(T0 + minutes * MINUTE, "web", "leave", reason.value, "a" * 40, "")


@pytest.mark.parametrize(
    ("entries", "minutes"),
    [
        pytest.param([], 0, id="nothing was said"),
        pytest.param([said(1, Reason.METRICS_OUTAGE), said(4, Reason.QUIET)], 3, id="one that is over"),
        pytest.param([said(6, Reason.METRICS_UNAVAILABLE)], 4, id="one that goes on"),
        pytest.param([said(-5, Reason.METRICS_OUTAGE), said(2, Reason.QUIET)], 2, id="one from before the sync"),
        pytest.param([said(-5, Reason.METRICS_OUTAGE), said(-1, Reason.QUIET)], 0, id="one before the sync"),
        pytest.param([said(11, Reason.METRICS_OUTAGE), said(12, Reason.QUIET)], 0, id="this process saw it itself"),
        pytest.param(
            [said(3, Reason.QUIET), said(1, Reason.METRICS_UNAVAILABLE), said(2, Reason.METRICS_OUTAGE)],
            2,
            id="told in any order, and by two words",
        ),
        pytest.param([said(1, Reason.NO_DATA), said(4, Reason.QUIET)], 0, id="no data is no outage"),
    ],
)
def test_blind_is_what_the_journal_says_between_sync_and_start(entries: list[DecisionEntry], minutes: float) -> None:
    assert told_blind(entries, T0, T0 + 10 * MINUTE) == minutes * MINUTE


def test_a_process_was_away_before_its_start_and_while_another_one_led() -> None:
    absences = Absences(2 * MINUTE)
    assert absences.since(T0) == ()
    for minutes in (5, 6, 7, 12, 13):
        absences = absences.looking(T0 + minutes * MINUTE)
    began, led = (T0, T0 + 5 * MINUTE), (T0 + 7 * MINUTE, T0 + 12 * MINUTE)
    assert absences.since(T0) == (began, led)
    assert absences.since(T0 + 6 * MINUTE) == (led,)
    assert absences.since(T0 + 8 * MINUTE) == ((T0 + 8 * MINUTE, T0 + 12 * MINUTE),)
    assert absences.since(T0 + 13 * MINUTE) == ()


def test_of_too_many_absences_the_oldest_become_one_and_none_is_forgotten() -> None:
    absences = Absences(2 * MINUTE)
    for number in range(MOST_ABSENCES + 10):
        absences = absences.looking(T0 + 5 * number * MINUTE)
    assert len(absences.away) == MOST_ABSENCES
    assert absences.since(T0)[0][0] == T0
