"""A question to a service as text: what is asked, and where is the number?"""

from __future__ import annotations

import pytest

from gitops_rollback.core.datadog_query import is_datadog
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.query_language import DATADOG, PROMQL, WEB, language_of
from gitops_rollback.core.web_query import errors, fill, parts

NAMES = {"SERVICE": "a/b c&d=é", "NAMESPACE": ".."}


def test_a_name_is_escaped_wherever_it_stands_and_cannot_climb() -> None:
    assert fill("/s/$SERVICE?q=${SERVICE} $.x", NAMES) == "/s/a%2Fb%20c%26d%3D%C3%A9?q=a%2Fb%20c%26d%3D%C3%A9 $.x"
    with pytest.raises(QueryInvalid, match="is no name"):
        fill("/s/$NAMESPACE $.x", NAMES)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("/s $", ()),
        ("/s?a=1 $.errors.rate-1m", ("errors", "rate-1m")),
        ("/s $[0]['a b'].c[12]", (0, "a b", "c", 12)),
    ],
)
def test_the_place_is_read_as_json_path_writes_it(query: str, place: tuple[str | int, ...]) -> None:
    assert parts(query)[1] == place


@pytest.mark.parametrize(
    "query",
    [
        *("/s", "/s .x", "/s $..x", "/s $.*", "/s $[-1]", "/s $[?(@.a)]", "/s $.x $.y"),
        *("//evil.example $.x", "/a/../b $.x", "/a#b $.x", "/s?q=$REGION $.x"),
    ],
)
def test_what_can_never_be_asked_is_told(query: str) -> None:
    assert errors(query)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (" /stats?s=$SERVICE $.x", WEB),
        ("sum:errors{service:$SERVICE}.as_rate()", DATADOG),
        ('sum:rule{service="$SERVICE"}', PROMQL),
        ("1 / up", PROMQL),
    ],
)
def test_a_text_says_by_itself_in_which_language_it_is(text: str, language: object) -> None:
    assert language_of(text) is language
    assert is_datadog(text) is (language is DATADOG)
