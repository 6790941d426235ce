"""A policy whose numbers come from any service: what it needs, and what it may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.core.policy import Severity

EXAMPLE = (Path(__file__).parents[2] / "policies" / "web.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("provider: web", "provider: prometheus", "this is a web query"),
        ("provider: web", "provider: datadog", "this is no Datadog query"),
        ("    url: https://quality.example.com/api\n", "", "web needs `url`"),
        ("'/stats?service=$SERVICE $.requests.per_second'", "up", "this is no web query"),
        (" $.requests.per_second", "", "no path and place"),
        ("$.last_minute[0].count", "$..count", "no path and place"),
        ("service=$SERVICE $.requests.per", "service=$SERVCE $.requests.per", "unknown variable"),
        ("page_and_suggest", "auto_rollback", "nobody can ask it what was before a sync"),
    ],
)
def test_what_does_not_fit_is_told_where_it_stands(old: str, new: str, told: str) -> None:
    assert old in EXAMPLE
    assert any(told in str(fault) for fault in read_policy(EXAMPLE.replace(old, new).encode(), "p.yaml", "r").faults)


def test_the_example_has_no_fault_and_suggests_whatever_is_written() -> None:
    read = read_policy(EXAMPLE.encode(), "p.yaml", "r")
    assert (read.faults, read.policy is not None and read.policy.unbuilt) == ((), ())
    read = read_policy(EXAMPLE.replace("page_and_suggest", "auto_rollback").encode(), "p.yaml", "r")
    assert read.policy is not None
    assert read.policy.triggers[0].severity is Severity.PAGE_AND_SUGGEST
