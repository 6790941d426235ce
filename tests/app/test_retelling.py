"""After a start people are told again what the process before may not have said; nothing old, nothing quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.retelling import recent_messages
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.ports import DecisionEntry, JournalView, Message

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
APPLICATION = "default/Application/argocd/checkout-api-prod"
BAD = "b" * 40
FILE = Path(__file__).resolve().parents[2] / "policies" / "error-rate.yaml"


def policy() -> Policy:
    found = read_policy(FILE.read_bytes(), FILE.name, "a" * 40).policy
    assert found is not None
    return found


def entry(action: str, ago: timedelta = timedelta(minutes=5), application: str = APPLICATION) -> DecisionEntry:
    guard = {"guard": "data", "result": "ask", "reason": "Irreversible", "message": "a claim", "remedy": ""}
    details = {"rollback": "rb-1", "suspects": ["abc: changes a.yaml"], "guards": [guard]}
    return DecisionEntry(NOW - ago, application, action, "TriggerFired", BAD, "error rate is 8%", details)


def record(phase: Phase, outcome: RollbackOutcome | None = None) -> RollbackRecord:
    return RollbackRecord(
        "rb-1", (APPLICATION,), "argocd", "shop/config", BAD, "a" * 40, "p", ("t",), (BAD,), phase,
        steps=(StepRecord(1, 1, "c" * 40),), outcome=outcome, reason="Verified", message="held",
    )  # fmt: skip


def told(written: DecisionEntry, of: RollbackRecord | None) -> list[Message]:
    view = JournalView("h", {of.id: of} if of else {}, (written,))
    return list(recent_messages(view, APPLICATION, policy(), NOW))


@pytest.mark.parametrize(
    ("action", "of", "key"),
    [
        pytest.param("ask", record(Phase.AWAITING_APPROVAL), f"{APPLICATION}/{BAD}/ask/TriggerFired"),
        pytest.param("page", None, f"{APPLICATION}/{BAD}/page/TriggerFired"),
        pytest.param("roll-back", record(Phase.VERIFYING), "rb-1/Syncing"),
        pytest.param("verified", record(Phase.DONE, RollbackOutcome.VERIFIED), "rb-1/verified"),
        pytest.param("unverified", record(Phase.DONE, RollbackOutcome.UNVERIFIED), "rb-1/unverified"),
    ],
)
def test_what_was_written_is_told_again_under_the_same_key(action: str, of: RollbackRecord | None, key: str) -> None:
    assert [message.key for message in told(entry(action), of)] == [key]


def test_a_plan_that_waits_is_told_with_its_suspects_guards_and_verbs() -> None:
    (message,) = told(entry("ask"), record(Phase.AWAITING_APPROVAL))
    assert message.title == "A rollback is ready and waits for a word: argocd/checkout-api-prod"
    assert message.text.splitlines() == [
        "error rate is 8%",
        "suspect: abc: changes a.yaml",
        "guard data: ask: a claim",
        "to do it: gitops-rollback approve rb-1; to leave it: gitops-rollback reject rb-1",
    ]
    assert message.page
    assert message.rollback_id == "rb-1"


@pytest.mark.parametrize(
    ("written", "of"),
    [
        pytest.param(entry("ask", timedelta(minutes=61)), record(Phase.AWAITING_APPROVAL), id="old"),
        pytest.param(entry("ask", application="another"), record(Phase.AWAITING_APPROVAL), id="of-another"),
        pytest.param(entry("leave"), None, id="quiet"),
        pytest.param(entry("Verifying"), record(Phase.VERIFYING), id="a-step"),
        pytest.param(entry("verified"), None, id="without-a-record"),
        pytest.param(entry("roll-back"), record(Phase.DONE, RollbackOutcome.VERIFIED), id="begun-and-ended"),
        pytest.param(entry("ask"), record(Phase.DONE, RollbackOutcome.REFUSED), id="answered"),
        pytest.param(entry("ask"), record(Phase.SYNCING), id="approved-and-under-way"),
        pytest.param(replace(entry("Syncing"), reason="HealthWait"), record(Phase.VERIFYING), id="the-wait-is-over"),
        pytest.param(entry("refused"), record(Phase.DONE, RollbackOutcome.REFUSED), id="a-person's-own-word"),
    ],
)
def test_nothing_else_is_told_again(written: DecisionEntry, of: RollbackRecord | None) -> None:
    assert told(written, of) == []


@pytest.mark.parametrize("found", ["text", 7, None, {"a": 1}, [7], [{"guard": 1}]])
def test_a_journal_that_somebody_else_wrote_into_harms_no_message(found: object) -> None:
    written = replace(entry("ask"), details={"rollback": found, "suspects": found, "guards": found})
    (message,) = told(written, None)
    assert message.text.startswith("error rate is 8%")
