"""Do a policy's queries fit the provider that is asked, and is all there that it needs?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitops_rollback.adapters.packages import metric_providers
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.unbuilt import trigger_type
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core import cloudwatch_query, datadog_query, other_query, web_query
from gitops_rollback.core.faults import shown
from gitops_rollback.core.query_language import (
    CLOUDWATCH,
    DATADOG,
    OF_PROVIDER,
    OTHER,
    PROMQL,
    WEB,
    Language,
    language_of,
)

SHAPES = {
    DATADOG: datadog_query.SHAPE,
    WEB: web_query.SHAPE,
    CLOUDWATCH: cloudwatch_query.SHAPE,
    OTHER: other_query.SHAPE,
}
APIS = {
    DATADOG: "the API of your site, such as https://api.datadoghq.eu",
    CLOUDWATCH: "the endpoint of your region, such as https://monitoring.eu-central-1.amazonaws.com",
}
KEYS = {DATADOG: ("secretRef", "applicationKeyRef"), CLOUDWATCH: ("secretRef",)}
PROMQL_ONLY = frozenset({"burnRate", "absence", "regression", "gauge"})  # their queries are built around the author's


def metric_faults(spec: View, queries: Sequence[View]) -> Iterator[Found]:
    """What is wrong between `spec.metrics` and the `queries` of triggers and checks."""
    for metrics in spec.at("metrics").items or (spec.at("metrics"),):
        yield from _of_source(spec, metrics, queries)
    yield from _clusters(spec)


def _of_source(spec: View, metrics: View, queries: Sequence[View]) -> Iterator[Found]:
    provider = metrics.at("provider").text or ""
    spoken = OTHER if provider in metric_providers() else OF_PROVIDER.get(provider, PROMQL)
    for query in queries:
        if query.text and (written := language_of(query.text)) is not spoken:
            yield query.mark, *_other_language(provider, spoken, written)
        elif query.text and spoken is OTHER and other_query.provider_of(query.text) != provider:
            yield query.mark, *_other_language(provider, spoken, spoken)
    if spoken in APIS:
        yield from _access(metrics, provider, spoken)
    if spoken in (WEB, OTHER) and not metrics.has("url"):
        yield metrics.mark, f"{provider} needs `url`", "write what stands in front of each query's path"
    if spoken is not PROMQL:
        yield from _triggers(spec, provider)
    if spoken is not DATADOG and metrics.at("auth").has("applicationKeyRef"):
        yield metrics.at("auth").key_mark("applicationKeyRef"), "only datadog has an application key", "remove it"


def _clusters(spec: View) -> Iterator[Found]:
    """Each cluster has one source, so that nobody has to guess which one was meant."""
    seen: set[str] = set()
    given = spec.at("metrics").items
    for n, metrics in enumerate(given):
        if not metrics.has("clusters") and n < len(given) - 1:
            yield metrics.mark, "serves every cluster, so that no later source is asked", "name its `clusters`"
        for one in metrics.at("clusters").items:
            if one.text in seen:
                yield one.mark, f"cluster {shown(one.text or '')} has two sources", "name it once"
            seen.add(one.text or "")


def _other_language(provider: str, spoken: Language, written: Language) -> tuple[str, str]:
    if spoken is PROMQL and written is OTHER:
        return "this is a query of a provider that is not installed here", "install it, or write PromQL"
    if spoken is PROMQL:
        name = written.name.lower()
        return f"this is a {written.name} query, and the provider speaks PromQL", f"write `provider: {name}`"
    return f"the provider is {provider}, and this is no {spoken.name} query", SHAPES[spoken]


def _access(metrics: View, provider: str, spoken: Language) -> Iterator[Found]:
    if not metrics.has("url"):
        yield metrics.mark, f"{provider} needs `url`", f"write {APIS[spoken]}"
    for key in KEYS[spoken]:
        if not metrics.at("auth").has(key):
            yield metrics.mark, f"{provider} needs `auth.{key}`", "name a secret that the settings offer for its origin"
    for key in ("tenant", "headers"):
        if metrics.has(key):
            yield metrics.key_mark(key), f"{provider} takes no `{key}`", "remove it"


def _triggers(spec: View, provider: str) -> Iterator[Found]:
    for trigger in spec.at("triggers").items:
        kind = trigger_type(trigger)
        if kind in PROMQL_ONLY:
            yield (
                trigger.mark,
                f"a trigger of type {kind} asks in PromQL, which {provider} does not speak",
                "use `ratio`",
            )
        for key in ("bad", "total"):
            text = trigger.at(key).text
            if kind == "ratio" and text and language_of(text) is DATADOG and not datadog_query.is_rate(text):
                yield trigger.at(key).mark, f"`{key}` is not per second", "end it with `.as_rate()`"
        total = trigger.at("total").text or ""
        counts = language_of(total) is CLOUDWATCH and not cloudwatch_query.is_rate(total)
        if trigger.has("minimumTraffic") and counts:
            yield trigger.at("total").mark, "`total` counts a whole period", "divide a SEARCH by its seconds: `/ 60`"
