"""The sandbox's Prometheus is held to a real one: same status, same keys, same types, same kind of error."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_process import Written, running, write_history

from gitops_rollback.sandbox.prometheus import PrometheusSandbox

AT = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
NOW = AT.timestamp()
WIDE = {"start": "0", "end": "20000", "step": "1"}


class Clock:
    def now(self) -> datetime:
        return AT

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of a real Prometheus and of the sandbox, both with `up{job="a"}` 1 and `up{job="b"}` 0.25."""
    folder = tmp_path_factory.mktemp("prometheus")
    series = [Written("up", 'job="a"', lambda _at: 1.0), Written("up", 'job="b"', lambda _at: 0.25)]
    write_history(folder, series, AT - timedelta(minutes=10), AT + timedelta(minutes=10))
    sandbox = PrometheusSandbox(Clock())
    labels = [{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}]
    sandbox.set_series(lambda query: query == "up", lambda _at: list(zip(labels, (1.0, 0.25), strict=True)))
    sandbox.set_series("up - up", lambda _at: [({"job": "a"}, 0.0), ({"job": "b"}, 0.0)])
    sandbox.set_series("/ 0", lambda _at: [({"job": "a"}, float("inf")), ({"job": "b"}, float("inf"))])
    sandbox.start()
    with running(folder) as url:
        yield url, sandbox.url
    sandbox.stop()


def ask(url: str, verb: str, form: dict[str, str], post: bool) -> tuple[int, str, object]:
    """Status, content type and parsed body."""
    encoded = urllib.parse.urlencode(form)
    address = f"{url}/api/v1/{verb}" + ("" if post else f"?{encoded}")
    try:
        with urllib.request.urlopen(address, encoded.encode() if post else None, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], json.load(error)


def shape(value: object) -> object:
    """Keys and types; of numbers in text only what kind they are. A list has the shapes of all its members."""
    if isinstance(value, dict):
        return {name: "text" if name == "error" else shape(member) for name, member in sorted(value.items())}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return value if isinstance(value, str) else "number"


def ordered(value: object) -> object:
    """Series in a fixed order: a vector has none."""
    if isinstance(value, dict) and isinstance(data := value.get("data"), dict) and isinstance(data["result"], list):
        data["result"].sort(key=lambda series: json.dumps(series, sort_keys=True))
    return value


RANGE = {"query": "up", "start": f"{NOW - 60:.3f}", "end": f"{NOW:.3f}", "step": "15.000"}


@pytest.mark.parametrize("post", [True, False], ids=["post", "get"])
@pytest.mark.parametrize(
    ("verb", "form"),
    [
        pytest.param("query", {"query": "up", "time": f"{NOW:.3f}"}, id="vector"),
        pytest.param("query", {"query": "up", "time": f"{NOW + 0.25:.3f}", "timeout": "5000ms"}, id="fraction"),
        pytest.param("query", {"query": "up", "time": AT.isoformat().replace("+00:00", "Z")}, id="rfc-3339"),
        pytest.param("query", {"query": "up - up", "time": f"{NOW:.3f}"}, id="zeros"),
        pytest.param("query", {"query": "up / 0", "time": f"{NOW:.3f}"}, id="infinite"),
        pytest.param("query", {"query": "nobody", "time": f"{NOW:.3f}"}, id="empty"),
        pytest.param("query_range", RANGE, id="matrix"),
        pytest.param("query_range", {**RANGE, "query": "nobody"}, id="empty-matrix"),
        pytest.param("query", {"query": "sum("}, id="parse-error"),
        pytest.param("query", {"query": ""}, id="no-query"),
        pytest.param("query", {"query": "up", "time": "noon"}, id="no-time"),
        pytest.param("query", {"query": "up", "timeout": "5.000s"}, id="no-timeout"),
        pytest.param("query_range", {**RANGE, "step": "0"}, id="zero-step"),
        pytest.param("query_range", {**RANGE, "step": "x"}, id="no-step"),
        pytest.param("query_range", {**RANGE, "end": "1"}, id="end-before-start"),
        pytest.param("query_range", {**RANGE, **WIDE}, id="too-many-points"),
    ],
)
def test_the_sandbox_answers_as_a_real_prometheus(
    servers: tuple[str, str], verb: str, form: dict[str, str], post: bool
) -> None:
    real, sandbox = (ask(url, verb, form, post) for url in servers)
    assert sandbox[:2] == real[:2]
    assert shape(ordered(sandbox[2])) == shape(ordered(real[2]))
