"""What the journal tells of an application's own rollbacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.core.track_record import TrackRecord, track_record

T0 = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_record(
    bad: str, minutes: float | None = None, outcome: RollbackOutcome | None = RollbackOutcome.VERIFIED
) -> RollbackRecord:
    times = {"decided": T0, "pushed": T0} | ({} if minutes is None else {"synced": T0 + minutes * MINUTE})
    phase = Phase.DONE if outcome else Phase.SYNCING
    steps = (StepRecord(1, 1, "c" * 40),)
    return RollbackRecord(
        f"rb-{bad}", ("shop",), "argocd", "r", bad, "good", "p", (), (bad,), phase, steps=steps, outcome=outcome,
        times=times,
    )  # fmt: skip


def test_times_are_a_median_from_commit_to_healthy() -> None:
    records = [a_record("a", 3), a_record("b", 4), a_record("c", 30), a_record("d", None, None)]
    assert track_record("shop", [], records).rollback_minutes == 4


def test_without_a_rollback_nothing_is_made_up() -> None:
    assert track_record("shop", [], []) == TrackRecord()
    assert track_record("shop", [], []).rollback_minutes is None
    assert (TrackRecord().bad_syncs, TrackRecord().rollback_fails) == (0.05, pytest.approx(0.03))


def test_of_the_deployments_that_are_known_those_count_as_bad_that_a_verified_rollback_took_back() -> None:
    records = [a_record("b"), a_record("c", outcome=RollbackOutcome.UNVERIFIED), a_record("older")]
    known = track_record("shop", [("a",), ("b",), ("c",)], records)
    assert (known.deployments, known.bad) == (3, 1)
    assert known.bad_syncs == pytest.approx(2 / 23)


def test_what_did_not_help_raises_the_chance_that_the_next_does_not() -> None:
    records = [a_record("a", 3), a_record("b", 3, RollbackOutcome.UNVERIFIED)]
    known = track_record("shop", [], records)
    assert (known.ended, known.failed) == (2, 1)
    assert known.rollback_fails == pytest.approx(1.6 / 22)


def test_others_and_plans_that_were_never_pushed_tell_nothing() -> None:
    other = replace(a_record("a", 3), applications=("cart",))
    waiting = replace(a_record("b", 3), steps=())
    assert track_record("shop", [], [other, waiting]) == TrackRecord()
