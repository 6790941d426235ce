"""Is a text a Datadog query that shows the instant that is asked for, and whose name does it select?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from gitops_rollback.core.datadog_query import bucket, errors, fill, is_datadog, look_back
from gitops_rollback.core.errors import QueryInvalid

GOOD = "sum:trace.http.request.errors{env:prod,service:$SERVICE}"


@pytest.mark.parametrize(
    "text",
    [GOOD, "avg:system.cpu.user{*}", "p95:trace.http.request{service:${SERVICE}} by {env}", f" {GOOD}.as_rate()"],
)
def test_one_metric_with_its_scope_can_be_asked(text: str) -> None:
    assert is_datadog(text)
    assert errors(text) == ()


@pytest.mark.parametrize("text", ["up", 'sum:rule{job="a"}', "sum:rule{}", "sum(rate(x[2m]))", "vector(1)", "sum:rule"])
def test_promql_is_none_even_where_a_recording_rule_begins_alike(text: str) -> None:
    assert not is_datadog(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{GOOD}.moving_rollup(sum, 300)", "moving_rollup"),
        (f"{GOOD}.fill(zero)", "fill"),
        (f"default_zero({GOOD})", "not one Datadog metric"),
        (f"{GOOD} / {GOOD}", "not one Datadog metric"),
        (f"{GOOD}.rollup(sum, 86400)", "between 15 s and 3600 s"),
        (f"{GOOD}.rollup(sum, 0)", "between 15 s and 3600 s"),
        (f"{GOOD}.rollup(median, 60)", "a rollup is like"),
        ("sum:errors{service:$SERVCE}", "unknown variable $SERVCE"),
        ("sum:errors{service:$SERVICE*}", "also selects longer names"),
        ("sum:errors{service:*${SERVICE}}", "also selects longer names"),
    ],
)
def test_what_would_show_something_else_is_refused(text: str, why: str) -> None:
    assert why in errors(text)[0]


def test_a_name_is_data_and_widens_no_scope() -> None:
    assert fill(GOOD, {"SERVICE": "checkout-api"}).endswith("service:checkout-api}")
    for value in ("a,env:dev", "a}", "*", "a OR b", ""):
        with pytest.raises(QueryInvalid):
            fill(GOOD, {"SERVICE": value})


def test_how_far_back_it_reads_is_two_buckets_and_their_arrival() -> None:
    assert bucket("sum:a{*}") == timedelta(minutes=1)
    assert bucket("sum:a{*}.rollup(sum, 15)") == timedelta(seconds=15)
    assert look_back("sum:a{*}.rollup(max, 300)") == timedelta(minutes=10, seconds=30)
