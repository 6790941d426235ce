"""A series is gone only where another one of the application is still seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitops_rollback.core.absence import absence
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, Series

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
NONE = Answer(Outcome.VALUE, AT, "q")
SOME = Answer(Outcome.VALUE, AT, "q", (Series((), ((AT, 0.0),)),))
FAILED = Answer(Outcome.ERROR, AT, "q", reason=Reason.METRICS_UNAVAILABLE, detail="no answer")


@pytest.mark.parametrize(
    ("wanted", "beside", "value", "outcome"),
    [
        pytest.param(NONE, SOME, 1.0, Outcome.VALUE, id="gone"),
        pytest.param(SOME, SOME, 0.0, Outcome.VALUE, id="there-even-as-zero"),
        pytest.param(SOME, NONE, 0.0, Outcome.VALUE, id="there-alone"),
        pytest.param(NONE, NONE, None, Outcome.NO_DATA, id="nothing-is-seen"),
        pytest.param(FAILED, SOME, None, Outcome.ERROR, id="not-answered"),
        pytest.param(NONE, FAILED, None, Outcome.ERROR, id="nobody-to-say-so"),
    ],
)
def test_only_what_is_seen_can_say_that_something_is_gone(
    wanted: Answer, beside: Answer, value: float | None, outcome: Outcome
) -> None:
    measured = absence(wanted, beside)
    assert (measured.value, measured.outcome) == (value, outcome)
