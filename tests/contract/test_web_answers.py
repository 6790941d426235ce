"""What a service may answer, over real HTTP, and what it is worth to a trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from canned_http import Script, Server, canned, serving

from gitops_rollback.adapters.metrics.web import WebSettings, WebSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, ratio, single

AT = datetime(2026, 11, 23, 12, 0, 45, tzinfo=UTC)
PATIENCE = timedelta(seconds=5)
QUERY = "/stats?service=api $.rates[1].failed"
TOKEN = "canary-token-12"
DOWN, NOTHING = Reason.METRICS_UNAVAILABLE, Reason.NO_DATA


def source(server: Server, monotonic: float = 0.0) -> WebSource:
    rules = OriginRules.parse([], [server.url])
    return WebSource(WebSettings("web", f"{server.url}/api/", TOKEN, (("X-Team", "shop"),)), rules, lambda: monotonic)


def asked(script: Script, query: str = QUERY) -> Answer:
    with serving(script) as server:
        web = source(server)
        answer = web.query(query, AT, PATIENCE)
        web.close()
    return answer


def rates(value: str) -> bytes:
    return b'{"rates": [null, {"failed": ' + value.encode() + b"}]}"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("0.25", 0.25), ("3", 3.0), ("true", 1.0), ('"0.5"', 0.5), ('{"value": 7}', 7.0)),
        (f'{{"value": "7", "ts": {AT.timestamp() - 59}}}', 7.0),
    ],
)
def test_a_number_is_taken_in_each_of_its_forms(value: str, number: float) -> None:
    measured = single(asked(canned("200 OK", rates(value))))
    assert (measured.outcome, measured.value, measured.at) == (Outcome.VALUE, number, AT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("null", DOWN),
        ("[]", DOWN),
        ('"many"', DOWN),
        ('""', DOWN),
        ("NaN", DOWN),
        ('"NaN"', NOTHING),
        ("1e999", NOTHING),
        ("9" * 400, DOWN),
        ('{"count": 3}', DOWN),
        (f'{{"value": 7, "ts": {AT.timestamp() - 61}}}', DOWN),
        ('{"value": 7, "ts": "now"}', DOWN),
    ],
)
def test_what_is_no_number_of_now_is_no_data(value: str, reason: Reason) -> None:
    measured = single(asked(canned("200 OK", rates(value))))
    assert (measured.value, measured.reason) == (None, reason)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        ("200 OK", b'{"rates": []}', DOWN),
        ("200 OK", b"<html>", DOWN),
        ("200 OK", b"", DOWN),
        ("204 No Content", b"", DOWN),
        ("404 Not Found", b"{}", DOWN),
        ("500 Internal Server Error", rates("0"), DOWN),
        ("401 Unauthorized", rates("0"), Reason.CREDENTIALS_REJECTED),
        ("429 Too Many Requests", rates("0"), Reason.QUERY_BUDGET),
    ],
)
def test_another_answer_is_an_error_and_never_a_number(status: str, body: bytes, reason: Reason) -> None:
    answer = asked(canned(status, body))
    assert (answer.outcome, answer.reason) == (Outcome.ERROR, reason)
    assert TOKEN not in answer.detail


def test_a_missing_count_of_bad_ones_is_no_true_zero() -> None:
    bad, total = asked(canned("200 OK", rates("null"))), asked(canned("200 OK", rates("10")))
    assert ratio(bad, total).outcome is Outcome.ERROR


def test_the_path_follows_the_address_with_token_and_headers() -> None:
    with serving(canned("200 OK", rates("1"))) as server:
        web = source(server)
        web.query(QUERY, AT, PATIENCE)
        web.close()
    request = server.requests[0]
    assert request.line == "GET /api/stats?service=api HTTP/1.1"
    assert (request.headers["authorization"], request.headers["x-team"]) == (f"Bearer {TOKEN}", "shop")


def test_after_429_nothing_is_sent_for_as_long_as_was_said() -> None:
    with serving(canned("429 Too Many Requests", b"", "Retry-After: 30")) as server:
        web = source(server)
        answers = [web.query(QUERY, AT, PATIENCE) for _ in range(2)]
        web.close()
    assert [answer.reason for answer in answers] == [Reason.QUERY_BUDGET] * 2
    assert len(server.requests) == 1
    assert "again in 30 s" in answers[1].detail


def test_of_the_past_it_says_nothing() -> None:
    with serving(canned("200 OK", rates("1"))) as server:
        web = source(server)
        answer = web.query_range(QUERY, AT - timedelta(minutes=5), AT, timedelta(seconds=15), PATIENCE)
        web.close()
    assert (answer.outcome, answer.series, server.requests) == (Outcome.VALUE, (), [])
