"""A real Prometheus: each part of what one query answers for many is what that application alone would be answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_process import Counter, Written, running, write_history

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.grouping import grouping_of
from gitops_rollback.core.measurement import Outcome, Series
from gitops_rollback.core.query import render

AT = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
PATIENCE = timedelta(seconds=30)
SERVICES = ("api", "api-gateway", "api.v2", "a|b", 'q"uote', "back\\slash", "no(series")
NAMESPACES = ("shop", "pay")
SELECTED = '{namespace="$NAMESPACE",service="$SERVICE"}'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusSource]:
    folder = tmp_path_factory.mktemp("grouping")
    write_history(folder, list(series()), AT - timedelta(minutes=10), AT + timedelta(minutes=1))
    with running(folder) as url:
        found = PrometheusSource(PrometheusSettings("real", url), OriginRules.parse([], [url]))
        yield found
        found.close()


def series() -> Iterator[Written]:
    """Each service with a pace of its own; one has no errors yet, one runs in one namespace alone, one has nothing."""
    for number, service in enumerate(SERVICES[:-1], 1):
        escaped = service.replace("\\", "\\\\").replace('"', '\\"')
        for namespace in NAMESPACES[: 1 if service == "a|b" else 2]:
            for pod in ("x", "y"):
                labels = f'namespace="{namespace}",service="{escaped}",pod="{pod}"'
                pace = number * (1 if namespace == "shop" else 10)
                yield Written("requests_total", f'{labels},code="200"', counting(pace))
                if service != "api.v2":
                    yield Written("requests_total", f'{labels},code="500"', counting(pace / 100))
                for bound, share in (("0.1", 0.5), ("0.5", 0.9), ("+Inf", 1.0)):
                    yield Written("seconds_bucket", f'{labels},le="{bound}"', counting(pace * share))
                yield Written("depth", labels, lambda _at, pace=pace: float(pace))


def counting(per_second: float) -> Counter:
    return lambda at: (at - AT + timedelta(hours=1)).total_seconds() * per_second


@pytest.mark.parametrize(
    "template",
    [
        f"sum(rate(requests_total{SELECTED}[2m]))",
        f'sum(rate(requests_total{SELECTED[:-1]},code=~"5.."}}[2m]))',
        f"requests_total{SELECTED}",
        f'sum(rate(requests_total{SELECTED[:-1]},code="500"}}[2m])) / sum(rate(requests_total{SELECTED}[2m])) > 0.005',
        f"histogram_quantile(0.9, sum by (le) (rate(seconds_bucket{SELECTED}[5m])))",
        f"max by (pod) (depth{SELECTED}) - min(depth{SELECTED}) by (pod)",
        f"avg without (pod) (depth{SELECTED})",
        f"max_over_time(sum(rate(requests_total{SELECTED}[1m]))[3m:15s])",
        f"time() - max(timestamp(depth{SELECTED}))",
        f"requests_total{SELECTED} and depth{SELECTED} or requests_total{SELECTED}",
    ],
)
def test_each_part_is_what_that_application_alone_is_answered(source: PrometheusSource, template: str) -> None:
    grouping = grouping_of(template)
    assert grouping is not None
    keys = [(namespace, service) for namespace in NAMESPACES for service in SERVICES]
    for expression in (grouping.expression(keys), grouping.everything()):
        together = source.query(expression, AT, PATIENCE)
        assert together.outcome is Outcome.VALUE, together.detail
        parts = grouping.parts(together)
        assert parts is not None
        for namespace, service in keys:
            single = source.query(render(template, {"NAMESPACE": namespace, "SERVICE": service}), AT, PATIENCE)
            assert ordered(parts.get((namespace, service), ())) == ordered(single.series), (namespace, service)


def ordered(found: tuple[Series, ...]) -> list[Series]:
    """Without the last digits, in which a sum over pods may differ with their order."""
    rounded = [one._replace(samples=tuple((at, round(value, 9)) for at, value in one.samples)) for one in found]
    return sorted(rounded, key=lambda one: one.labels)
