"""A trigger that compares with before acts only where it was right about the past, and as it was tested."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.clearance import clearance, cleared
from gitops_rollback.core.decision import Act, Case
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import ApplicationRef, Policy, Severity, Target, Trigger
from gitops_rollback.core.sync import ApplicationId, DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Phase, Tick, TriggerState, Verdict

APP = "default/Application/argocd/checkout"
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
RISE = Trigger("rise", "regression", Severity.AUTO_ROLLBACK, bad="bad", total="all")


def policy(*triggers: Trigger) -> Policy:
    return Policy(
        "p", "p.yaml", "a" * 40, (Target("checkout", "argocd", ApplicationRef("argocd", "checkout")),), triggers
    )


@pytest.mark.parametrize(
    ("application", "now", "names"),
    [
        pytest.param(APP, RISE, {"rise"}, id="as it was tested"),
        pytest.param(APP, replace(RISE, severity=Severity.LOG_ONLY), {"rise"}, id="another severity asks the same"),
        pytest.param(APP, replace(RISE, bad="worse"), set(), id="another query is another trigger"),
        pytest.param(f"{APP}-2", RISE, set(), id="another application"),
    ],
)
def test_what_was_clean_counts_for_this_application_and_this_question(
    application: str, now: Trigger, names: set[str]
) -> None:
    line = clearance(APP, policy(RISE), {"rise"}, "backtest --since 90d", NOW)
    assert line is not None
    assert cleared([line], application, policy(now)) == names
    assert line.revision == ""  # else it would tell what ran at that time


def test_there_is_nothing_to_clear_where_nothing_compares_or_it_has_judged_nothing() -> None:
    limit = Trigger("errors", "query")
    assert clearance(APP, policy(limit), {"errors"}, "backtest", NOW) is None
    assert clearance(APP, policy(RISE, limit), {"errors"}, "backtest", NOW) is None


def test_of_two_that_compare_only_the_one_that_judged_is_cleared() -> None:
    both = policy(RISE, replace(RISE, name="slower", bad="slow"))
    line = clearance(APP, both, {"slower"}, "report", NOW)
    assert line is not None
    assert cleared([line], APP, both) == {"slower"}


@pytest.mark.parametrize(
    ("names", "act", "reason"),
    [(frozenset({"rise"}), Act.ROLL_BACK, Reason.TRIGGER_FIRED), (frozenset(), Act.ASK, Reason.SUGGEST_ONLY)],
)
def test_until_then_it_suggests(names: frozenset[str], act: Act, reason: Reason) -> None:
    t0 = NOW - timedelta(minutes=5)
    state = TriggerState(Phase.FIRING, since=t0, last=Tick(NOW, Level.TRUE, 0.1), fired_at=NOW)
    verdict = Verdict("rise", Severity.AUTO_ROLLBACK, state, None, Baseline(BaselineLevel.QUIET), None)
    event = SyncEvent(
        ApplicationId("default", "Application", "argocd", "checkout"), DeploymentRecord(("b" * 40,), (), t0)
    )
    decision = alarm(Case(APP, policy(RISE), True, event, (verdict,), cleared=names), NOW)
    assert (decision.act, decision.reason) == (act, reason)
