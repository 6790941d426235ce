"""Do the dashboard and the alert rules in `deploy/observability` ask for what the controller shows?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from gitops_rollback.app.health import Health, Metrics
from gitops_rollback.core.rollback import Phase

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "observability"
DASHBOARD = json.loads((SHIPPED / "grafana-dashboard.json").read_text())
RULES = [
    rule for group in yaml.safe_load((SHIPPED / "alert-rules.yaml").read_text())["groups"] for rule in group["rules"]
]
VARIABLES = {"$__rate_interval": "5m", "$__range": "24h", "$repository": "x", "$application": "x"}
PROMISED = {
    "gitops_rollback_total": {"application", "strategy", "outcome", "initiator"},
    "gitops_rollback_decisions_total": {"application", "action", "reason"},
    "gitops_rollback_phase_duration_seconds_bucket": {"phase", "le"},
    "gitops_rollback_time_to_restore_seconds_bucket": {"le"},
    "gitops_rollback_trigger_state": {"application", "trigger"},
    "gitops_rollback_trigger_value": {"application", "trigger"},
    "gitops_rollback_guard_decisions_total": {"guard", "result"},
    "gitops_rollback_forge_requests_total": {"forge", "operation", "code"},
    "gitops_rollback_forge_rate_limit_remaining": {"forge"},
    "gitops_rollback_engine_last_event_timestamp_seconds": {"engine"},
    "gitops_rollback_policies": {"repository", "state"},
    "gitops_rollback_leader": {"repository"},
}


def shown() -> dict[str, set[str]]:
    """Each sample that the controller can show, with its labels."""
    health = Health()
    health.report("a part", True, "well")
    metrics = Metrics(health)
    for made in vars(metrics).values():
        if isinstance(made, MetricWrapperBase) and made._labelnames:
            made.labels(*(name for name in made._labelnames))
    return {sample.name: set(sample.labels) for family in metrics.registry.collect() for sample in family.samples}


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
        return
    for name in ("expr", "lhs", "rhs", "param", "vector_selector", "args"):
        child = getattr(node, name, None)
        for one in child if isinstance(child, list) else [child]:
            if one is not None:
                yield from selectors(one)


def asked() -> list[tuple[str, str]]:
    """Where each expression stands, and the expression."""
    found = [(rule["alert"], rule["expr"]) for rule in RULES]
    for panel in DASHBOARD["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel["targets"]]
    found += [(one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"]]
    return found


def test_all_that_is_promised_is_shown_with_its_labels() -> None:
    real = shown()
    assert {name: real.get(name) for name in PROMISED} == PROMISED


@pytest.mark.parametrize(("where", "expression"), asked(), ids=[name for name, _ in asked()])
def test_each_expression_asks_for_what_there_is(where: str, expression: str) -> None:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    found, real = list(selectors(promql_parser.parse(expression))), shown()
    assert found
    for one in found:
        wanted = {matcher.name for matcher in one.matchers.matchers}
        assert one.name in real
        assert wanted <= real[one.name]
    for named in re.findall(r"by \(([^)]*)\)", expression):
        assert set(named.replace(" ", "").split(",")) <= set.union(*(real[one.name] for one in found))


def test_the_labels_in_words_are_those_of_the_expression() -> None:
    for rule in RULES:
        used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        known = set.union(*(shown()[one.name] for one in selectors(promql_parser.parse(rule["expr"]))))
        assert used <= known, rule["alert"]


def test_every_metric_is_on_the_dashboard() -> None:
    """But for those that only add up what others say, and the times at which each was made."""
    text = json.dumps(DASHBOARD)
    missing = {name for name in shown() if name not in text and not re.search(r"_(created|sum|count)$", name)}
    assert missing == {"gitops_rollback_heartbeat_success", "gitops_rollback_heartbeat_timestamp_seconds"}


def test_each_phase_that_is_not_the_end_has_its_number() -> None:
    metrics = Metrics()
    metrics.under_way("shop/config", ())
    for phase in set(Phase) - {Phase.DONE}:
        labels = {"repository": "shop/config", "phase": phase.value}
        assert metrics.registry.get_sample_value("gitops_rollback_open_rollbacks", labels) == 0


def test_prometheus_takes_the_rules_and_each_alert_tells_in_time(tmp_path: Path) -> None:
    if shutil.which("promtool") is None and not os.environ.get("CI"):
        pytest.skip("promtool is not installed")
    shutil.copy(SHIPPED / "alert-rules.yaml", tmp_path)
    written = Path(__file__).parent / "alert_rules_test.yaml"
    tests = shutil.copy(written, tmp_path)
    for command in (("check", "rules", tmp_path / "alert-rules.yaml"), ("test", "rules", tests)):
        run = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    told = {rule["alert"] for rule in RULES}
    assert told == set(re.findall(r'alertname="(\w+)"', written.read_text()))
