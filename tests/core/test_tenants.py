"""What one team's policies may reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_facts import a_policy, facts

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards import ask_guards
from gitops_rollback.core.guards.facts import CountedRollback, TenantBudget
from gitops_rollback.core.policy import Check, GuardResult, MetricSettings, Notification, Policy, Verification
from gitops_rollback.core.tenants import Tenancy, Tenant

PAYMENTS = Tenant(
    "payments", ".gitops-rollback/policies/payments/**", ("payments",), ("payments-*",), ("apps/payments/**",),
    ("payments-slack",), ("https://api.example.com",),
)  # fmt: skip
OFFERED = Notification(("*",), "webhook", "https://api.example.com/h", "payments-slack")
TENANCY = Tenancy((PAYMENTS,), lambda url: "/".join(url.split("/")[:3]))


def of_payments(**fields: object) -> Policy:
    return replace(a_policy(), path=".gitops-rollback/policies/payments/checkout.yaml", **fields)


def test_without_tenants_a_policy_reaches_everything() -> None:
    assert Tenancy().refusal(a_policy(), "anything", "anywhere") == ""


@pytest.mark.parametrize(
    ("policy", "project", "namespace", "why"),
    [
        pytest.param(of_payments(), "payments", "payments-prod", "", id="its-own"),
        pytest.param(of_payments(), "web", "payments-prod", "does not own", id="another-project"),
        pytest.param(of_payments(), "payments", "web", "does not own", id="another-namespace"),
        pytest.param(a_policy(), "payments", "payments-prod", "no tenant", id="a-policy-of-nobody"),
        pytest.param(
            of_payments(metrics=MetricSettings(secret="web-token")), "payments", "payments-prod", "secret", id="secret"
        ),
        pytest.param(
            of_payments(metrics=MetricSettings(url="https://evil.example.com/x")), "payments", "payments-prod",
            "evil", id="metric-origin",
        ),
        pytest.param(
            of_payments(verification=Verification(checks=(Check("c", "http", url="https://evil.example.com/health"),))),
            "payments", "payments-prod", "evil", id="check-origin",
        ),
        pytest.param(
            of_payments(notifications=(OFFERED,)),
            "payments", "payments-prod", "", id="offered-webhook",
        ),
        pytest.param(
            of_payments(notifications=(Notification(("*",), "pagerduty", secret=OFFERED.secret),)),
            "payments", "payments-prod", "events.pagerduty.com", id="the-address-of-a-service",
        ),
    ],
)  # fmt: skip
def test_a_policy_reaches_only_what_its_tenant_owns(policy: Policy, project: str, namespace: str, why: str) -> None:
    refusal = TENANCY.refusal(policy, project, namespace)
    assert (why in refusal) if why else refusal == ""


def test_files_of_others_are_named() -> None:
    assert TENANCY.foreign_paths(of_payments(), ("apps/payments/a.yaml", "apps/web/b.yaml")) == ("apps/web/b.yaml",)


def test_a_plan_that_changes_anothers_files_asks() -> None:
    answers = {one.guard: one for one in ask_guards(facts(foreign=("apps/web/b.yaml",)))}
    assert (answers["tenant"].result, answers["tenant"].reason) == (GuardResult.ASK, Reason.FOREIGN_TENANT)
    assert {one.guard: one for one in ask_guards(facts())}["tenant"].result is GuardResult.ALLOW


@pytest.mark.parametrize(("count", "result"), [(1, GuardResult.ALLOW), (2, GuardResult.ASK)])
def test_a_tenants_budget_counts_all_its_applications_and_nobody_elses(count: int, result: GuardResult) -> None:
    plain = facts()
    past = [CountedRollback(plain.now, (f"payments-{n}",), "elsewhere") for n in range(count)]
    past.append(CountedRollback(plain.now, ("web",), "elsewhere"))
    budget = TenantBudget("payments", 2, frozenset({"payments-0", "payments-1"}))
    found = {one.guard: one for one in ask_guards(facts(rollbacks=tuple(past), tenant=budget))}
    assert found["budgets"].result is result
