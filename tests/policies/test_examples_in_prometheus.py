"""The example triggers in Prometheus' own engine: each shows the value that its threshold is meant for.

Source: promtool `test rules` (Debian package prometheus), which evaluates with the server's query engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.core.policy import Policy, Trigger
from gitops_rollback.core.query import render, variables_of

EXAMPLES = Path(__file__).resolve().parents[2] / "policies"
RESTARTS = 'kube_pod_container_status_restarts_total{namespace="shop",pod="%s",container="c"}'
LATENCY = 'http_request_duration_seconds_bucket{service="search",le="%s"}'
REQUESTS = 'http_requests_total{service="%s",status="%s"}'

# Counters that grow by so much a minute, and what each query then answers.
BAD_RELEASE = {
    REQUESTS % ("checkout-api", "200"): 90,
    REQUESTS % ("checkout-api", "500"): 10,
    REQUESTS % ("ledger-api", "200"): 97,
    REQUESTS % ("ledger-api", "503"): 3,
    RESTARTS % "cart-7d9f8c6b5-abcde": 1,
    RESTARTS % "cart-gateway-7d9f8c6b5-abcde": 50,
    LATENCY % "1": 50,
    LATENCY % "5": 100,
    LATENCY % "+Inf": 100,
}
QUIET = {
    REQUESTS % ("checkout-api", "200"): 100,
    REQUESTS % ("ledger-api", "200"): 100,
    REQUESTS % ("ledger-api", "503"): 1,
    RESTARTS % "cart-7d9f8c6b5-abcde": 0,
    LATENCY % "1": 100,
    LATENCY % "5": 100,
    LATENCY % "+Inf": 100,
}
CASES = [
    pytest.param("error-rate.yaml", BAD_RELEASE, {"bad": 10 / 60, "total": 100 / 60}, id="error-rate-fires"),
    pytest.param("error-rate.yaml", QUIET, {"bad": None, "total": 100 / 60}, id="no-error-is-a-true-zero"),
    pytest.param("burn-rate.yaml", BAD_RELEASE, {"bad": 3 / 60, "total": 100 / 60}, id="burn-rate-fires"),
    pytest.param("burn-rate.yaml", QUIET, {"bad": None, "total": 101 / 60}, id="a-fine-hour-is-a-true-zero"),
    pytest.param("crash-loop.yaml", BAD_RELEASE, {"query": 5}, id="crash-loop-fires-without-the-gateways-restarts"),
    pytest.param("crash-loop.yaml", QUIET, {"query": 0}, id="no-restart"),
    pytest.param("latency.yaml", BAD_RELEASE, {"query": 4.92}, id="latency-fires"),
    pytest.param("latency.yaml", QUIET, {"query": 0.99}, id="fast-enough"),
]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("promtool is missing: install Debian's prometheus")
    if found is None:
        pytest.skip("promtool is not installed")
    return found


def example(name: str) -> Policy:
    return read_policy((EXAMPLES / name).read_bytes(), name, "c" * 40).wanted(name)


def template(trigger: Trigger, key: str) -> str:
    return {"query": trigger.query, "bad": trigger.bad, "total": trigger.total}[key]


def run(arguments: list[str], directory: Path) -> None:
    done = subprocess.run(arguments, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "counters", "answers"), CASES)
def test_each_example_shows_what_its_threshold_is_meant_for(
    promtool: str, tmp_path: Path, name: str, counters: dict[str, int], answers: dict[str, float | None]
) -> None:
    policy = example(name)
    filled = {key: render(template(policy.triggers[0], key), variables_of(policy.targets[0])) for key in answers}
    rules = [{"record": f"answer:{key}", "expr": query} for key, query in filled.items()]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "examples", "rules": rules}]}))
    series = [{"series": one, "values": f"0+{growth}x100"} for one, growth in counters.items()]
    expected = [
        {"expr": f"answer:{key}", "eval_time": "90m", "exp_samples": samples(key, value)}
        for key, value in answers.items()
    ]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": expected}]
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    run([promtool, "test", "rules", "test.yaml"], tmp_path)


def samples(key: str, value: float | None) -> list[dict[str, object]]:
    return [] if value is None else [{"labels": f'{{__name__="answer:{key}"}}', "value": value}]


def test_prometheus_reads_a_hostile_name_as_one_value_in_every_kind_of_string(promtool: str, tmp_path: Path) -> None:
    hostile = {"SERVICE": "a\"} or vector(1) #\\.*|'"}
    queries = [f"x{{a{operator}{quote}$SERVICE{quote}}}" for operator in ("=", "=~", "!~") for quote in "\"'`"]
    rules = [{"record": f"answer:{n}", "expr": render(query, hostile)} for n, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "hostile", "rules": rules}]}))
    run([promtool, "check", "rules", "rules.yaml"], tmp_path)
