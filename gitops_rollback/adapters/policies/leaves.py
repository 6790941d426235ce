"""The kinds of scalar that mean more than a text: queries, URLs, globs, and the words that a key may hold."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from gitops_rollback.adapters.packages import engines, metric_providers
from gitops_rollback.adapters.policies.promql import template_errors
from gitops_rollback.adapters.policies.scalars import (
    DNS_LABEL,
    NUMBER,
    Leaf,
    Misspelt,
    choice,
    choice_or_brought,
    pattern,
    read_number,
    read_text,
)
from gitops_rollback.core import cloudwatch_query, datadog_query, other_query, web_query
from gitops_rollback.core.faults import shown
from gitops_rollback.core.query_language import CLOUDWATCH, DATADOG, OTHER, WEB, language_of
from gitops_rollback.core.written import Written

API_VERSION = "gitops-rollback.dev/v1alpha1"
KIND = "RollbackPolicy"
RISKS = {"none": 0.0, "low": 0.1, "high": 5.0}  # full-outage-minutes


def read_query(written: Written) -> str:
    """A query template that can be asked. Raises: Misspelt."""
    text = written.text
    errors = {
        DATADOG: datadog_query.errors,
        WEB: web_query.errors,
        CLOUDWATCH: cloudwatch_query.errors,
        OTHER: other_query.errors,
    }
    problems = errors.get(language_of(text), template_errors)(text)
    if problems:
        raise Misspelt("; ".join(problems))
    return text


def read_url(written: Written) -> str:
    """An http(s) address without credentials. Raises: Misspelt, which never repeats the address."""
    text = read_text(written)
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as exc:
        raise Misspelt("is not a URL", "write it like https://host:port/path") from exc
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Misspelt("holds credentials", "name them by `secretRef`")
    spaced = any(char.isspace() or not char.isprintable() for char in text)
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or spaced or parts.fragment:
        raise Misspelt("is not a URL", "write it like https://host:port/path")
    return text


def read_glob(written: Written) -> str:
    """A glob of paths inside the repository. Raises: Misspelt."""
    text = read_text(written)
    parts = text.split("/")
    if text.startswith("/") or ".." in parts or "." in parts or "\\" in text or "\n" in text:
        raise Misspelt("is not a path inside the repository", "write it from the root, without `..`: apps/shop/**")
    return text


def read_version(written: Written) -> str:
    """The one apiVersion that this version reads. Raises: Misspelt."""
    if written.text == API_VERSION:
        return written.text
    newer = written.text.startswith(API_VERSION.partition("/")[0] + "/")
    raise Misspelt(
        f"is {written.text[:40]!a}, which this version cannot read",
        f"update gitops-rollback, or write `{API_VERSION}`" if newer else f"write `{API_VERSION}`",
    )


def read_risk(written: Written) -> float:
    """Full-outage-minutes, by a word or as a number. Raises: Misspelt."""
    if written.text in RISKS:
        return RISKS[written.text]
    if written.text == "irreversible":
        raise Misspelt("is no risk that can be weighed", "write `data: {rollback: ask}` at the target")
    value = read_number(written) if NUMBER.fullmatch(written.text) else -1.0
    if value < 0:
        raise Misspelt(f"{shown(written.text)} is no risk", "write none, low, high, or full-outage-minutes from 0 on")
    return value


ApiVersion = Annotated[str, Leaf(read_version, (("const", API_VERSION),))]
Kind = Annotated[str, choice(KIND)]
Query = Annotated[str, Leaf(read_query, (("type", "string"),))]
Url = Annotated[str, Leaf(read_url, (("type", "string"), ("format", "uri")))]
Glob = Annotated[str, Leaf(read_glob, (("type", "string"),))]
VARIABLE = r"\$(?:APPLICATION|PROJECT|CLUSTER|NAMESPACE|LABEL_[A-Za-z0-9_]+)"
FilledName = Annotated[
    str,
    pattern(
        rf"(?=.{{1,253}}$)(?:{DNS_LABEL}(?:\.{DNS_LABEL})*|(?:[a-z0-9.-]{{0,60}}{VARIABLE}){{1,4}}(?:[.-][a-z0-9.-]{{0,60}})?)",
        "a Kubernetes name",
        "use lower-case letters, digits, `-` and `.`; no wildcards. With a selector: $APPLICATION, $PROJECT, $CLUSTER, "
        "$NAMESPACE, $LABEL_name",
    ),
]
Sha = Annotated[str, pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", "a full commit SHA", "write all 40 digits, quoted")]
SlotName = Annotated[
    str,
    pattern(r"[a-z0-9.-]{0,200}\$SLOT[a-z0-9.-]{0,200}", "a name with $SLOT", "write it like checkout-$SLOT"),
]
KindName = Annotated[str, pattern(r"[A-Z][A-Za-z0-9]{0,62}", "a kind", "write it like Deployment")]
TrailerLine = Annotated[
    str, pattern(r"[A-Za-z][A-Za-z0-9-]{0,60}: ?[^\n]{1,200}", "a trailer", 'write it like "Rollback-Safe: false"')
]
ENGINES = ("argocd", "flux")
Engine = Annotated[str, choice_or_brought("engine", engines, *ENGINES)]
Severity = Annotated[str, choice("auto_rollback", "page_and_suggest", "log_only")]
Comparison = Annotated[str, choice("greater_than", "less_than")]
TriggerType = Annotated[
    str,
    choice(
        *("query", "ratio", "health", "crashLoop", "alert"),
        *("burnRate", "regression", "gauge", "absence", "event"),
    ),
]
SymptomWord = Annotated[str, choice("crashLoop", "imagePull", "configuration", "unschedulable", "progressDeadline")]
EngineEventWord = Annotated[str, choice("syncFailed", "degraded")]
Reduce = Annotated[str, choice("one", "any", "all", "max", "min", "sum", "per_series")]
HealthWord = Annotated[str, choice("Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown")]
Provider = Annotated[
    str,
    choice_or_brought(
        *("provider", metric_providers),
        *("prometheus", "thanos", "mimir", "victoriametrics"),
        *("web", "datadog", "cloudwatch", "newrelic", "graphite", "influxdb"),
    ),
]
StrategyType = Annotated[
    str,
    choice("rolling", "feature-flag", "migration", "infrastructure", "blue-green", "canary"),
]
GuardType = Annotated[
    str,
    choice(
        *("paths", "image", "revisionHistoryLimit", "blastRadius", "budget"),
        *("schedule", "trailer", "conflict", "floor", "capacity"),
    ),
]
Answer = Annotated[str, choice("ask", "deny")]
CheckType = Annotated[str, choice("engine", "prometheus", "http", "kubernetes")]
Mode = Annotated[str, choice("push", "pull-request", "suggest")]
OnRejected = Annotated[str, choice("pull-request", "suggest")]
MergeMethod = Annotated[str, choice("merge", "squash", "rebase")]
Suggest = Annotated[str, choice("none", "restore", "next-suspect")]
BelowWord = Annotated[str, choice("ask", "range")]
DataWord = Annotated[str, choice("safe", "ask")]
Allowed = Annotated[str, choice("allowed")]
ChartVersionsWord = Annotated[str, choice("as-before", "forward", "detect")]
Habit = Annotated[str, choice("hydrate", "render", "copy", "merge", "kargo")]
OnImageAutomation = Annotated[str, choice("ask", "hold")]
OnSuperseded = Annotated[str, choice("ask", "allow-version-bumps")]
Decision = Annotated[str, choice("severity", "cost")]
Risk = Annotated[float, Leaf(read_risk, (("type", ("number", "string")),))]
EventWord = Annotated[
    str,
    choice(
        *("*", "suggested", "started", "verified", "unverified"),
        *("refused", "held", "failed", "blind", "stopped", "handover"),
    ),
]
Receiver = Annotated[str, choice("log", "webhook", "slack", "pagerduty", "teams", "grafana", "apprise")]
MessageFormat = Annotated[str, choice("json", "cloudevents")]
MigrationMode = Annotated[str, choice("coordinated")]
CascadeMode = Annotated[str, choice("reverse-dependency-order")]
SequenceStep = Annotated[str, choice("stop-traffic", "reverse-migration", "restore-application", "start-traffic")]
Approval = Annotated[str, choice("required")]
SafeEnd = Annotated[str, choice("finish", "back")]
CanaryMode = Annotated[str, choice("steps", "jump", "auto")]
OnCheckFailed = Annotated[str, choice("jump-to-last", "hold", "page")]
