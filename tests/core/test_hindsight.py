"""What people did beside what would have been done: each kind of row at its edges, and who is ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.hindsight import (
    Change,
    Kind,
    Past,
    Peak,
    TakenBack,
    judge,
    rows,
    suggested,
    watched_syncs,
    well_tested,
)
from gitops_rollback.core.journal import DecisionEntry

APP = "default/Application/argocd/shop"
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BAD, BACK, FIX = "b" * 40, "c" * 40, "d" * 40


def entry(minutes: float, action: str, reason: str, revision: str = BAD, value: float | None = 0.1) -> DecisionEntry:
    plan = {"plan": {"reverts": [BAD], "tree": "t" * 40}} if action in ("roll-back", "ask") else {}
    details = {"verdicts": [{"trigger": "errors", "value": value}], **plan}
    return DecisionEntry(START + minutes * MINUTE, APP, action, reason, revision, "it fires", details)


def change(sha: str, minutes: float) -> Change:
    return Change(sha, START + minutes * MINUTE)


REVERT = TakenBack(change(BACK, 40), (BAD,))
FIRED, QUIET = entry(5, "roll-back", "TriggerFired"), entry(20, "leave", "Quiet")
PENDING, ENDED = entry(21, "leave", "Pending"), entry(30, "leave", "NoRecentSync", "")


def past(*decisions: DecisionEntry, back: tuple[TakenBack, ...] = (), changes: tuple[Change, ...] = ()) -> Past:
    until = START + timedelta(days=30)
    return Past(APP, "shop/config", START, until, decisions, changes, back, 20)


@pytest.mark.parametrize(
    ("seen", "kind", "theirs"),
    [
        pytest.param(past(FIRED, QUIET, back=(REVERT,)), "agreed", "reverted by cccccccccccc", id="both"),
        pytest.param(past(FIRED, QUIET), "we only", "recovered by itself after 15m", id="by itself"),
        pytest.param(
            past(FIRED, QUIET, PENDING, ENDED), "we only", "stayed bad for 25m, until the watch ended", id="bad"
        ),
        pytest.param(past(FIRED), "we only", "not known: nobody looked on", id="the end is not known"),
        pytest.param(
            past(FIRED, QUIET, changes=(change(FIX, 12),)),
            "we only",
            "fixed forward by dddddddddddd after 7m",
            id="fix",
        ),
        pytest.param(
            past(entry(5, "ask", "SuggestOnly"), QUIET), "we only", "recovered by itself after 15m", id="allowed"
        ),
        pytest.param(
            past(entry(5, "ask", "Irreversible"), back=(REVERT,)), "asked", "reverted by cccccccccccc", id="asked"
        ),
        pytest.param(
            past(entry(5, "page", "MassEvent"), QUIET), "asked", "recovered by itself after 15m", id="mass event"
        ),
        pytest.param(
            past(entry(5, "leave", "Pending"), back=(REVERT,)), "they only", "reverted by cccccccccccc", id="they"
        ),
    ],
)
def test_one_row_for_one_incident(seen: Past, kind: str, theirs: str) -> None:
    (row,) = rows(seen, lambda _tree, _commit: True)
    assert (row.kind, row.theirs) == (kind, theirs)


def test_what_both_did_says_by_how_much_sooner_and_whether_the_trees_are_one() -> None:
    (row,) = rows(past(FIRED, back=(REVERT,)), lambda tree, commit: (tree, commit) != ("t" * 40, BACK))
    assert (row.sooner, row.same_tree) == (35 * MINUTE, False)


@pytest.mark.parametrize(
    ("decisions", "ours"),
    [
        ((entry(4, "leave", "Pending"),), "Pending: it fires"),
        ((entry(4, "leave", "NoData"), entry(50, "leave", "Quiet")), "NoData: it fires"),
        ((entry(4, "leave", "Quiet", FIX),), "no sync that brought it was under watch"),
    ],
)
def test_where_only_people_reverted_it_says_what_was_seen_until_then(
    decisions: tuple[DecisionEntry, ...], ours: str
) -> None:
    (row,) = rows(past(*decisions, back=(REVERT,)), lambda _tree, _commit: None)
    assert (row.kind, row.ours) == (Kind.THEY_ONLY, ours)


def test_what_only_went_on_after_an_alarm_is_no_incident_of_its_own() -> None:
    later = entry(15, "page", "NotOurs", FIX)
    assert [row.kind for row in rows(past(FIRED, later, QUIET), lambda _tree, _commit: None)] == [Kind.WE_ONLY]


def test_to_see_nothing_is_no_row_but_is_counted() -> None:
    seen = past(entry(9, "page", "NoData", value=None))
    assert rows(seen, lambda _tree, _commit: None) == ()
    assert judge(seen, (), (), "").blind == 1
    assert watched_syncs(seen.decisions) == 0


def test_a_trigger_is_tested_by_the_syncs_that_it_judged_itself() -> None:
    both = [{"trigger": "errors", "value": 0.1}, {"trigger": "rise", "value": 0.001}]
    quiet = [
        replace(entry(n, "leave", "Quiet", f"{n:040x}"), details={"verdicts": both[: 1 + n % 2]}) for n in range(39)
    ]
    assert well_tested(past(*quiet), ["errors", "rise"]) == {"errors"}  # rise: 19 of 20
    one_more = replace(entry(40, "leave", "Quiet", "e" * 40), details={"verdicts": both})
    assert well_tested(past(*quiet, one_more), ["errors", "rise"]) == {"errors", "rise"}


def test_ready_takes_time_syncs_and_a_person_s_word_about_each_we_only() -> None:
    seen = past(FIRED, QUIET)
    table = rows(seen, lambda _tree, _commit: None)
    assert judge(seen, table, {table[0].id}, "").ready
    assert judge(seen, table, (), "").missing == (f"nobody has confirmed {table[0].id} (report --confirm ID)",)
    young = Past(APP, "shop/config", START, START + timedelta(days=13), (), (), (), 19)
    assert judge(young, (), (), "no heartbeat").missing == (
        "13 of 14 days were watched",
        "19 of 20 syncs were watched",
        "no heartbeat",
    )


@pytest.mark.parametrize(
    ("peak", "threshold", "says"),
    [
        (Peak("errors", None, None), None, "no data"),
        (Peak("errors", 0.01, None), None, "0.05 holds"),
        (Peak("errors", 0.06, None), None, "would have fired without an incident"),
        (Peak("errors", 0.01, 0.12, 3), 0.05, "0.05 parts them"),
        (Peak("errors", 0.001, 0.01, 1), 0.0032, "0.0032 parts them, 0.05 does not"),
        (Peak("errors", 0.2, 0.1, 1), None, "no threshold parts them"),
    ],
)
def test_a_threshold_lies_between_what_is_usual_and_what_people_reverted(
    peak: Peak, threshold: float | None, says: str
) -> None:
    found = suggested(peak, 0.05)
    assert found.threshold == threshold
    assert says in found.because
