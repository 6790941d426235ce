"""What a pull request says of a rollback, and that foreign text in it means nothing but itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.delivery import OPENED_AT
from gitops_rollback.core.offer import Offer, PlannedHead
from gitops_rollback.core.plan import GuardAnswer, Plan, PlanOutcome, Reversal
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.pull_request import StatusState
from gitops_rollback.core.pull_request_text import MAX_BODY, body, marker, shown, title
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, offered

AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
SHA = "7c1d9e2f0b6a4c55b1f1b6d7c9c0f4a2e8d31c77"
HEADS = (PlannedHead("a" * 40, "b" * 40), PlannedHead("c" * 40, "d" * 40))
RECORD = RollbackRecord(
    "rb-0123456789abcdef", ("default/Application/argocd/web",), "argocd", "shop/config", SHA, "f" * 40,
    "policies/web.yaml@5ab3c90d1c7e", ("errors",), (SHA,), Phase.AWAITING_APPROVAL, reason="TriggerFired",
    message="errors is 0.5, above the limit 0.05", times={"deployed": AT, "decided": AT, OPENED_AT: AT},
)  # fmt: skip
PLAN = Plan(
    RECORD.id, RECORD.applications, SHA, RECORD.restores, RECORD.policy, ("errors",),
    Reversal(PlanOutcome.CLEAN, "b" * 40, (SHA,)), 'Revert "Ship 1.1"\n\nThis reverts commit.\n',
    (GuardAnswer("delivery", GuardResult.ALLOW, None, "the policy wants a pull request"),), ("7c1d9e2f0b6a Ship 1.1",),
)  # fmt: skip


def test_the_title_is_the_commits_and_the_body_says_what_an_approver_needs() -> None:
    assert title(PLAN) == 'Revert "Ship 1.1"'
    text = body(RECORD, PLAN, "-a\n+b", by_itself=False)
    for words in (RECORD.message, "`7c1d9e2f0b6a`", "delivery: allow", "```diff\n-a\n+b\n```", "Argo CD", RECORD.id):
        assert words in text, words
    assert "close it to say no" in text
    assert "merged by itself" in body(RECORD, PLAN, "", by_itself=True)


HOSTILE = [
    ("@org/all", "@org"),
    ("<!channel>", "<!"),
    ("[x](http://evil)", "]("),
    ("closes #1", "#1"),
    ("see !7", "!7"),
    ("\x1b[31mred", "\x1b"),
    ("a\u202eb", "\u202e"),
    ("| a | b |\n|---|", "| a | b"),
    ("<!-- gitops-rollback:rb-1 -->", "<!--"),
    ("`code`", "\n`code`"),
]


@pytest.mark.parametrize(("foreign", "never"), HOSTILE)
def test_no_foreign_text_fires(foreign: str, never: str) -> None:
    record = replace(RECORD, message=foreign, applications=(foreign,), triggers=(foreign,))
    plan = replace(PLAN, evidence=(foreign,), guards=(GuardAnswer("g", GuardResult.ASK, None, foreign),))
    text = body(record, plan, "", by_itself=False).replace("```", "")
    assert never not in text.split("### Change")[0]
    assert never not in shown(record, foreign).comment


def test_a_status_calls_nobody() -> None:
    assert shown(RECORD, "@org/all \x1b[31m<!channel>").status == f"(at)org/all (!channel> ({RECORD.id})"


def test_a_change_does_not_end_its_own_block_of_code() -> None:
    text = body(RECORD, PLAN, "+```\n+# A heading\n+````", by_itself=False)
    assert "`````diff\n+```\n" in text


def test_nothing_is_longer_than_a_forge_takes() -> None:
    large = "x" * 1_000_000
    assert len(body(replace(RECORD, message=large), replace(PLAN, evidence=(large,) * 99), large, False)) <= MAX_BODY
    assert len(shown(replace(RECORD, message=large)).comment) <= MAX_BODY
    assert len(shown(RECORD, large).status) <= 140


def test_the_comment_follows_the_record_to_its_proof() -> None:
    waiting = shown(offered(RECORD, Offer(heads=HEADS[:1], number=7)))
    assert (waiting.state, "planned" in waiting.comment) == (StatusState.SUCCESS, True)
    assert "made anew" in shown(offered(RECORD, Offer(heads=HEADS, number=7))).comment
    landed = replace(RECORD, phase=Phase.SYNCING, times={**RECORD.times, "pushed": AT + timedelta(minutes=5)})
    assert "| landed | 2026-11-25 03:05:00 |" in shown(landed).comment
    assert shown(landed).state is StatusState.PENDING
    proof = replace(
        landed, phase=Phase.DONE, outcome=RollbackOutcome.VERIFIED, message="held 2m: errors 0.01",
        times={**landed.times, "verified": AT + timedelta(minutes=9)},
    )  # fmt: skip
    assert "**verified**" in shown(proof).comment
    assert "held 2m: errors 0.01" in shown(proof).comment
    assert shown(proof).state is StatusState.SUCCESS
    assert shown(replace(proof, outcome=RollbackOutcome.UNVERIFIED)).state is StatusState.FAILURE


def test_what_stands_in_the_way_is_a_failure_with_its_words() -> None:
    found = shown(RECORD, "policy web is suspended")
    assert (found.state, found.status) == (StatusState.FAILURE, f"policy web is suspended ({RECORD.id})")
    assert "policy web is suspended" in found.comment


def test_the_marker_names_the_rollback_alone() -> None:
    assert marker(RECORD) == "gitops-rollback:rb-0123456789abcdef"
