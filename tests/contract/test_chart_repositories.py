"""Versions of charts, asked of real HTTP servers that answer as chart repositories do."""

from __future__ import annotations

import base64
import json

import pytest
from canned_http import Script, canned, serving

from gitops_rollback.adapters.chart_repositories import ChartRepositories, ChartRepositorySettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.charts import Chart, ChartPresence
from gitops_rollback.core.images import Found, Image, Presence

# As `helm repo index` writes it, with a dependency, whose version is none of the chart's own.
INDEX = b"""\
apiVersion: v1
entries:
  redis-cluster:
  - apiVersion: v2
    name: redis-cluster
    version: 9.9.9
  redis:
  - annotations:
      category: Database
    apiVersion: v2
    dependencies:
    - name: common
      repository: oci://registry.example.com/charts
      version: 2.x.x
    description: |
      version: 7.7.7 stands in words
    name: redis
    urls:
    - https://charts.example.com/redis-18.1.0.tgz
    version: 18.1.0
  - apiVersion: v2
    name: redis
    version: "18.0.0"
  zookeeper:
  - name: zookeeper
    version: 1.0.0
generated: "2026-01-01T00:00:00Z"
"""
DEEPER = INDEX.replace(b"\n    ", b"\n        ").replace(b"\n  - ", b"\n      - ")
JSON = json.dumps({"apiVersion": "v1", "entries": {"redis": [{"name": "redis", "version": "v18.0.0"}]}}).encode()


def look_up(script: Script, version: str = "18.0.0", name: str = "redis", username: str = "") -> ChartPresence:
    with serving(script) as server:
        url = f"{server.url}/stable"
        settings = ChartRepositorySettings(url, username, "s3cret")
        charts = ChartRepositories([settings], OriginRules.parse([], [url]), None)
        try:
            found = charts.look_up(Chart(url, name, version))
            assert charts.look_up(Chart(url, name, version)) == found
            assert len(server.requests) == 1, "an answer is kept"
            assert server.requests[0].line.startswith("GET /stable/index.yaml ")
            if username:
                words = base64.b64encode(f"{username}:s3cret".encode()).decode()
                assert server.requests[0].headers["authorization"] == f"Basic {words}"
            return found
        finally:
            charts.close()


LISTED: dict[str, tuple[bytes, str, str, Found]] = {
    "listed": (INDEX, "redis", "18.1.0", Found.PRESENT),
    "quoted": (INDEX, "redis", "18.0.0", Found.PRESENT),
    "with-a-v": (INDEX, "redis", "v18.0.0", Found.PRESENT),
    "gone": (INDEX, "redis", "17.0.0", Found.MISSING),
    "of-another-chart": (INDEX, "redis", "9.9.9", Found.MISSING),
    "of-a-dependency": (INDEX.replace(b"2.x.x", b"2.0.0"), "redis", "2.0.0", Found.MISSING),
    "in-words": (INDEX, "redis", "7.7.7", Found.MISSING),
    "no-such-chart": (INDEX, "mysql", "1.0.0", Found.MISSING),
    "the-last-one": (INDEX, "zookeeper", "1.0.0", Found.PRESENT),
    "deeper": (DEEPER, "redis", "18.0.0", Found.PRESENT),
    "windows": (INDEX.replace(b"\n", b"\r\n"), "redis", "18.0.0", Found.PRESENT),
    "json": (JSON, "redis", "18.0.0", Found.PRESENT),
    "json-gone": (JSON, "redis", "17.0.0", Found.MISSING),
    "a-page": (b"<html>Sign in</html>", "redis", "18.0.0", Found.UNKNOWN),
    "broken": (INDEX.replace(b"- annotations:", b"- annotations: ]"), "redis", "18.0.0", Found.UNKNOWN),
    "broken-json": (b'{"entries": {"redis": 1}}', "redis", "18.0.0", Found.UNKNOWN),
}


@pytest.mark.parametrize(("index", "name", "version", "expected"), LISTED.values(), ids=LISTED)
def test_a_version_is_gone_only_where_an_index_says_so(index: bytes, name: str, version: str, expected: Found) -> None:
    assert look_up(canned("200 OK", index), version, name, username="bot").found is expected


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        ("401 Unauthorized", Found.UNKNOWN, "set username"),
        ("404 Not Found", Found.UNKNOWN, "answers 404"),
        ("302 Found", Found.UNKNOWN, ""),
        ("429 Too Many Requests", Found.NO_ANSWER, "answers 429"),
        ("503 Service Unavailable", Found.NO_ANSWER, "answers 503"),
    ],
)
def test_an_answer_that_is_no_index_proves_nothing(status: str, expected: Found, words: str) -> None:
    found = look_up(canned(status, b"", "Location: https://elsewhere.example/"))
    assert found.found is expected
    assert words in found.message


def test_nobody_is_asked_but_whom_the_settings_name() -> None:
    charts = ChartRepositories([], OriginRules.parse([], []), None)
    for chart, words in (
        (Chart("https://charts.example.com", "redis", "1.0.0"), "name no such chart repository"),
        (Chart("oci://ghcr.io/charts", "redis", "1.0.0"), "name no registry"),
        (Chart("", "redis", "1.0.0"), "tells its repository"),
        (Chart("https://charts.example.com", "redis", "^1"), "several versions"),
    ):
        found = charts.look_up(chart)
        assert found.found is Found.NOT_ASKED
        assert words in found.message


def test_a_chart_of_a_registry_is_looked_up_as_an_image_is() -> None:
    asked: list[Image] = []

    def look_up_image(image: Image) -> Presence:
        asked.append(image)
        return Presence(image, Found.MISSING, "ghcr.io has no such image")

    charts = ChartRepositories([], OriginRules.parse([], []), look_up_image)
    found = charts.look_up(Chart("oci://ghcr.io/shop/charts", "redis", "1.0.0+build.5"))
    assert (found.found, found.message) == (Found.MISSING, "ghcr.io has no such image")
    assert asked == [Image("ghcr.io/shop/charts/redis", "1.0.0_build.5")]
