"""A door to each metric provider, with answers as its own documentation shows them, for the suite that asks all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from canned_http import Script, canned
from page_packages import METRICS, installed

from gitops_rollback.adapters.metrics.cloudwatch import CloudwatchSettings, CloudwatchSource
from gitops_rollback.adapters.metrics.datadog import DatadogSettings, DatadogSource
from gitops_rollback.adapters.metrics.installed import Access, installed_source
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.metrics.web import WebSettings, WebSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.ports import MetricSource

AT = datetime(2026, 11, 23, 12, 0, 45, tzinfo=UTC)
SECRET = "canary-secret-4711"


@dataclass(frozen=True)
class Door:
    """`bucket` is when the newest whole bucket began at `AT`; None where an instant itself is asked for."""

    name: str
    source: Callable[[str], MetricSource]
    query: str
    answers: Mapping[str, Script]
    bucket: datetime | None = None


def ok(payload: object) -> Script:
    return canned("200 OK", json.dumps(payload).encode(), "Content-Type: application/json")


def fault(status: str, payload: object) -> Script:
    return canned(status, json.dumps(payload).encode(), "Content-Type: application/json")


def rules(url: str) -> OriginRules:
    return OriginRules.parse([], [url])


# Prometheus: docs/querying/api.md, "Instant queries" and "Format overview".


def vector(*values: str, at: datetime = AT, **more: object) -> Script:
    result = [{"metric": {"pod": str(n)}, "value": [at.timestamp(), value]} for n, value in enumerate(values)]
    return ok({"status": "success", "data": {"resultType": "vector", "result": result}, **more})


def prometheus_error(status: str, kind: str) -> Script:
    return fault(status, {"status": "error", "errorType": kind, "error": f"because of {SECRET}"})


PROMETHEUS = Door(
    "prometheus",
    lambda url: PrometheusSource(PrometheusSettings("store", url, bearer_token=SECRET), rules(url)),
    'sum(rate(errors{service="api"}[2m]))',
    {
        "number": vector("0.25"),
        "none": vector(),
        "two": vector("1", "2"),
        "another-time": vector("0.25", at=AT - timedelta(minutes=10)),
        "partial": vector("0.25", warnings=["remote storage: context deadline exceeded"]),
        "wrong-query": prometheus_error("400 Bad Request", "bad_data"),
        "refused": canned("401 Unauthorized", b"Unauthorized\n"),
        "down": prometheus_error("503 Service Unavailable", "timeout"),
    },
)

# Datadog: API reference, "Query timeseries data across multiple products", and "Rate limits".


def datadog(values: list[object], at: datetime, **more: object) -> Script:
    series = [{"group_tags": [f"pod:{n}"], "query_index": 0, "unit": None} for n in range(len(values))]
    rows = [[value] for value in values]
    attributes = {"series": series, "times": [int(at.timestamp()) * 1000] if values else [], "values": rows}
    return ok({"data": {"id": "0", "type": "timeseries_response", "attributes": attributes}, **more})


DATADOG_BUCKET = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
DATADOG = Door(
    "datadog",
    lambda url: DatadogSource(DatadogSettings("store", url, SECRET, SECRET), rules(url)),
    "sum:trace.http.request.errors{service:api}.as_rate()",
    {
        "number": datadog([0.25], DATADOG_BUCKET),
        "none": datadog([], DATADOG_BUCKET),
        "null": datadog([None], DATADOG_BUCKET),
        "two": datadog([1, 2], DATADOG_BUCKET),
        "another-time": datadog([0.25], DATADOG_BUCKET - timedelta(minutes=10)),
        "partial": datadog([0.25], DATADOG_BUCKET, errors="one shard failed"),
        "wrong-query": fault("400 Bad Request", {"errors": ["Error parsing query"]}),
        "refused": fault("403 Forbidden", {"errors": ["Forbidden"]}),
        "too-often": canned("429 Too Many Requests", b"", "X-RateLimit-Reset: 30"),
        "down": fault("503 Service Unavailable", {"errors": [f"because of {SECRET}"]}),
    },
    DATADOG_BUCKET,
)

# CloudWatch: API Reference, "GetMetricData" and "Common Errors"; the JSON protocol's errors name a `__type`.


def cloudwatch(values: list[object], at: datetime, state: str = "Complete", **more: object) -> Script:
    results = [
        {"Id": "a", "Label": f"pod {n}", "Timestamps": [at.timestamp()], "Values": [value], "StatusCode": state}
        for n, value in enumerate(values)
    ]
    return ok({"MetricDataResults": results, "Messages": [], **more})


def cloudwatch_error(status: str, kind: str) -> Script:
    return fault(status, {"__type": f"com.amazonaws.cloudwatch#{kind}", "message": f"because of {SECRET}"})


CLOUDWATCH_BUCKET = datetime(2026, 11, 23, 11, 57, tzinfo=UTC)
CLOUDWATCH_EMPTY = {"Id": "a", "Label": "api", "Timestamps": [], "Values": [], "StatusCode": "Complete"}
CLOUDWATCH = Door(
    "cloudwatch",
    lambda url: CloudwatchSource(CloudwatchSettings("store", url, f"AKIDEXAMPLE:{SECRET}"), rules(url)),
    "SELECT SUM(Errors) FROM SCHEMA(\"AWS/Lambda\", FunctionName) WHERE FunctionName = 'api'",
    {
        "number": cloudwatch([0.25], CLOUDWATCH_BUCKET),
        "none": cloudwatch([], CLOUDWATCH_BUCKET),
        "null": ok({"MetricDataResults": [CLOUDWATCH_EMPTY], "Messages": []}),
        "two": cloudwatch([1, 2], CLOUDWATCH_BUCKET),
        "another-time": cloudwatch([0.25], CLOUDWATCH_BUCKET - timedelta(minutes=10)),
        "partial": cloudwatch([0.25], CLOUDWATCH_BUCKET, "PartialData"),
        "partial-by-word": cloudwatch(
            [0.25], CLOUDWATCH_BUCKET, Messages=[{"Code": "MaxQueryResultsExceeded", "Value": "500 of 900"}]
        ),
        "partial-by-fault": cloudwatch([0.25], CLOUDWATCH_BUCKET, "InternalError"),
        "wrong-query": cloudwatch_error("400 Bad Request", "ValidationException"),
        "refused": cloudwatch_error("400 Bad Request", "InvalidClientTokenId"),
        "refused-by-metric": cloudwatch([0.25], CLOUDWATCH_BUCKET, "Forbidden"),
        "too-often": cloudwatch_error("400 Bad Request", "ThrottlingException"),
        "down": cloudwatch_error("500 Internal Server Error", "InternalServiceFault"),
    },
    CLOUDWATCH_BUCKET,
)

# Web: whatever a service answers; HTTP's own words for the rest.

WEB = Door(
    "web",
    lambda url: WebSource(WebSettings("store", url, SECRET), rules(url)),
    "/stats?service=api $.rate",
    {
        "number": ok({"rate": 0.25}),
        "two": ok({"rate": [1, 2]}),
        "another-time": ok({"rate": {"value": 0.25, "ts": AT.timestamp() - 600}}),
        "refused": canned("401 Unauthorized", b""),
        "too-often": canned("429 Too Many Requests", b"", "Retry-After: 30"),
        "down": canned("503 Service Unavailable", SECRET.encode()),
    },
)

# Graphite, of the package that CONTRIBUTING.md shows: docs/render_api.rst, "json".


def graphite(url: str) -> MetricSource:
    with TemporaryDirectory() as folder, installed(Path(folder), METRICS):
        return installed_source("graphite", Access(url, rules(url), SECRET))


def render(*values: object) -> Script:
    return ok([{"target": f"pod{n}", "datapoints": [[value, int(AT.timestamp())]]} for n, value in enumerate(values)])


GRAPHITE = Door(
    "graphite",
    graphite,
    "graphite[2m]: sumSeries(stats.prod.api.http.5xx)",
    {
        "number": render(0.25),
        "none": render(),
        "null": render(None),
        "two": render(1, 2),
        "wrong-query": canned("400 Bad Request", SECRET.encode()),
        "refused": canned("403 Forbidden", b""),
        "down": canned("503 Service Unavailable", SECRET.encode()),
    },
)

DOORS = (PROMETHEUS, DATADOG, CLOUDWATCH, WEB, GRAPHITE)
