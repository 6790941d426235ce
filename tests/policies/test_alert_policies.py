"""A trigger that names an alert: whose it must be, and when it may act."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.core.policy import AlertRule

EXAMPLE = (Path(__file__).parents[2] / "policies" / "alert.yaml").read_text()
LABELS = "{alertname: ErrorBudgetBurn, namespace: $NAMESPACE, service: $SERVICE}"


def test_the_example_acts_on_the_first_look() -> None:
    read = read_policy(EXAMPLE.encode(), "p.yaml", "r")
    assert not read.faults
    assert read.policy is not None
    trigger = read.policy.triggers[0]
    assert (read.policy.unbuilt, trigger.built, trigger.immediate) == ((), True, True)
    labels = (("alertname", "ErrorBudgetBurn"), ("namespace", "$NAMESPACE"), ("service", "$SERVICE"))
    assert trigger.alert == AlertRule(labels, timedelta(minutes=2))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (LABELS, "{service: $SERVICE}", "`labels` have no `alertname`"),
        (LABELS, "{alertname: A, service: $SERVCE}", "unknown variable"),
        (LABELS, "{}", "labels"),
        ("type: alert", "type: health", "`alert` does not belong to type"),
        ("severity: auto", "threshold: 3\n      severity: auto", "`threshold` does not belong"),
        ("        pendingFor: 2m ", "        # ", "nobody knows whether it began before the sync"),
    ],
)
def test_what_does_not_fit_is_told_where_it_stands(old: str, new: str, told: str) -> None:
    assert old in EXAMPLE
    assert any(told in str(fault) for fault in read_policy(EXAMPLE.replace(old, new).encode(), "p.yaml", "r").faults)


def test_without_a_check_nothing_would_show_that_it_is_well_again() -> None:
    errors = read_policy(EXAMPLE.partition("  verification:")[0].encode(), "p.yaml", "r").errors
    assert ["no limit that a rollback could be verified by" in str(error) for error in errors] == [True]


def test_with_several_targets_a_label_must_say_whose_it_is() -> None:
    other = "  targets:\n    - {name: shelf, application: {name: shelf}, data: {rollback: safe}}\n"
    alone = EXAMPLE.replace(LABELS, "{alertname: ErrorBudgetBurn}")
    assert not read_policy(alone.encode(), "p.yaml", "r").errors
    errors = read_policy(alone.replace("  targets:\n", other).encode(), "p.yaml", "r").errors
    assert ["this alert would be every target's" in str(error) for error in errors] == [True]
