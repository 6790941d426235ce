"""How long a metric source has failed, as the journal tells a process that was not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.blindness import told_blind
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
