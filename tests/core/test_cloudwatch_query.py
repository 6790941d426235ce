"""A CloudWatch query: what is one, and where may a name stand in it?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from gitops_rollback.core.cloudwatch_query import EXAMPLE, bucket, errors, fill, is_rate, look_back
from gitops_rollback.core.query_language import CLOUDWATCH, DATADOG, PROMQL, WEB, language_of

SEARCH = """SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors" FunctionName="$SERVICE"', 'Sum', 60)"""


@pytest.mark.parametrize(
    "template", [EXAMPLE, SEARCH, f"SUM({SEARCH})", f"SUM({SEARCH}) / 60", f"{EXAMPLE} GROUP BY Az"]
)
def test_both_languages_of_cloudwatch_are_known_and_may_be_asked(template: str) -> None:
    assert language_of(template) is CLOUDWATCH
    assert errors(template) == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [("sum(x)", PROMQL), ("select_total", PROMQL), ("search{a='b'}", PROMQL), ("sum:a{b:c}", DATADOG), ("/a $.b", WEB)],
)
def test_nothing_else_is_taken_for_one(text: str, language: object) -> None:
    assert language_of(text) is language


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(EXAMPLE.replace("'$SERVICE'", "$SERVICE"), id="a-name-without-quotes"),
        pytest.param(SEARCH.replace('"$SERVICE"', "$SERVICE"), id="a-name-that-matches-by-words"),
        pytest.param(SEARCH.replace("60", "90"), id="no-whole-minutes"),
        pytest.param(SEARCH.replace("60", "7200"), id="longer-than-an-hour"),
        pytest.param(f"SUM({SEARCH}", id="not-closed"),
        pytest.param(f"FILL({SEARCH}, 0)", id="fills-gaps-with-zeros"),
        pytest.param(f"SUM(FILL({SEARCH}, 0))", id="fills-gaps-inside"),
        pytest.param(f"{EXAMPLE}; DROP TABLE x", id="a-second-statement"),
        pytest.param("SELECT 1", id="no-metric"),
        pytest.param(EXAMPLE.replace("SERVICE", "SERVCE"), id="an-unknown-variable"),
        pytest.param(EXAMPLE + " " * 10_000, id="too-long"),
    ],
)
def test_what_shows_something_else_than_asked_may_not_be_asked(template: str) -> None:
    assert errors(template) or language_of(template) is not CLOUDWATCH


@pytest.mark.parametrize("value", ["a' OR FunctionName = 'b", 'a" FunctionName="b', "", "a b", "*"])
def test_a_name_stays_a_name(value: str) -> None:
    with pytest.raises(Exception, match="value"):
        fill(EXAMPLE, {"SERVICE": value})


def test_what_it_looks_back_is_two_periods_and_what_it_waits_for() -> None:
    filled = fill(SEARCH.replace("60", "300"), {"SERVICE": "api"})
    assert (bucket(filled), look_back(filled)) == (timedelta(minutes=5), timedelta(minutes=12))


def test_only_a_divided_count_is_per_second() -> None:
    assert [is_rate(one) for one in (SEARCH, f"{SEARCH} / 60", EXAMPLE)] == [False, True, False]
