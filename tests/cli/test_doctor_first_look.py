"""`doctor` as somebody meets it who has just run `init`: what is not needed is no fault, and one cause is told once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from config_world import POLICY, Answer, World

Cli = Callable[..., Answer]
PATH = ".gitops-rollback/policies/payments-prod.yaml"
FIRST = POLICY.partition("  triggers:\n")[0] + (
    "  triggers:\n"
    "    - {name: engine-degraded, type: health, states: [Degraded], for: 3m, severity: log_only}\n"
    "    - {name: pods-do-not-come-up, type: crashLoop, severity: log_only}\n"
)


def findings(world: World, cli: Cli, policy: str) -> list[dict[str, object]]:
    world.commit({PATH: policy.encode()})
    return list(json.loads(cli("doctor", "--repo", world.url, "-o", "json").out))


def test_a_policy_that_asks_no_metric_store_needs_none(world: World, cli: Cli) -> None:
    (one,) = [one for one in findings(world, cli, FIRST) if str(one["part"]).startswith("metrics")]
    assert (one["checked"], one["well"]) == (False, True)
    assert "no trigger and no check needs a metric store" in str(one["message"])


@pytest.mark.parametrize(
    "policy",
    [POLICY, FIRST + "  verification: {checks: [{name: errors, type: prometheus, query: up, expect: {atLeast: 1}}]}\n"],
    ids=["a trigger", "a check"],
)
def test_one_that_asks_does(world: World, cli: Cli, policy: str) -> None:
    (one,) = [one for one in findings(world, cli, policy) if str(one["part"]).startswith("metrics")]
    assert (one["checked"], one["well"]) == (True, False)
    assert "PROMETHEUS_URL is not set" in str(one["message"])


def test_that_no_engine_is_named_is_told_once(world: World, cli: Cli) -> None:
    wrong = [str(one["message"]) for one in findings(world, cli, FIRST) if not one["well"]]
    assert len(wrong) == 1
    assert wrong[0].startswith("no engine: ")
