"""Is every decision that differs found, and none that only came at another moment?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gitops_rollback.core.comparison import Decided, Difference, compare
from gitops_rollback.core.journal import DecisionEntry

START = datetime(2026, 11, 26, tzinfo=UTC)
BAD = "b" * 40


def entry(minute: float, action: str, reason: str, tree: str = "", revision: str = BAD) -> DecisionEntry:
    details = {"tree": tree} if tree else {}
    return DecisionEntry(START + timedelta(minutes=minute), "web", action, reason, revision, "", details)


def test_the_same_decisions_at_other_moments_are_no_difference() -> None:
    leader = [entry(1, "wait", "Pending"), entry(2, "roll-back", "TriggerFired", "t1")]
    shadow = [entry(2.1, "roll-back", "TriggerFired", "t1"), entry(3, "leave", "Quiet")]
    found = compare(leader, shadow, START)
    assert (found.same, found.differences) == (1, ())


def test_another_kind_reason_or_tree_is_a_difference() -> None:
    leader = [entry(1, "roll-back", "TriggerFired", "t1")]
    for other in (
        entry(1, "ask", "TriggerFired", "t1"),
        entry(1, "roll-back", "Requested", "t1"),
        entry(1, "roll-back", "TriggerFired", "t2"),
    ):
        tree = str(other.details["tree"])
        expected = Difference(
            "web", BAD, (Decided("roll-back", "TriggerFired", "t1"),), (Decided(other.action, other.reason, tree),)
        )
        assert compare(leader, [other], START).differences == (expected,)


def test_what_only_one_decided_is_a_difference() -> None:
    alone = compare([], [entry(1, "page", "Blind")], START)
    assert alone.differences == (Difference("web", BAD, (), (Decided("page", "Blind"),)),)


def test_a_build_that_writes_no_tree_is_compared_by_the_rest() -> None:
    found = compare([entry(1, "ask", "NoLastGood")], [entry(1, "ask", "NoLastGood", "t1")], START)
    assert (found.same, found.differences) == (1, ())


def test_what_was_before_both_looked_is_left_out() -> None:
    assert compare([entry(1, "ask", "NoLastGood")], [], START + timedelta(minutes=2)).differences == ()
