"""Do a policy's queries fit the provider that is asked, and is all there that it needs?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.unbuilt import trigger_type
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.datadog_query import SHAPE, is_datadog, is_rate

DATADOG = "datadog"
PROMQL_ONLY = frozenset({"burnRate", "absence", "regression", "gauge"})  # their queries are built around the author's


def metric_faults(spec: View, queries: Sequence[View]) -> Iterator[Found]:
    """What is wrong between `spec.metrics` and the `queries` of triggers and checks."""
    metrics = next(iter(spec.at("metrics").items), spec.at("metrics"))
    datadog = metrics.at("provider").text == DATADOG
    for query in queries:
        if query.text and is_datadog(query.text) != datadog:
            yield query.mark, *_other_language(datadog)
    if datadog:
        yield from _access(metrics)
        yield from _triggers(spec)
    elif metrics.at("auth").has("applicationKeyRef"):
        yield metrics.at("auth").key_mark("applicationKeyRef"), "only datadog has an application key", "remove it"


def _other_language(datadog: bool) -> tuple[str, str]:
    if datadog:
        return "the provider is datadog, and this is no Datadog query", SHAPE
    return "this is a Datadog query, and the provider speaks PromQL", "write `metrics: {provider: datadog, ...}`"


def _access(metrics: View) -> Iterator[Found]:
    if not metrics.has("url"):
        yield metrics.mark, "datadog needs `url`", "write the API of your site, such as https://api.datadoghq.eu"
    for key in ("secretRef", "applicationKeyRef"):
        if not metrics.at("auth").has(key):
            yield metrics.mark, f"datadog needs `auth.{key}`", "name a secret that the settings offer for its origin"
    for key in ("tenant", "headers"):
        if metrics.has(key):
            yield metrics.key_mark(key), f"datadog takes no `{key}`", "remove it"


def _triggers(spec: View) -> Iterator[Found]:
    for trigger in spec.at("triggers").items:
        kind = trigger_type(trigger)
        if kind in PROMQL_ONLY:
            yield trigger.mark, f"a trigger of type {kind} asks in PromQL, which datadog does not speak", "use `ratio`"
        for key in ("bad", "total"):
            text = trigger.at(key).text
            if kind == "ratio" and text and is_datadog(text) and not is_rate(text):
                yield trigger.at(key).mark, f"`{key}` is not per second", "end it with `.as_rate()`"
