"""What is done about an open pull request, by what one look at it saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitops_rollback.core.action import Finish, Wait
from gitops_rollback.core.delivery import (
    BLOCKED,
    CONFLICT,
    FOREIGN,
    OPENED_AT,
    LeaveToPeople,
    OfferSight,
    OpenRequest,
    PushAgain,
    Renew,
    Schedule,
    TellOnce,
    Unschedule,
    next_delivery,
)
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.offer import Offer, PlannedHead
from gitops_rollback.core.policy import PullRequestRules
from gitops_rollback.core.pull_request import Mergeability, PullRequest, PullRequestState
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
OURS, OLDER, THEIRS = "a" * 40, "b" * 40, "c" * 40
HEADS = (PlannedHead(OLDER, "1" * 40), PlannedHead(OURS, "2" * 40))
OPENED = Offer(automatic=True, heads=HEADS, number=7)
FOUND = PullRequest(
    7, "https://forge.example/7", "Revert", "bot", "gitops-rollback/x", OURS, "main", PullRequestState.OPEN,
    Mergeability.READY,
)  # fmt: skip
RECORD = RollbackRecord(
    "rb-0123456789abcdef", ("web",), "argocd", "shop/config", "e" * 40, "f" * 40, "p@a", ("errors",), ("e" * 40,),
    Phase.AWAITING_APPROVAL, times={"decided": AT, OPENED_AT: AT},
)  # fmt: skip


def a_sight(offer: Offer = OPENED, found: PullRequest | None = FOUND, **words: Any) -> OfferSight:
    return replace(OfferSight(RECORD, offer, PullRequestRules(), found, "main"), **words)


SCHEDULED = replace(OPENED, scheduled=True)
ASKED = replace(OPENED, automatic=False)
BY_ITSELF = replace(FOUND, auto_merge=True)
PERSONS_ONLY = PullRequestRules(auto_merge=False)
FOREIGN_HEAD = replace(FOUND, head_sha=THEIRS)


@pytest.mark.parametrize(
    ("sight", "action"),
    [
        pytest.param(a_sight(Offer(), None), Renew, id="nothing-is-pushed-yet"),
        pytest.param(a_sight(replace(OPENED, number=None), None), OpenRequest, id="pushed-and-not-opened"),
        pytest.param(
            a_sight(replace(OPENED, number=None), None, applies=False), Renew, id="moved-before-it-was-opened"
        ),
        pytest.param(a_sight(found=None, trouble="429"), Wait, id="the-forge-gives-no-answer"),
        pytest.param(a_sight(), Schedule, id="let-the-forge-merge-it"),
        pytest.param(a_sight(SCHEDULED, BY_ITSELF), Wait, id="the-forge-will"),
        pytest.param(a_sight(SCHEDULED), Schedule, id="the-forge-has-forgotten-it"),
        pytest.param(a_sight(found=replace(FOUND, head_sha=OLDER)), Wait, id="the-forge-shows-our-older-head"),
        pytest.param(a_sight(ASKED), Wait, id="a-person-decides"),
        pytest.param(a_sight(ASKED, BY_ITSELF), Wait, id="a-person-has-scheduled-it"),
        pytest.param(a_sight(replace(ASKED, approved=OURS)), Schedule, id="a-person-has-approved-this-head"),
        pytest.param(a_sight(replace(ASKED, approved=OLDER)), Wait, id="a-person-has-approved-an-older-head"),
        pytest.param(a_sight(replace(OPENED, number=None), None, pushed=False), PushAgain, id="not-on-the-branch-yet"),
        pytest.param(a_sight(replace(OPENED, number=None), None, trouble="503"), Wait, id="not-asked-to-open-it-now"),
        pytest.param(a_sight(undone=True, applies=None), Finish, id="undone-by-somebody-in-another-way"),
        pytest.param(a_sight(OPENED.tell(f"refused {OURS[:12]}")), Wait, id="refused-to-merge-this-head"),
        pytest.param(a_sight(SCHEDULED, doubt="a freeze"), Unschedule, id="a-guard-asks-by-now"),
        pytest.param(a_sight(doubt="a freeze"), Wait, id="a-guard-asks-for-a-moment"),
        pytest.param(a_sight(doubt="a freeze", lasting=True), LeaveToPeople, id="a-guard-goes-on-asking"),
        pytest.param(a_sight(SCHEDULED, None, trouble="503", doubt="x"), Wait, id="asks-and-cannot-be-taken-back"),
        pytest.param(a_sight(ASKED, doubt="a freeze"), Wait, id="asked-already"),
        pytest.param(a_sight(rules=PERSONS_ONLY), Wait, id="the-policy-leaves-it-to-people"),
        pytest.param(a_sight(SCHEDULED, BY_ITSELF, rules=PERSONS_ONLY), Unschedule, id="the-policy-was-tightened"),
        pytest.param(a_sight(SCHEDULED, BY_ITSELF, stopped="paused"), Unschedule, id="stopped-takes-it-back"),
        pytest.param(a_sight(stopped="paused"), Wait, id="stopped-merges-nothing"),
        pytest.param(a_sight(Offer(), None, stopped="paused"), Wait, id="stopped-pushes-nothing"),
        pytest.param(a_sight(replace(OPENED, number=None), None, stopped="paused"), Wait, id="stopped-opens-nothing"),
        pytest.param(a_sight(applies=False), Renew, id="the-base-moved"),
        pytest.param(a_sight(applies=False, stopped="paused"), Wait, id="the-base-moved-while-stopped"),
        pytest.param(a_sight(found=FOREIGN_HEAD), TellOnce, id="somebody-pushed-to-it"),
        pytest.param(a_sight(found=FOREIGN_HEAD, young=True), Wait, id="the-journal-may-not-tell-yet-whose-it-is"),
        pytest.param(a_sight(SCHEDULED, FOREIGN_HEAD, young=True), Unschedule, id="not-merged-while-that-is-so"),
        pytest.param(a_sight(found=FOREIGN_HEAD, applies=False), TellOnce, id="no-commit-on-top-of-anothers"),
        pytest.param(a_sight(SCHEDULED, FOREIGN_HEAD), Unschedule, id="never-merge-anothers-commit"),
        pytest.param(a_sight(found=replace(FOUND, base="release")), TellOnce, id="somebody-pointed-it-elsewhere"),
        pytest.param(a_sight(SCHEDULED, replace(BY_ITSELF, base="release")), Unschedule, id="never-merge-it-elsewhere"),
        pytest.param(a_sight(OPENED.tell(FOREIGN), FOREIGN_HEAD), Wait, id="told-of-it-once"),
        pytest.param(a_sight(applies=None, unplanned="a conflict"), TellOnce, id="cannot-be-made-on-it"),
        pytest.param(a_sight(SCHEDULED, applies=None, unplanned="x"), Unschedule, id="cannot-be-made-and-scheduled"),
        pytest.param(a_sight(OPENED.tell(CONFLICT), applies=None, unplanned="x"), Wait, id="told-of-the-conflict-once"),
        pytest.param(a_sight(found=replace(FOUND, state=PullRequestState.MERGED)), Wait, id="merged-a-moment-ago"),
    ],
)
def test_the_one_next_thing(sight: OfferSight, action: type) -> None:
    assert type(next_delivery(sight, AT)) is action


@pytest.mark.parametrize("stopped", ["", "paused"])
def test_closed_unmerged_is_a_persons_no(stopped: str) -> None:
    closed = replace(FOUND, state=PullRequestState.CLOSED, closed_by="octocat")
    end = next_delivery(a_sight(found=closed, stopped=stopped, applies=False), AT)
    assert isinstance(end, Finish)
    assert (end.outcome, end.reason) == (RollbackOutcome.REFUSED, Reason.REJECTED)
    assert "octocat closed pull request #7" in end.message


def test_merged_with_other_contents_is_no_rollback_of_ours() -> None:
    merged = replace(FOUND, state=PullRequestState.MERGED)
    end = next_delivery(a_sight(found=merged, merged_here=True), AT)
    assert isinstance(end, Finish)
    assert (end.outcome, end.reason) == (RollbackOutcome.FAILED, Reason.FOREIGN_PUSH)


LATE = AT + timedelta(minutes=10)
RULE = replace(BY_ITSELF, mergeability=Mergeability.BLOCKED, why="Review required by code owners")


def test_after_its_time_the_page_says_once_what_blocks_in_the_forges_own_words() -> None:
    assert isinstance(next_delivery(a_sight(SCHEDULED, RULE), LATE - timedelta(seconds=1)), Wait)
    told = next_delivery(a_sight(SCHEDULED, RULE), LATE)
    assert isinstance(told, TellOnce)
    assert (told.word, told.reason) == (BLOCKED, Reason.PULL_REQUEST_BLOCKED)
    assert "Review required by code owners" in told.message
    assert isinstance(next_delivery(a_sight(SCHEDULED.tell(BLOCKED), RULE), LATE), Wait)


def test_a_forge_out_of_reach_is_told_once_after_its_time() -> None:
    unreached = a_sight(replace(OPENED, number=None), None, trouble="connection refused")
    told = next_delivery(unreached, LATE)
    assert isinstance(told, TellOnce)
    assert (told.reason, told.message) == (Reason.FORGE_UNAVAILABLE, "connection refused")
    assert isinstance(next_delivery(replace(unreached, offer=unreached.offer.tell(told.word)), LATE), Wait)


def test_who_was_asked_and_could_merge_is_not_paged_again() -> None:
    assert isinstance(next_delivery(a_sight(ASKED), LATE), Wait)
    assert isinstance(next_delivery(a_sight(ASKED, replace(RULE, auto_merge=False)), LATE), TellOnce)
