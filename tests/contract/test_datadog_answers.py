"""What Datadog may answer, over real HTTP, and what it is worth to a trigger.

The good answer is one that Datadog gave to its own clients' tests (`timeseries_response`), with other numbers.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from canned_http import Script, Server, canned, serving

from gitops_rollback.adapters.metrics.datadog import DatadogSettings, DatadogSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Outcome, ratio, single

AT = datetime(2026, 11, 23, 12, 0, 45, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEWEST = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)  # over at 12:00:00, and 30 s to arrive
PATIENCE = timedelta(seconds=5)
QUERY = "sum:trace.http.request.errors{service:checkout-api}.as_rate()"
API_KEY, APPLICATION_KEY = "canary-api-key-77", "canary-application-key-91"
NONE, FAIL, BAD = Outcome.NO_DATA, Outcome.ERROR, Outcome.INVALID
DOWN, WRONG, SPENT = Reason.METRICS_UNAVAILABLE, Reason.QUERY_INVALID, Reason.QUERY_BUDGET


class Hours:
    """Real time, as a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def source(server: Server, monotonic: Hours | None = None) -> DatadogSource:
    settings = DatadogSettings("datadog", server.url, API_KEY, APPLICATION_KEY)
    return DatadogSource(settings, OriginRules.parse([], [server.url]), monotonic or Hours())


def asked(script: Script, query: str = QUERY) -> Answer:
    with serving(script) as server:
        datadog = source(server)
        answer = datadog.query(query, AT, PATIENCE)
        datadog.close()
    return answer


def sent(script: Script) -> list[bytes]:
    """What one query sends."""
    with serving(script) as server:
        datadog = source(server)
        datadog.query(QUERY, AT, PATIENCE)
        datadog.close()
    return [request.body for request in server.requests]


def milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000


def body(times: list[datetime], *rows: list[object], tags: list[list[str]] | None = None, **more: object) -> bytes:
    series = [{"group_tags": (tags or [[]] * len(rows))[n], "query_index": 0, "unit": None} for n in range(len(rows))]
    attributes = {"series": series, "times": [milliseconds(at) for at in times], "values": rows}
    return json.dumps({"data": {"id": "0", "type": "timeseries_response", "attributes": attributes}, **more}).encode()


def ok(content: bytes) -> Script:
    return canned("200 OK", content, "Content-Type: application/vnd.api+json")


def number(value: object) -> bytes:
    return body([NEWEST], [value])


TWO = body([NEWEST], [1], [2], tags=[["pod:a"], ["pod:b"]])
TWINS = body([NEWEST], [1], [2], tags=[["pod:a"], ["pod:a"]])
REFUSED = b'{"errors":["API input validation failed: Invalid type. Expected \\"timeseries_request\\"."]}'

WORTHLESS = [
    pytest.param(ok(body([])), NONE, Reason.NO_DATA, id="no-series"),
    pytest.param(ok(number(None)), NONE, Reason.NO_DATA, id="null"),
    pytest.param(ok(number(1e400).replace(b"Infinity", b"1e400")), NONE, Reason.NO_DATA, id="too-large-for-a-float"),
    pytest.param(ok(number("5")), FAIL, DOWN, id="a-text"),
    pytest.param(ok(number(True)), FAIL, DOWN, id="a-boolean"),
    pytest.param(ok(number(10**400)), FAIL, DOWN, id="four-hundred-digits"),
    pytest.param(ok(number(5).replace(b"[[5]]", b"[[NaN]]")), FAIL, DOWN, id="bare-nan"),
    pytest.param(ok(TWO), BAD, WRONG, id="two-series"),
    pytest.param(ok(TWINS), FAIL, DOWN, id="two-series-of-the-same-tags"),
    pytest.param(ok(body([NEWEST - MINUTE], [5])), FAIL, DOWN, id="an-older-bucket"),
    pytest.param(ok(body([NEWEST + MINUTE], [5])), FAIL, DOWN, id="the-bucket-that-still-grows"),
    pytest.param(ok(body([NEWEST + MINUTE / 2], [5])), FAIL, DOWN, id="another-interval-than-asked"),
    pytest.param(ok(body([NEWEST], [5, 6])), FAIL, DOWN, id="more-values-than-times"),
    pytest.param(ok(body([NEWEST], [5], errors="one shard failed")), FAIL, DOWN, id="partial"),
    pytest.param(ok(number(5).replace(b"timeseries_r", b"scalar_r")), FAIL, DOWN, id="another-kind-of-answer"),
    pytest.param(ok(b"{}"), FAIL, DOWN, id="no-data"),
    pytest.param(ok(b"<html>Please log in"), FAIL, DOWN, id="a-login-page"),
    pytest.param(ok(b" " * (17 << 20)), FAIL, DOWN, id="huge"),
    pytest.param(canned("301 Moved Permanently", b"", "Location: http://169.254.169.254/"), FAIL, DOWN, id="redirect"),
    pytest.param(canned("202 Accepted", number(5)), FAIL, DOWN, id="202"),
    pytest.param(canned("400 Bad Request", REFUSED), BAD, WRONG, id="400"),
    pytest.param(canned("400 Bad Request", b"<html>nginx"), FAIL, DOWN, id="400-of-a-proxy-blames-no-query"),
    pytest.param(canned("401 Unauthorized", b""), FAIL, Reason.CREDENTIALS_REJECTED, id="401"),
    pytest.param(canned("403 Forbidden", b'{"errors":["Forbidden"]}'), FAIL, Reason.CREDENTIALS_REJECTED, id="403"),
    pytest.param(canned("404 Not Found", b""), FAIL, DOWN, id="404"),
    pytest.param(canned("429 Too Many Requests", b""), FAIL, SPENT, id="429"),
    pytest.param(canned("503 Service Unavailable", number(5)), FAIL, DOWN, id="503-with-a-good-body"),
    pytest.param(lambda connection, _request: None, FAIL, DOWN, id="hangs-up"),
]


@pytest.mark.parametrize(("script", "outcome", "reason"), WORTHLESS)
def test_nothing_but_one_good_number_is_a_number(script: Script, outcome: Outcome, reason: Reason) -> None:
    measured = single(asked(script))
    assert (measured.outcome, measured.reason, measured.value) == (outcome, reason, None)
    assert measured.detail


def test_the_newest_whole_bucket_is_asked_for_and_no_other() -> None:
    with serving(ok(number(0.25))) as server:
        datadog = source(server)
        assert single(datadog.query(QUERY, AT, PATIENCE)).value == 0.25
        datadog.close()
    (request,) = server.requests
    assert request.line.startswith("POST /api/v2/query/timeseries ")
    assert (request.headers["dd-api-key"], request.headers["dd-application-key"]) == (API_KEY, APPLICATION_KEY)
    assert json.loads(request.body)["data"] == {
        "type": "timeseries_request",
        "attributes": {
            "from": milliseconds(NEWEST),
            "to": milliseconds(NEWEST + MINUTE),
            "interval": 60_000,
            "queries": [{"data_source": "metrics", "name": "a", "query": QUERY}],
            "formulas": [{"formula": "a"}],
        },
    }


def test_flagger_read_the_oldest_point_of_ten_intervals() -> None:
    times = [NEWEST - back * MINUTE for back in reversed(range(10))]
    measured = single(asked(ok(body(times, [0.9, *[0.0] * 9]))))
    assert measured.value in (None, 0.0)
    asked_for = [json.loads(one)["data"]["attributes"]["from"] for one in sent(ok(number(0.0)))]
    assert asked_for == [milliseconds(NEWEST)]


def test_a_bucket_that_may_still_grow_is_not_asked_for() -> None:
    early = AT - timedelta(seconds=20)  # 12:00:25: 11:59 is over, and not all of it need have arrived
    with serving(ok(body([]))) as server:
        datadog = source(server)
        datadog.query(QUERY, early, PATIENCE)
        datadog.close()
    assert json.loads(server.requests[0].body)["data"]["attributes"]["to"] == milliseconds(NEWEST)


def test_no_errors_beside_traffic_of_the_same_bucket_is_a_true_zero_and_no_traffic_is_no_data() -> None:
    nothing, traffic = asked(ok(body([]))), asked(ok(number(20)))
    assert ratio(nothing, traffic).value == 0.0
    assert ratio(nothing, nothing).reason is Reason.NO_DATA


def test_a_range_says_at_each_instant_what_was_known_then() -> None:
    earlier = NEWEST - MINUTE
    with serving(ok(body([earlier, NEWEST], [1, 3]))) as server:
        datadog = source(server)
        answer = datadog.query_range(QUERY, AT - MINUTE, AT + MINUTE / 4, MINUTE / 4, PATIENCE)
        datadog.close()
    assert answer.kind == "matrix"
    ((first, *_, last),) = [series.samples for series in answer.series]
    assert (first, last) == ((AT - MINUTE, 1.0), (AT + MINUTE / 4, 3.0))
    assert [value for _, value in answer.series[0].samples] == [1.0, 1.0, 1.0, 3.0, 3.0, 3.0]


def test_a_long_range_is_asked_for_in_parts_that_are_not_thinned_out() -> None:
    with serving(ok(body([]))) as server:
        datadog = source(server)
        assert datadog.query_range(QUERY, AT - 2500 * MINUTE, AT, MINUTE, PATIENCE).outcome is Outcome.VALUE
        datadog.close()
    parts = [json.loads(request.body)["data"]["attributes"] for request in server.requests]
    assert [(part["to"] - part["from"]) // 60_000 for part in parts] == [1000, 1000, 501]
    assert all(one["to"] == two["from"] for one, two in pairwise(parts))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Retry-After: 7", 7), ("X-RateLimit-Reset: 42", 42), ("Retry-After: soon", 60), ("Retry-After: 9999999", 600)],
)
def test_after_a_429_nothing_is_sent_until_its_time_is_over(header: str, seconds: int) -> None:
    hours = Hours()
    with serving(canned("429 Too Many Requests", b"", header)) as server:
        datadog = source(server, hours)
        datadog.query(QUERY, AT, PATIENCE)
        hours.now = seconds - 1
        assert single(datadog.query(QUERY, AT, PATIENCE)).reason is SPENT
        assert len(server.requests) == 1
        hours.now = seconds
        datadog.query(QUERY, AT, PATIENCE)
        datadog.close()
    assert len(server.requests) == 2


def test_no_key_is_told_whatever_the_server_repeats() -> None:
    errors = json.dumps({"errors": [f"bad key {API_KEY} or {APPLICATION_KEY}"]}).encode()
    answer = asked(canned("400 Bad Request", errors))
    assert "[redacted]" in answer.detail
    assert not {key for key in (API_KEY, APPLICATION_KEY) if key in repr(answer)}
    assert API_KEY not in repr(DatadogSettings("d", "https://api.datadoghq.eu", API_KEY, APPLICATION_KEY))


def test_promql_is_not_sent_to_datadog() -> None:
    with serving(ok(number(5))) as server:
        datadog = source(server)
        assert single(datadog.query("vector(1)", AT, PATIENCE)).outcome is BAD
        datadog.close()
    assert server.requests == []


def test_a_range_in_another_interval_than_asked_is_no_history() -> None:
    with serving(ok(body([NEWEST - MINUTE, NEWEST - MINUTE / 2, NEWEST], [1, 2, 3]))) as server:
        datadog = source(server)
        answer = datadog.query_range(QUERY, AT - MINUTE, AT, MINUTE, PATIENCE)
        datadog.close()
    assert (answer.outcome, answer.reason, answer.series) == (FAIL, DOWN, ())
