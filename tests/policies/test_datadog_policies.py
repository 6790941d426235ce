"""A policy whose metrics come from Datadog: what it needs, and what it may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.core.policy import Severity

EXAMPLE = (Path(__file__).parents[2] / "policies" / "datadog.yaml").read_text()
APPLICATION_KEY = ", applicationKeyRef: {name: datadog-application-key}"


def messages(text: str) -> list[str]:
    return [str(fault) for fault in read_policy(text.encode(), "p.yaml", "r").faults]


def test_the_example_names_both_keys_and_has_no_fault() -> None:
    read = read_policy(EXAMPLE.encode(), "p.yaml", "r")
    assert not read.faults
    assert read.policy is not None
    metrics = read.policy.metrics
    assert (metrics.provider, metrics.url) == ("datadog", "https://api.datadoghq.eu")
    assert (metrics.secret, metrics.application_secret) == ("datadog-api-key", "datadog-application-key")
    assert read.policy.unbuilt == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("provider: datadog", "provider: dog", "datadog"),
        ("provider: datadog", "provider: prometheus", "the provider speaks PromQL"),
        ("    url: https://api.datadoghq.eu\n", "", "datadog needs `url`"),
        (APPLICATION_KEY, "", "datadog needs `auth.applicationKeyRef`"),
        ("    provider: datadog\n", "    provider: datadog\n    tenant: shop\n", "datadog takes no `tenant`"),
        ("sum:trace.http.request.hits{env:prod,service:$SERVICE}.as_rate()", "up", "no Datadog query"),
        ("hits{env:prod,service:$SERVICE}.as_rate()", "hits{env:prod,service:$SERVICE}.as_count()", "not per second"),
    ],
)
def test_what_does_not_fit_is_told_where_it_stands(old: str, new: str, told: str) -> None:
    assert old in EXAMPLE
    assert any(told in message for message in messages(EXAMPLE.replace(old, new)))


def test_a_datadog_trigger_suggests_whatever_is_written() -> None:
    read = read_policy(EXAMPLE.replace("page_and_suggest", "auto_rollback").encode(), "p.yaml", "r")
    assert read.policy is not None
    assert {trigger.severity for trigger in read.policy.triggers} == {Severity.PAGE_AND_SUGGEST}
    assert any("points come late" in str(fault) for fault in read.faults)
