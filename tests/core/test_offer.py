"""What the journal keeps of a pull request, and how it is read back from what anybody may have written there."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops_rollback.core.commit import REGULAR_MODE, Commit, FileChange
from gitops_rollback.core.journal import MAX_RECORD_BYTES, decode_record, encode_record
from gitops_rollback.core.offer import MAX_HEADS, Offer, PlannedHead, branch_of, merge_offers, offer_of
from gitops_rollback.core.ownership import record_of
from gitops_rollback.core.rollback import Phase, RollbackRecord, landed_by_forge, merge, offered

AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
FILE = "apps/web/web.yaml"
BLOB, OTHER = "1" * 40, "2" * 40
FIRST = PlannedHead("a" * 40, "b" * 40, {FILE: BLOB})
SECOND = PlannedHead("c" * 40, "d" * 40, {FILE: OTHER})
OFFER = Offer(automatic=True, heads=(FIRST, SECOND), number=7, url="https://forge.example/7", said=("blocked",))


def a_record(offer: Offer | None = OFFER, phase: Phase = Phase.AWAITING_APPROVAL) -> RollbackRecord:
    record = RollbackRecord(
        "rb-0123456789abcdef", ("default/Application/argocd/web",), "argocd", "shop/config", "e" * 40, "f" * 40, "p@a",
        ("errors",), ("e" * 40,), phase, times={"decided": AT},
    )  # fmt: skip
    return record if offer is None else offered(record, offer)


def a_commit(blob: str, sha: str = "9" * 40) -> Commit:
    change = FileChange(FILE, REGULAR_MODE, REGULAR_MODE, "0" * 40, blob)
    return Commit(sha, ("8" * 40,), "7" * 40, "A <a@b>", "A <a@b>", AT, "Whatever the forge made of it\n", (change,))


def test_an_offer_is_kept_in_the_evidence_that_older_versions_read_too() -> None:
    record = a_record()
    read = decode_record(encode_record(record))
    assert (read, read.offer) == (record, OFFER)
    assert read.steps[0].blobs == SECOND.blobs, "what is planned now"


def test_a_pull_request_outlives_evidence_that_is_too_large() -> None:
    record = a_record()
    large = replace(record, evidence={**record.evidence, "plan": "x" * MAX_RECORD_BYTES})
    assert decode_record(encode_record(large)).offer == OFFER


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="nothing"),
        pytest.param("7", id="a-text"),
        pytest.param([], id="a-list"),
    ],
)
def test_what_is_no_offer_is_none(document: object) -> None:
    assert offer_of(document) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"heads": "x"},
        {"heads": [7, {"commit": "--force", "base": "b" * 40, "blobs": {}}]},
        {"heads": [{"commit": "a" * 40, "base": "b" * 40, "blobs": {FILE: "no blob"}}]},
        {"heads": [{"commit": "a" * 40, "base": "b" * 40, "blobs": None}]},
        {"number": "7"},
        {"number": True},
        {"number": -1},
        {"automatic": "yes", "scheduled": 1, "said": "blocked"},
    ],
)
def test_what_is_not_as_we_write_it_counts_for_nothing(odd: dict[str, object]) -> None:
    assert offer_of(odd) == Offer()


def test_the_branch_is_the_same_for_every_base_and_fits_every_forge() -> None:
    name = branch_of("rb-428a78d56affadb9", "default/Application/argocd/payments-prod")
    assert name == "gitops-rollback/application/argocd-payments-prod/428a78d56aff"
    assert branch_of("rb-428a78d56affadb9", "x") == "gitops-rollback/application/x/428a78d56aff"


@pytest.mark.parametrize("name", ["../../../heads/main", "a.lock", "Über.Groß", "0" * 40, "-" * 400, "x" * 400, ""])
def test_an_odd_name_makes_no_odd_branch(name: str) -> None:
    branch = branch_of("rb-428a78d56affadb9", f"default/HelmRelease/{name}/{name}")
    assert re.fullmatch(r"gitops-rollback/helmrelease/[a-z0-9-]{1,120}/[0-9a-f]{12}", branch)


def test_the_first_commit_stays_however_often_the_base_moves() -> None:
    offer = Offer(heads=(FIRST,))
    for number in range(3 * MAX_HEADS):
        offer = offer.with_head(PlannedHead(f"{number:040x}", "b" * 40, {}))
    assert offer.heads[0] == FIRST
    assert len(offer.heads) == MAX_HEADS
    assert offer.made(f"{3 * MAX_HEADS - 1:040x}")
    assert len(offer.with_head(offer.heads[-1]).heads) == MAX_HEADS, "the same commit again is no second one"


def test_neither_of_two_views_loses_a_commit_or_the_number() -> None:
    before, after = replace(OFFER, heads=(FIRST,)), replace(OFFER, heads=(SECOND,), number=None, said=("foreign",))
    merged = merge(a_record(before), a_record(after)).offer
    assert merged is not None
    assert (merged.heads, merged.number, merged.said) == ((FIRST, SECOND), 7, ("blocked", "foreign"))
    assert merge_offers(None, OFFER.document) == OFFER.document
    assert merge_offers(OFFER.document, None) == OFFER.document
    assert merge_offers(None, None) is None


def test_the_first_commit_stays_whoever_made_the_newest() -> None:
    third = PlannedHead("3" * 40, "b" * 40)
    ours, theirs = replace(OFFER, heads=(FIRST, SECOND)), replace(OFFER, heads=(FIRST, third))
    merged = merge(a_record(theirs), a_record(ours)).offer
    assert merged is not None
    assert merged.heads == (FIRST, third, SECOND)
    again = merged.with_head(FIRST)
    assert (again.heads[0], again.newest) == (FIRST, FIRST), "the search for a landing begins where it did"
    assert again.made(third.commit)


def test_what_is_settled_after_the_end_is_added_to_the_end() -> None:
    ended = replace(a_record(), phase=Phase.DONE)
    settled = merge(ended, offered(ended, replace(OFFER, settled=True))).offer
    assert settled is not None
    assert settled.settled


@pytest.mark.parametrize("blob", [BLOB, OTHER])
def test_the_landing_of_any_of_its_heads_is_ours_by_its_contents(blob: str) -> None:
    assert record_of(a_commit(blob), (a_record(),)) == a_record()
    assert record_of(a_commit("3" * 40), (a_record(),)) is None


def test_a_plan_that_landed_goes_on_as_one_that_was_pushed() -> None:
    landed = landed_by_forge(a_record(), "9" * 40, SECOND.blobs, AT, "octocat")
    assert (landed.phase, landed.commit, landed.requested_by) == (Phase.SYNCING, "9" * 40, "octocat")
    assert landed.times["pushed"] == AT
    assert landed_by_forge(a_record(), "9" * 40, SECOND.blobs, AT, "").requested_by == "controller"
