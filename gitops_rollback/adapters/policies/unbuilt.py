"""Which keys of a policy does this version read but not carry out?

Such a key loads with one warning, and its name goes into `Policy.unbuilt`, which makes the controller ask instead of
act: nobody may think that a limit holds which is not looked at. What only tells people something, or only says what a
later look shows anyway, warns and does not ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_rollback.adapters.packages import metric_providers
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.burn_rate import FIRST_WINDOW
from gitops_rollback.core.strategies.planning import INFRASTRUCTURE, MIGRATION, ROLLING, STAGED_TYPES
from gitops_rollback.core.written import Mark

SUGGESTING = ("regression", "gauge")
SUGGESTS = {
    "regression": "it pages and suggests until `gitops-rollback backtest --record` was clean on your own metrics",
    "absence": "it pages and suggests, whatever is written: a series may be gone only until it is counted again",
    "alert": "it pages and suggests: without `alert.pendingFor` nobody knows whether it began before the sync",
    "burnRate": "it pages and suggests: only a window of at most 1h can tell in time what a sync did",
    "event": "it pages and suggests, whatever is written: a sync also fails where the cluster is to blame",
    "gauge": "it pages and suggests, whatever is written: a gauge is wrong too often",
}
OF_A_PACKAGE = "it pages and suggests: an installed provider's word about the past is not ours to vouch for"
BUILT_PROVIDERS = frozenset({"prometheus", "thanos", "mimir", "victoriametrics", "datadog", "web", "cloudwatch"})
LATE_PROVIDERS = {
    "datadog": "it pages and suggests: points come late, so what began just before a sync looks as if it began after",
    "cloudwatch": "it pages and suggests: points come minutes late, so what began before a sync looks as if after",
    "web": "it pages and suggests: nobody can ask it what was before a sync",
}
BUILT_CHECKS = frozenset({"engine", "prometheus", "http", "kubernetes"})
NOT_EVALUATED_GUARDS = frozenset({"revisionHistoryLimit"})
BY_HAND = "a person gets the sequence to do by hand: stop traffic, reverse, restore the old code, start traffic"
ASKS = "until then it asks instead of acting"


@dataclass(frozen=True)
class Unbuilt:
    """A key of a feature to come. `asks` False: it changes nothing about acting, so it only warns."""

    name: str
    mark: Mark
    consequence: str = ASKS
    asks: bool = True


def unbuilt(spec: View) -> tuple[Unbuilt, ...]:
    """Every key below `spec` that is not carried out, in the order of this list."""
    parts = (_triggers, _metrics, _strategies, _delivery, _guards, _whole)
    return tuple(found for part in parts for found in part(spec))


def trigger_type(trigger: View) -> str:
    """The type that a trigger has or implies; "" if it says neither."""
    written = trigger.at("type").text
    if written:
        return written
    if trigger.has("bad") or trigger.has("total"):
        return "ratio"
    return "query" if trigger.has("query") else ""


def only_suggests(provider: str) -> str:
    """Why no trigger of a provider acts by itself; "" if one may."""
    return OF_A_PACKAGE if provider in metric_providers() else LATE_PROVIDERS.get(provider, "")


def _triggers(spec: View) -> Iterator[Unbuilt]:
    for trigger in spec.at("triggers").items:
        kind = trigger_type(trigger)
        if _suggests(trigger, kind) and trigger.at("severity").text == "auto_rollback":
            yield Unbuilt(f"triggers.{kind}: auto_rollback", trigger.key_mark("severity"), SUGGESTS[kind], asks=False)
        elif kind in ("query", "ratio") and trigger.at("severity").text == "auto_rollback":
            provider = _provider(spec)
            if why := only_suggests(provider):
                mark = trigger.key_mark("severity")
                yield Unbuilt(f"triggers of {provider}: auto_rollback", mark, why, asks=False)
        if kind == "gauge" and trigger.has(kind):
            yield Unbuilt("triggers.gauge", trigger.key_mark(kind))
        if trigger.at("reduce").text == "per_series":
            yield Unbuilt("triggers.reduce: per_series", trigger.key_mark("reduce"))


def _provider(spec: View) -> str:
    metrics = next(iter(spec.at("metrics").items), spec.at("metrics"))
    return metrics.at("provider").text or ""


def _suggests(trigger: View, kind: str) -> bool:
    long_window = trigger.at("burnRate", "longWindow").duration
    if kind == "alert":
        return not trigger.at("alert").has("pendingFor")
    return kind in (*SUGGESTING, "absence", "event") or (
        kind == "burnRate" and long_window is not None and long_window > FIRST_WINDOW
    )


def _metrics(spec: View) -> Iterator[Unbuilt]:
    for metrics in spec.at("metrics").items or (spec.at("metrics"),):
        provider = metrics.at("provider").text
        if provider and provider not in BUILT_PROVIDERS | metric_providers():
            yield Unbuilt(f"metrics.provider: {provider}", metrics.key_mark("provider"))


def _strategies(spec: View) -> Iterator[Unbuilt]:
    for strategy in spec.at("strategies").items:
        kind = strategy.at("type").text
        if kind and kind not in (ROLLING, *STAGED_TYPES, MIGRATION, INFRASTRUCTURE):
            yield Unbuilt(f"strategies.type: {kind}", strategy.key_mark("type"))
        rules = strategy.at("migration")
        lacking = [key for key in ("traffic", "reverse") if not rules.has(key)]
        if kind == MIGRATION and lacking:
            yield Unbuilt(f"strategies.migration without {' and '.join(lacking)}", strategy.mark, BY_HAND, asks=False)


def _delivery(spec: View) -> Iterator[Unbuilt]:
    rules = spec.at("delivery").at("pullRequest")
    if rules.has("deleteBranch"):
        mark = rules.key_mark("deleteBranch")
        yield Unbuilt("delivery.pullRequest.deleteBranch", mark, "set the forge to delete merged branches", asks=False)


def _guards(spec: View) -> Iterator[Unbuilt]:
    for guard in spec.at("guards").items:
        kind = guard.at("type").text
        if kind in NOT_EVALUATED_GUARDS:
            mark = guard.key_mark("type")
            yield Unbuilt(f"guards.type: {kind}", mark, "plans say `not evaluated`", asks=False)


def _whole(spec: View) -> Iterator[Unbuilt]:
    if spec.has("dataFixup"):
        yield Unbuilt("dataFixup", spec.key_mark("dataFixup"))
