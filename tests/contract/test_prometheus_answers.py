"""What a Prometheus-compatible backend may answer, over real HTTP, and what it is worth to a trigger."""

from __future__ import annotations

import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from canned_http import Request, Script, canned, serving

from gitops_rollback.adapters.http import HttpAnswer
from gitops_rollback.adapters.metrics.answers import Asked, read_answer
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer, Outcome, single
from gitops_rollback.core.policy import Comparison
from gitops_rollback.core.trigger import Level, level

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = AT.timestamp()
PATIENCE = timedelta(seconds=5)
SHORT = timedelta(milliseconds=400)
TOKEN = "canary-token-51c2"


def source(url: str, **settings: object) -> PrometheusSource:
    return PrometheusSource(replace(PrometheusSettings("prom", url), **settings), OriginRules.parse([], [url]))


def asked(script: Script, timeout: timedelta = PATIENCE, **settings: object) -> Answer:
    with serving(script) as server:
        prometheus = source(server.url, **settings)
        answer = prometheus.query("errors", AT, timeout)
        prometheus.close()
    return answer


def body(result: object, kind: str = "vector", **more: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def vector(*values: str, at: float = NOW, **more: object) -> bytes:
    return body([{"metric": {"pod": str(n)}, "value": [at, value]} for n, value in enumerate(values)], **more)


def ok(content: bytes) -> Script:
    return canned("200 OK", content, "Content-Type: application/json")


def failed(status: str, error_type: str, **more: object) -> Script:
    return canned(status, json.dumps({"status": "error", "errorType": error_type, "error": "why", **more}).encode())


def endless(connection: socket.socket, _request: Request) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(4000):
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def silent(connection: socket.socket, _request: Request) -> None:
    connection.recv(1)  # returns when the client hangs up


MOVED = canned("301 Moved Permanently", b"", "Location: http://169.254.169.254/api/v1/query")
DATA_BESIDE_ERROR = json.loads(vector("0.9"))["data"]
NONE, FAIL, BAD = Outcome.NO_DATA, Outcome.ERROR, Outcome.INVALID
DOWN, WRONG = Reason.METRICS_UNAVAILABLE, Reason.QUERY_INVALID

# What was answered, and what it is: the numbers M1 to M12 of the bad inputs, then the errors of the API.
WORTHLESS = [
    pytest.param(ok(vector()), NONE, Reason.NO_DATA, id="M1-empty-vector"),
    pytest.param(ok(vector("NaN")), NONE, Reason.NO_DATA, id="M2-nan"),
    pytest.param(ok(vector("+Inf")), NONE, Reason.NO_DATA, id="M3-infinite"),
    pytest.param(ok(vector("-Inf")), NONE, Reason.NO_DATA, id="M3-minus-infinite"),
    pytest.param(ok(vector("1e400")), NONE, Reason.NO_DATA, id="M3-too-large-for-a-float"),
    pytest.param(ok(vector("")), FAIL, DOWN, id="M4-empty-string"),
    pytest.param(ok(vector("0x10")), FAIL, DOWN, id="M4-hex"),
    pytest.param(ok(vector("1_000")), FAIL, DOWN, id="M4-underscore"),
    pytest.param(ok(vector(" 5 ")), FAIL, DOWN, id="M4-spaces"),
    pytest.param(ok(vector("٣")), FAIL, DOWN, id="M4-other-digits"),
    pytest.param(ok(vector("infinity")), FAIL, DOWN, id="M4-infinity-in-words"),
    pytest.param(ok(body([{"metric": {}, "value": [NOW, 5]}])), FAIL, DOWN, id="M4-a-number-not-a-string"),
    pytest.param(ok(body([{"metric": {}, "values": [[NOW, "1"]]}], "matrix")), BAD, WRONG, id="M5-matrix"),
    pytest.param(ok(body([NOW, "text"], "string")), BAD, WRONG, id="M5-string"),
    pytest.param(ok(body([{"metric": {}, "histogram": [NOW, {"count": "1"}]}])), BAD, WRONG, id="M5-histogram"),
    pytest.param(ok(body([], "tensor")), FAIL, DOWN, id="M5-unknown-type"),
    pytest.param(ok(vector("1", "2")), BAD, WRONG, id="M6-two-series"),
    pytest.param(ok(vector("0.9", warnings=["results truncated due to limit"])), FAIL, DOWN, id="M7-warnings"),
    pytest.param(ok(vector("0.9", warnings="truncated")), FAIL, DOWN, id="M7-warning-that-is-no-list"),
    pytest.param(ok(vector("0.9", isPartial=True)), FAIL, DOWN, id="M7-partial"),
    pytest.param(ok(vector("0.9", at=NOW - 600)), FAIL, DOWN, id="M8-ten-minutes-old"),
    pytest.param(ok(vector("0.9", at=NOW + 600)), FAIL, DOWN, id="M8-in-the-future"),
    pytest.param(ok(body([NOW - 600, "0.9"], "scalar")), FAIL, DOWN, id="M8-old-scalar"),
    pytest.param(ok(body([{"metric": {}, "value": [1e300, "1"]}])), FAIL, DOWN, id="M8-no-time-at-all"),
    pytest.param(failed("200 OK", "timeout", data=DATA_BESIDE_ERROR), FAIL, DOWN, id="M9-error-with-data"),
    pytest.param(failed("200 OK", "bad_data", data=DATA_BESIDE_ERROR), BAD, WRONG, id="M9-bad-with-data"),
    pytest.param(ok(vector("1").replace(b'"1"', b"NaN")), FAIL, DOWN, id="M10-bare-nan"),
    pytest.param(ok(vector("1").replace(b'"1"', b"Infinity")), FAIL, DOWN, id="M10-bare-infinity"),
    pytest.param(ok(vector("1", stats="x").replace(b'"x"', b"NaN")), FAIL, DOWN, id="M10-bare-nan-elsewhere"),
    pytest.param(endless, FAIL, DOWN, id="M11-endless-chunks"),
    pytest.param(canned("200 OK", b" " * (17 << 20)), FAIL, DOWN, id="M11-huge-body"),
    pytest.param(MOVED, FAIL, DOWN, id="M12-moved-to-another-host"),
    pytest.param(failed("400 Bad Request", "bad_data"), BAD, WRONG, id="400-parse-error"),
    pytest.param(failed("422 Unprocessable Entity", "execution"), BAD, WRONG, id="422-execution"),
    pytest.param(failed("422 Unprocessable Entity", "422"), BAD, WRONG, id="422-victoriametrics"),
    pytest.param(canned("400 Bad Request", b"<html>nginx"), FAIL, DOWN, id="400-of-a-proxy-blames-no-query"),
    pytest.param(canned("401 Unauthorized", b""), FAIL, Reason.CREDENTIALS_REJECTED, id="401"),
    pytest.param(canned("403 Forbidden", b""), FAIL, Reason.CREDENTIALS_REJECTED, id="403"),
    pytest.param(canned("404 Not Found", b"404 page not found"), FAIL, DOWN, id="404-wrong-prefix"),
    pytest.param(canned("429 Too Many Requests", b""), FAIL, DOWN, id="429"),
    pytest.param(failed("503 Service Unavailable", "timeout"), FAIL, DOWN, id="503"),
    pytest.param(failed("499 Client Closed", "canceled"), FAIL, DOWN, id="499"),
    pytest.param(canned("502 Bad Gateway", vector("0.9")), FAIL, DOWN, id="502-with-a-good-body"),
    pytest.param(canned("200 OK", b"<html>Please log in"), FAIL, DOWN, id="a-login-page-with-200"),
    pytest.param(canned("200 OK", b""), FAIL, DOWN, id="nothing-with-200"),
    pytest.param(canned("200 OK", b"[" * 100_000), FAIL, DOWN, id="json-too-deep"),
    pytest.param(canned("200 OK", b"[]"), FAIL, DOWN, id="not-an-object"),
    pytest.param(canned("200 OK", vector("1")[:-4]), FAIL, DOWN, id="cut-in-the-middle"),
    pytest.param(canned("200 OK", b'{"status":"success"}'), FAIL, DOWN, id="success-without-data"),
    pytest.param(ok(body(None)), FAIL, DOWN, id="null-result"),
    pytest.param(ok(body([{"value": [NOW, "1"]}])), FAIL, DOWN, id="no-metric"),
    pytest.param(ok(body([{"metric": {"a": 1}, "value": [NOW, "1"]}])), FAIL, DOWN, id="a-label-that-is-a-number"),
    pytest.param(ok(body([{"metric": {"a": []}, "value": [NOW, "1"]}])), FAIL, DOWN, id="a-label-that-is-a-list"),
    pytest.param(ok(body([{"metric": {}, "value": [True, "1"]}])), FAIL, DOWN, id="time-is-a-boolean"),
    pytest.param(canned("200 OK", vector("1").replace(b"1", b"9" * 10_000, 1)), FAIL, DOWN, id="ten-thousand-digits"),
    pytest.param(lambda connection, _request: None, FAIL, DOWN, id="hangs-up"),
]


@pytest.mark.parametrize(("script", "outcome", "reason"), WORTHLESS)
def test_nothing_but_one_good_number_is_a_number(script: Script, outcome: Outcome, reason: Reason) -> None:
    measured = single(asked(script))
    assert (measured.outcome, measured.reason, measured.value) == (outcome, reason, None)
    assert measured.detail
    levels = {level(measured, comparison, limit) for comparison in Comparison for limit in (-1.0, 0.0, 1.0)}
    assert not levels & {Level.TRUE, Level.FALSE}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(vector("0.071"), 0.071, id="vector"),
        pytest.param(vector("0"), 0.0, id="a-measured-zero"),
        pytest.param(vector("-1.5e-3"), -0.0015, id="exponent"),
        pytest.param(body([NOW, "3"], "scalar"), 3.0, id="a-scalar-is-not-zero"),
        pytest.param(vector("2", infos=["metric might not be a counter"]), 2.0, id="M7-infos-are-lint"),
        pytest.param(vector("2", warnings=[]), 2.0, id="no-warnings"),
        pytest.param(vector("2", warnings=["PromQL info: metric might not be a counter"]), 2.0, id="lint-of-2.48"),
        pytest.param(vector("2", at=NOW - 30), 2.0, id="half-a-minute-old"),
    ],
)
def test_one_good_number_is_read(content: bytes, value: float) -> None:
    assert single(asked(ok(content))).value == value


def test_a_warning_that_the_settings_allow_is_borne() -> None:
    answer = asked(ok(vector("2", warnings=["store 7 is away"])), allowed_warnings=("store 7",))
    assert single(answer).value == 2.0


def test_a_silent_backend_is_left_at_its_deadline() -> None:
    answer = asked(silent, SHORT)
    assert (answer.outcome, answer.reason) == (Outcome.ERROR, Reason.METRICS_UNAVAILABLE)


def test_the_tick_is_sent_as_the_time_and_the_query_as_a_form() -> None:
    with serving(ok(vector("1"))) as server:
        prometheus = source(f"{server.url}/prefix/")
        prometheus.query('sum(rate(x{a="b&c"}[2m]))', AT + timedelta(milliseconds=250), PATIENCE)
        prometheus.query_range("x", AT, AT + timedelta(minutes=1), timedelta(seconds=15), PATIENCE)
        prometheus.close()
    one, many = server.requests
    assert one.line == "POST /prefix/api/v1/query HTTP/1.1"
    assert one.form == {"query": 'sum(rate(x{a="b&c"}[2m]))', "time": "1795435200.250", "timeout": "5000ms"}
    assert many.line == "POST /prefix/api/v1/query_range HTTP/1.1"
    assert (many.form["start"], many.form["end"], many.form["step"]) == ("1795435200.000", "1795435260.000", "15.000")


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({"bearer_token": TOKEN}, "authorization", f"Bearer {TOKEN}"),
        ({"username": "me", "password": "p:w"}, "authorization", "Basic bWU6cDp3"),
        ({"tenant": "team-a"}, "x-scope-orgid", "team-a"),
        ({"headers": (("X-Extra", "1"),)}, "x-extra", "1"),
    ],
)
def test_credentials_and_tenant_are_sent(settings: dict[str, object], header: str, value: str) -> None:
    with serving(ok(vector("1"))) as server:
        prometheus = source(server.url, **settings)
        prometheus.query("x", AT, PATIENCE)
        prometheus.close()
    assert server.requests[0].headers[header] == value


@pytest.mark.parametrize(
    ("flavour", "extra"),
    [
        ("prometheus", {}),
        ("mimir", {}),
        ("thanos", {"partial_response": "false", "dedup": "true", "max_source_resolution": "0"}),
        ("victoriametrics", {"nocache": "1", "deny_partial_response": "1"}),
    ],
)
def test_each_flavour_is_asked_for_a_whole_answer(flavour: str, extra: dict[str, str]) -> None:
    with serving(ok(vector("1"))) as server:
        prometheus = source(server.url, flavour=flavour)
        prometheus.query("x", AT, PATIENCE)
        prometheus.close()
    assert {name: server.requests[0].form.get(name) for name in extra} == extra
    assert set(server.requests[0].form) == {"query", "time", "timeout", *extra}


@pytest.mark.parametrize("status", ["400 Bad Request", "503 Service Unavailable", "401 Unauthorized"])
def test_a_backend_that_echoes_the_token_does_not_get_it_told(status: str) -> None:
    echo = json.dumps({"status": "error", "errorType": "bad_data", "error": f"refused {TOKEN} \x1b[31m" + "x" * 5000})
    answer = asked(canned(status, echo.encode()), bearer_token=TOKEN)
    assert TOKEN not in answer.detail
    assert "\x1b" not in answer.detail
    assert len(answer.detail) < 400


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(PrometheusSettings("prom", "http://x", bearer_token=TOKEN, password=TOKEN, headers=(("A", TOKEN),)))
    assert TOKEN not in shown


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://x"},
        {"url": "http://"},
        {"url": "http://me:secret@x"},
        {"url": "http://x?token=secret"},
        {"flavour": "influx"},
        {"max_in_flight": 0},
        {"max_queries_per_minute": 0},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        PrometheusSource(replace(PrometheusSettings("prom", "http://x"), **settings), OriginRules())
    assert "secret" not in str(caught.value)


def test_an_origin_that_is_not_listed_is_inconclusive_and_says_so() -> None:
    prometheus = PrometheusSource(PrometheusSettings("prom", "https://elsewhere.example"), OriginRules())
    answer = prometheus.query("x", AT, PATIENCE)
    prometheus.close()
    assert (answer.outcome, answer.reason) == (Outcome.ERROR, Reason.ORIGIN_NOT_ALLOWED)


@pytest.fixture
def nobody() -> Iterator[str]:
    """A port where nobody listens; taken, so that no other process gets it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_backend_that_is_gone_is_asked_once_a_tick(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    knocks: list[object] = []
    system = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: (knocks.append(a), system(*a, **k))[1])
    prometheus = source(nobody)
    outcomes = [prometheus.query(name, AT, PATIENCE).outcome for name in ("a", "b", "c")]
    prometheus.query("a", AT + timedelta(seconds=15), PATIENCE)
    prometheus.close()
    assert outcomes == [Outcome.ERROR] * 3
    assert len(knocks) == 2


def test_a_slow_query_does_not_blind_the_others_of_its_tick() -> None:
    def script(connection: socket.socket, request: Request) -> None:
        (silent if request.form["query"] == "slow" else ok(vector("1")))(connection, request)

    with serving(script) as server:
        prometheus = source(server.url)
        slow, quick = prometheus.query("slow", AT, SHORT), prometheus.query("quick", AT, PATIENCE)
        prometheus.close()
    assert (slow.outcome, quick.outcome) == (Outcome.ERROR, Outcome.VALUE)


def test_over_the_minute_s_limit_nothing_is_sent_and_it_says_so() -> None:
    with serving(ok(vector("1"))) as server:
        prometheus = source(server.url, max_queries_per_minute=2)
        answers = [prometheus.query("x", AT, PATIENCE) for _ in range(3)]
        ranged = prometheus.query_range("x", AT, AT, timedelta(seconds=1), PATIENCE)
        prometheus.close()
    assert [answer.outcome for answer in answers] == [Outcome.VALUE, Outcome.VALUE, Outcome.ERROR]
    assert (answers[2].reason, ranged.reason) == (Reason.QUERY_BUDGET, Reason.QUERY_BUDGET)
    assert len(server.requests) == 2


def test_a_range_answer_keeps_each_sample_s_own_time() -> None:
    content = body([{"metric": {}, "values": [[NOW, "1"], [NOW + 15, "NaN"]]}], "matrix")
    with serving(ok(content)) as server:
        prometheus = source(server.url)
        answer = prometheus.query_range("x", AT, AT + timedelta(seconds=15), timedelta(seconds=15), PATIENCE)
        prometheus.close()
    assert answer.kind == "matrix"
    assert [at for at, _ in answer.series[0].samples] == [AT, AT + timedelta(seconds=15)]


def test_answers_that_come_at_once_are_read_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer for thousands of applications takes tens of megabytes while it is read; only one does at a time."""
    real, inside, most = json.loads, list[int](), list[int]()
    another = threading.Event()

    def loads(text: bytes, **how: Any) -> object:
        inside.append(1)
        most.append(len(inside))
        another.wait(0.05)
        inside.pop()
        return real(text, **how)

    monkeypatch.setattr("gitops_rollback.adapters.metrics.answers.json.loads", loads)
    query = Asked("up", datetime.fromtimestamp(NOW, UTC), instant=True)
    received = HttpAnswer(status=200, headers={}, body=vector("2"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read_answer(query, received), range(4)))
    assert [single(answer).value for answer in found] == [2.0] * 4
    assert max(most) == 1


def compact(content: bytes) -> bytes:
    """As a real server writes it: without blanks."""
    return json.dumps(json.loads(content), separators=(",", ":")).encode()


SERIES = {"metric": {"pod": "a", "__name__": "up"}, "value": [NOW, "1"]}
RANGE = {"metric": {"pod": "a"}, "values": [[NOW, "1"], [NOW + 15, "NaN"]]}
HISTOGRAM = {"metric": {}, "histogram": [NOW, {"count": "1", "sum": "1"}]}


@pytest.mark.parametrize(
    "content",
    [
        body([SERIES, SERIES, {"metric": {}, "value": [NOW, "+Inf"]}]),
        body([RANGE, RANGE], "matrix"),
        body([SERIES], warnings=["a store is down"]),
        body([SERIES], isPartial=True),
        json.dumps({"status": "success", "isPartial": False, **json.loads(body([SERIES]))}).encode(),
        json.dumps({"status": "success", "isPartial": True, **json.loads(body([SERIES]))}).encode(),
        body([]),
        body([SERIES, HISTOGRAM]),
        body([SERIES, 7]),
        body([SERIES, {"metric": {"pod": 7}, "value": [NOW, "1"]}]),
        body([SERIES, {"metric": {}, "value": [NOW, 1]}]),
        body([{"metric": {}, "value": [NOW - 90, "1"]}]),
        body([SERIES], "matrix"),
        compact(body([SERIES])).replace(b"}]", b"},]"),
        compact(body([SERIES]))[:-1],
        compact(body([SERIES, SERIES]))[:-30],
        compact(body([SERIES])).replace(b"},", b"}", 1),
        compact(body([SERIES])) + b"{}",
        compact(body([SERIES])).replace(b'"1"', b"NaN"),
        compact(body([SERIES])).replace(b'"a"', b'"\xff"'),
    ],
)
def test_an_answer_says_the_same_however_it_is_spaced(content: bytes) -> None:
    """Without blanks, as servers write it, its series are read one by one; any other is read as a whole."""
    query = Asked("up", AT, instant=True)
    try:
        without = compact(content)
    except ValueError:
        without = content
    spaced = without.replace(b'{"status"', b'{ "status"', 1)
    said = [repr(read_answer(query, HttpAnswer(200, {}, text))) for text in (without, spaced)]  # NaN is not itself
    assert said[0] == said[1]


def peak_of_reading(content: bytes) -> int:
    """Bytes that reading takes beyond what is kept of it."""
    tracemalloc.start()
    try:
        answer = read_answer(Asked("up", AT, instant=True), HttpAnswer(200, {}, content))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answer.series) == 1000
    return most - kept


def test_an_answer_for_thousands_is_never_held_as_a_whole_in_json() -> None:
    names = [{"service": f"team-{n}", "pod": f"team-{n}-a", "code": "200"} for n in range(1000)]
    content = compact(body([{"metric": one, "value": [NOW, "19.9"]} for one in names]))
    assert peak_of_reading(content) < peak_of_reading(b" " + content) / 2
