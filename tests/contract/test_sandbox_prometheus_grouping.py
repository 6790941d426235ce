"""The sandbox answers a query that groups by names as it answers for each of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.grouping import grouping_of
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.services import Service

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEMPLATE = 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[2m]))'


def test_each_name_has_its_own_part_of_the_answer_and_a_stranger_none() -> None:
    sandbox = PrometheusSandbox(ScaledClock())
    sandbox.start()
    for name in ("web", "check-out.api"):
        Service(name, "shop").publish(sandbox)
    source = PrometheusSource(PrometheusSettings("prom", sandbox.url), OriginRules.parse([], [sandbox.url]))
    grouping = grouping_of(TEMPLATE)
    assert grouping is not None
    answer = source.query(grouping.expression([("web",), ("check-out.api",), ("till",)]), AT, timedelta(seconds=5))
    source.close()
    sandbox.stop()

    assert set(grouping.parts(answer) or ()) == {("web",), ("check-out.api",)}
    assert {round(one.samples[-1][1], 6) for one in answer.series} == {0.12}
