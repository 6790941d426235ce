"""Does a rollback only ever move forward, and do all replicas call it by the same name?"""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.rollback import (
    HELD_UNTIL,
    HINDERED_AT,
    TRANSITIONS,
    Phase,
    RollbackOutcome,
    RollbackRecord,
    StepRecord,
    advance,
    held_up,
    merge,
    rollback_id,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def a_record(phase: Phase, **changes: object) -> RollbackRecord:
    record = RollbackRecord(
        id="rb-1",
        applications=("default/Application/argocd/shop",),
        engine="argocd",
        repository="acme/config",
        bad_revision="b" * 40,
        restores="a" * 40,
        policy="policies/shop.yaml@aaaaaaaaaaaa",
        triggers=("t",),
        reverts=("b" * 40,),
        phase=phase,
        outcome=RollbackOutcome.VERIFIED if phase is Phase.DONE else None,
    )
    return dataclasses.replace(record, **changes)


PAIRS = list(itertools.permutations(Phase, 2))


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda phase: phase.value)
def test_a_record_moves_only_as_the_table_says(before: Phase, after: Phase) -> None:
    outcome = RollbackOutcome.FAILED if after is Phase.DONE else None
    if after in TRANSITIONS[before]:
        assert advance(a_record(before), after, outcome=outcome).phase is after
    else:
        with pytest.raises(ValueError, match="cannot become"):
            advance(a_record(before), after, outcome=outcome)


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda phase: phase.value)
def test_the_table_has_no_way_back(before: Phase, after: Phase) -> None:
    order = list(Phase)
    assert after not in TRANSITIONS[before] or order.index(after) > order.index(before)


def test_the_end_needs_an_outcome_and_nothing_else_may_have_one() -> None:
    with pytest.raises(ValueError, match="outcome"):
        advance(a_record(Phase.SYNCING), Phase.DONE)
    with pytest.raises(ValueError, match="outcome"):
        advance(a_record(Phase.SYNCING), Phase.VERIFYING, outcome=RollbackOutcome.VERIFIED)


def test_each_step_notes_its_time_once() -> None:
    record = advance(a_record(Phase.PUSHING), Phase.SYNCING, NOW)
    record = advance(record, Phase.SYNCING, NOW + timedelta(minutes=1), message="again")
    record = advance(record, Phase.VERIFYING, NOW + timedelta(minutes=2))
    record = advance(record, Phase.DONE, NOW + timedelta(minutes=3), outcome=RollbackOutcome.VERIFIED)
    assert {name: at - NOW for name, at in record.times.items()} == {
        "pushed": timedelta(0),
        "restored": timedelta(minutes=2),
        "synced": timedelta(minutes=2),
        "verified": timedelta(minutes=3),
    }
    assert record.message == "again"


def test_a_rollback_that_failed_has_no_time_of_verification() -> None:
    record = advance(a_record(Phase.VERIFYING), Phase.DONE, NOW, outcome=RollbackOutcome.UNVERIFIED)
    assert "verified" not in record.times


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda phase: phase.value)
def test_of_two_views_the_one_further_on_holds_whichever_comes_first(one: Phase, other: Phase) -> None:
    assert merge(a_record(one), a_record(other)).phase is max(one, other, key=list(Phase).index)


def test_of_two_equal_phases_the_newer_writer_holds() -> None:
    first, second = a_record(Phase.SYNCING, message="first"), a_record(Phase.SYNCING, message="second")
    assert merge(first, second).message == "second"


def test_an_end_that_was_written_is_not_written_over() -> None:
    refused = a_record(Phase.DONE, outcome=RollbackOutcome.REFUSED)
    assert merge(refused, a_record(Phase.DONE)).outcome is RollbackOutcome.REFUSED


def test_a_commit_of_ours_that_only_one_view_knows_is_kept() -> None:
    pushed = a_record(Phase.SYNCING, steps=(StepRecord(1, 2, "c" * 40, {}, NOW),), times={"pushed": NOW})
    aborted = a_record(Phase.DONE, outcome=RollbackOutcome.HELD, steps=(StepRecord(1, 2, None), StepRecord(2, 2, None)))
    for merged in (merge(pushed, aborted), merge(aborted, pushed)):
        assert merged.outcome is RollbackOutcome.HELD
        assert [step.commit for step in merged.steps] == ["c" * 40, None]
        assert merged.times == {"pushed": NOW}


def test_two_different_rollbacks_are_never_merged() -> None:
    with pytest.raises(ValueError, match="two rollbacks"):
        merge(a_record(Phase.SYNCING), a_record(Phase.SYNCING, id="rb-2"))


def test_all_replicas_call_a_rollback_by_the_same_name() -> None:
    name = rollback_id("acme/config", "default/Application/argocd/shop", "b" * 40)
    assert name == rollback_id("acme/config", "default/Application/argocd/shop", "b" * 40, "auto")
    assert name == "rb-b967926b80cde73c"


def test_a_part_of_the_name_cannot_move_into_its_neighbour() -> None:
    assert rollback_id("a", "bc", "d") != rollback_id("ab", "c", "d")


def test_what_held_a_rollback_up_is_its_reason_only_as_long_as_it_does() -> None:
    record = a_record(Phase.SYNCING, reason="TriggerFired")
    held = held_up(record, HINDERED_AT, NOW, "SuspendedSource", "it is suspended")
    held = held_up(held, HELD_UNTIL, NOW, "HealthWait", "it waits")
    assert held.reason == "HealthWait"
    assert advance(held, Phase.SYNCING, NOW).reason == "HealthWait"
    assert advance(held, Phase.VERIFYING, NOW).reason == "TriggerFired"
    timed_out = advance(held, Phase.DONE, NOW, outcome=RollbackOutcome.UNVERIFIED, reason="SyncTimeout")
    assert timed_out.reason == "SyncTimeout"
