"""What people read first about a rollback, from the journal alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.headline import headline, last_hour, spans, syncs
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NAME = "default/Application/argocd/web"
RATIO = "errors is 0.079 (3.16 of 40 per second), above the limit 0.05"


def a_record(phase: Phase = Phase.DONE, outcome: RollbackOutcome | None = None, **more: object) -> RollbackRecord:
    verdict = {"trigger": "errors", "value": 0.079, "threshold": 0.05, "message": more.pop("told", RATIO)}
    return RollbackRecord(
        id="rb-0123456789abcdef", applications=(NAME,), engine="argocd", repository="shop/config",
        bad_revision="b" * 40, restores="a" * 40, policy="policies/web.yaml@aaa", reverts=("b" * 40,), phase=phase,
        outcome=outcome, evidence={"verdicts": [verdict]}, **{"triggers": ("errors",), "message": "it held", **more},
    )  # fmt: skip


CRASHING = {"trigger": "pods", "value": 1.0, "threshold": None, "message": "crashLoop of Deployment shop/web"}
WHY = "because errors was 7.9\N{NO-BREAK SPACE}% (limit 5\N{NO-BREAK SPACE}%)"
PUSHED = (StepRecord(1, 1, "c" * 40),)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (a_record(outcome=RollbackOutcome.VERIFIED), f"web was rolled back to aaaaaaa {WHY}, and recovered."),
        (a_record(Phase.AWAITING_APPROVAL), f"web should go back to aaaaaaa {WHY}: it waits for a person."),
        (
            a_record(Phase.SYNCING),
            f"web is being rolled back to aaaaaaa {WHY}; it is being applied by the engine.",
        ),
        (
            a_record(outcome=RollbackOutcome.UNVERIFIED, steps=PUSHED),
            f"web was rolled back to aaaaaaa {WHY}, but that is not verified: it held.",
        ),
        (a_record(outcome=RollbackOutcome.REFUSED), "The rollback of web to aaaaaaa was refused: it held."),
        (
            a_record(Phase.VERIFYING, triggers=(), requested_by="mara"),
            "web is being rolled back to aaaaaaa because mara asked for it; it is being verified.",
        ),
        (
            a_record(outcome=RollbackOutcome.VERIFIED, told="errors is 0.079"),
            "web was rolled back to aaaaaaa because errors was 0.079 (limit 0.05), and recovered.",
        ),
        (
            replace(a_record(Phase.AWAITING_APPROVAL, triggers=("pods",)), evidence={"verdicts": [CRASHING]}),
            "web should go back to aaaaaaa because pods fired: it waits for a person.",
        ),
    ],
    ids=["verified", "waits", "syncing", "unverified", "refused", "asked", "no ratio", "no limit"],
)
def test_the_headline_says_what_where_to_and_why(record: RollbackRecord, sentence: str) -> None:
    assert headline(record) == sentence


def test_a_strangers_words_cannot_reorder_or_call_anybody() -> None:
    record = a_record(outcome=RollbackOutcome.HELD, message="see \u202e<!channel> \x1b[31m")
    assert not set(headline(record)) & {"\u202e", "\x1b"}


def test_a_part_whose_end_nobody_knows_has_no_length_and_none_is_below_zero() -> None:
    times = {"deployed": NOW, "fired": NOW + timedelta(minutes=3), "decided": NOW + timedelta(minutes=2)}
    assert [one.lasted for one in spans(a_record(times=times))][:3] == [timedelta(minutes=3), timedelta(0), None]


def decided(minutes_ago: int, action: str, message: str, sync: str = "") -> DecisionEntry:
    details = {"sync": {"startedAt": sync}} if sync else {}
    return DecisionEntry(NOW - timedelta(minutes=minutes_ago), NAME, action, "Quiet", "b" * 40, message, details)


def test_the_last_hour_is_told_newest_first_and_an_empty_one_says_so() -> None:
    assert last_hour([], [decided(90, "page", "long ago")], NOW) == (
        "Nothing was rolled back, and nobody was asked anything.",
    )
    record = a_record(outcome=RollbackOutcome.VERIFIED, times={"verified": NOW - timedelta(minutes=5)})
    told = last_hour([record], [decided(30, "page", "look here"), decided(20, "leave", "fine")], NOW)
    assert told == (f"11:55 {headline(record)}", "11:30 web: look here.")


def test_a_sync_that_many_decisions_are_about_is_seen_once_and_a_torn_time_never() -> None:
    at = "2026-01-05T11:40:00Z"
    found = syncs([decided(15, "leave", "", at), decided(10, "leave", "", at), decided(5, "leave", "", "soon")])
    assert [(one.at.minute, one.application) for one in found] == [(40, NAME)]
