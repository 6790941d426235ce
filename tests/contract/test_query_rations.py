"""One tenant's queries never use up another's, and each is counted with its source and its tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.metrics.rationed import QueryRations
from gitops_rollback.app.health import Metrics
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.tenants import Tenancy, Tenant
from gitops_rollback.ports import MetricSource

AT = datetime(2026, 5, 1, tzinfo=UTC)
TEAMS = Tenancy((Tenant("shop", "policies/shop/**"), Tenant("pay", "policies/pay/**")))
SOON = timedelta(milliseconds=1)


class Backend:
    """Answers everything, and remembers what it was asked."""

    name = "prometheus"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        self.asked.append(expression)
        return Answer(Outcome.VALUE, at, expression)

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        self.asked.append(expression)
        return Answer(Outcome.VALUE, end, expression)


def policy_of(team: str) -> Policy:
    return Policy(name=team, path=f"policies/{team}/web.yaml", revision="", targets=(), triggers=())


def test_a_tenant_that_asks_too_much_is_told_so_and_others_are_not_held_up() -> None:
    backend, metrics = Backend(), Metrics()
    rations = QueryRations(TEAMS, {"shop": 2}, metrics.queried)
    shop, pay = rations.of(policy_of("shop"), backend), rations.of(policy_of("pay"), backend)
    assert [ask(shop, text) for text in ("a", "b", "c")] == [None, None, Reason.QUERY_BUDGET]
    assert shop.query_range("d", AT, AT, SOON, SOON).reason is Reason.QUERY_BUDGET
    assert ask(pay, "e") is None
    assert backend.asked == ["a", "b", "e"]
    assert counted(metrics, "shop") == 2
    assert counted(metrics, "pay") == 1


def test_a_limit_holds_over_all_policies_of_the_tenant() -> None:
    rations = QueryRations(TEAMS, {"shop": 1}, Metrics().queried)
    assert ask(rations.of(policy_of("shop"), Backend()), "a") is None
    assert ask(rations.of(policy_of("shop"), Backend()), "a") is Reason.QUERY_BUDGET


def test_without_tenants_all_is_counted_and_nothing_is_refused() -> None:
    metrics = Metrics()
    source = QueryRations(Tenancy(), {}, metrics.queried).of(policy_of("shop"), Backend())
    assert [ask(source, "a") for _ in range(3)] == [None, None, None]
    assert counted(metrics, "") == 3


def ask(source: MetricSource, expression: str) -> Reason | None:
    return source.query(expression, AT, SOON).reason


def counted(metrics: Metrics, tenant: str) -> float | None:
    return metrics.registry.get_sample_value(
        "gitops_rollback_queries_total", {"source": "prometheus", "tenant": tenant}
    )
