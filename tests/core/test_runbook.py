"""Does each page say what is safe, three commands and what comes next, and the standing runbook the same?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gitops_rollback.app.records import EVENTS
from gitops_rollback.cli.main import VERBS
from gitops_rollback.core.policy import ApplicationRef, Notification, Policy, Severity, Target, Trigger
from gitops_rollback.core.runbook import ADVICE, page_guide, standing_runbook

WEB = "default/Application/argocd/web"
POLICY = Policy(
    "web", ".gitops-rollback/policies/web.yaml", "a" * 40,
    (Target("web-api", "argocd", ApplicationRef("argocd", "web")),),
    (Trigger("errors", "query", Severity.AUTO_ROLLBACK, query="sum(`x`)", threshold=0.05),),
    notifications=(Notification(("held",), "slack", channel="#ops", secret="bot"),),
)  # fmt: skip


@pytest.mark.parametrize("event", [*sorted({*EVENTS.values()} - {"started"}), "unverified", "failed"])
def test_each_page_has_a_guide_whose_commands_there_are(event: str) -> None:
    first, *commands, last = page_guide(event, "TriggerFired", WEB, "rb-1", timedelta(seconds=15))
    assert first.startswith("safe to do: ")
    assert last.startswith("next: ")
    assert "15s" in last
    assert len(commands) == 4
    assert commands[3] == "gitops-rollback explain TriggerFired"
    assert all(command.split()[1] in VERBS for command in commands)
    assert not any("ID" in command or "APP" in command for command in commands)
    assert any("argocd/web" in command or "rb-1" in command for command in commands)


def test_a_word_that_is_no_reason_is_not_explained() -> None:
    assert len(page_guide("held", "Whatever", WEB, "rb-1")) == 5


def test_what_is_no_page_has_none() -> None:
    assert page_guide("verified", "Verified", WEB, "rb-1") == ()


def test_without_a_rollback_nobody_is_told_to_approve_one() -> None:
    assert not [line for line in page_guide("suggested", "Suspended", WEB, "") if "approve" in line.split()]


def test_what_came_back_is_never_promised_to_go_by_itself() -> None:
    assert "never rolls this back by itself" in page_guide("held", "CameBack", WEB, "")[-1]
    assert "never" not in page_guide("held", "WindowClosed", WEB, "")[-1]


def test_a_regression_is_said_without_a_limit_that_it_does_not_have() -> None:
    rise = Trigger("rise", "regression", Severity.PAGE_AND_SUGGEST, bad="errors_total", total="requests_total")
    said = "\n".join(standing_runbook(replace(POLICY, triggers=(rise,)), POLICY.targets[0], WEB, []))
    assert "`errors_total` above what was normal before the sync" in said


def test_the_standing_runbook_says_what_is_watched_and_what_each_page_means() -> None:
    text = "\n".join(standing_runbook(POLICY, POLICY.targets[0], WEB, ["paused by Kim"]))
    for words in (
        "# Runbook: web-api (argocd/web)",
        "- paused by Kim",
        "**errors** rolls back by itself: `sum('x')` greater than 0.05",
        "slack #ops: held",
        "`gitops-rollback pause argocd/web --for 2h`",
    ):
        assert words in text
    assert all(f"## Page: {event}" in text for event in ADVICE)
