"""Which keys of a policy may stand together? Errors that no single key shows; all are found in one round.

Rules look at the written tree, not at the finished shape, so that a fault of spelling elsewhere hides none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from gitops_rollback.adapters.policies.rules_acting import check_faults, guard_faults, notification_faults
from gitops_rollback.adapters.policies.rules_alerts import alert_faults
from gitops_rollback.adapters.policies.rules_burn_rate import burn_rate_faults
from gitops_rollback.adapters.policies.rules_costs import cost_faults
from gitops_rollback.adapters.policies.rules_dependencies import dependency_faults
from gitops_rollback.adapters.policies.rules_engines import engine_faults
from gitops_rollback.adapters.policies.rules_metrics import metric_faults
from gitops_rollback.adapters.policies.rules_promotion import promotion_faults
from gitops_rollback.adapters.policies.rules_regression import counter_faults, peer_faults, regression_faults
from gitops_rollback.adapters.policies.rules_shape import Found, forbidden, missing
from gitops_rollback.adapters.policies.rules_strategies import strategy_faults, updater_faults
from gitops_rollback.adapters.policies.unbuilt import trigger_type
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.faults import Fault, shown
from gitops_rollback.core.policy import ApplicationRef, Target, Timing, Workload
from gitops_rollback.core.query import variables_of
from gitops_rollback.core.query_language import language_of
from gitops_rollback.core.selecting import VARIABLE
from gitops_rollback.core.written import Mark

SHORTEST_INTERVAL = timedelta(seconds=1)
CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "dd-api-key", "api-key"})
LIMIT_KEYS = ("comparison", "threshold", "minimumTraffic", "baseline", "reduce")
SLOWEST_COUNTING = timedelta(minutes=2)  # a counter that was away for five minutes begins anew
MAX_RENDERED = 200  # (target, query) pairs of one policy that are tried out with real names


def rule_faults(spec: View, path: str) -> list[Fault]:
    """All faults of `spec` that come from keys not fitting together."""
    rules: tuple[Callable[[View], Iterator[Found]], ...] = (
        _names,
        _targets,
        engine_faults,
        dependency_faults,
        _timing,
        _metrics,
        alert_faults,
        lambda spec: metric_faults(spec, queries(spec)),
        _triggers,
        peer_faults,
        _suspects,
        cost_faults,
        strategy_faults,
        updater_faults,
        promotion_faults,
        guard_faults,
        check_faults,
        notification_faults,
        _rendered,
    )
    return [Fault(path, mark.line, mark.col, message, fix) for rule in rules for mark, message, fix in rule(spec)]


def _names(spec: View) -> Iterator[Found]:
    """Lists are keyed by name: approvals, budgets and `queryFrom` find their item by it."""
    places = (("targets",), ("triggers",), ("strategies",), ("guards",), ("verification", "checks"))
    for place in places:
        seen: dict[str, Mark] = {}
        for item in spec.at(*place).items:
            name = item.at("name").text
            if name in seen:
                fix = "give each its own name"
                yield (
                    item.at("name").mark,
                    f"{place[-1]} hold {shown(name)} twice; first on line {seen[name].line}",
                    fix,
                )
            elif name:
                seen[name] = item.at("name").mark


def _targets(spec: View) -> Iterator[Found]:
    seen: dict[tuple[str | None, ...], Mark] = {}
    for target in spec.at("targets").items:
        application = target.at("application")
        if not target.has("application") and not target.has("selector"):
            yield target.mark, "a target needs `application`", "add `application: {namespace: argocd, name: ...}`"
        if target.has("application") and target.has("selector"):
            yield target.key_mark("selector"), "`application` and `selector` exclude each other", "remove one of them"
        if target.has("selector") and not any(
            _filled(target.at("selector", key)) for key in target.at("selector").keys
        ):
            yield target.key_mark("selector"), "an empty selector selects nothing", "name at least one word"
        if target.has("application"):
            yield from _variables_without_selector(target)
        key = tuple(application.at(part).text for part in ("namespace", "name", "kind", "instance"))
        if key[1] and key in seen:
            yield application.mark, f"names the same application as line {seen[key].line}", "one target an application"
        elif key[1]:
            seen[key] = application.mark


def _variables_without_selector(target: View) -> Iterator[Found]:
    workload = target.at("workload")
    named = (target.at("name"), workload.at("namespace"), workload.at("name"))
    for one in (*named, *target.at("paths").items, *target.at("dependsOn").items):
        if VARIABLE.search(one.text or ""):
            yield (
                one.mark,
                "a variable needs `selector`: only then it has a word for each application",
                "write the name",
            )


def _filled(view: View) -> bool:
    return bool(view.text) or bool(view.keys)


def _timing(spec: View) -> Iterator[Found]:
    timing = spec.at("timing")
    interval = timing.at("interval").duration
    window = timing.at("window").duration
    if interval is not None and interval < SHORTEST_INTERVAL:
        yield timing.at("interval").mark, "`interval` is shorter than 1s", "write 1s or more"
    if window is not None and window < (interval if interval is not None else Timing().interval):
        yield timing.at("window").mark, "`window` is shorter than `interval`", "lengthen `window`"


def _metrics(spec: View) -> Iterator[Found]:
    for metrics in (spec.at("metrics"), *spec.at("metrics").items):
        headers = metrics.at("headers")
        for name in headers.keys:
            if name.lower() in CREDENTIAL_HEADERS:
                yield headers.key_mark(name), f"{shown(name)} would put a credential into git", "use `auth.secretRef`"
            elif not name.isascii() or not name.replace("-", "").isalnum() or "\n" in (headers.at(name).text or ""):
                yield headers.key_mark(name), f"{shown(name)} is not a header", "letters, digits and `-`, on one line"


def _triggers(spec: View) -> Iterator[Found]:
    window = spec.at("timing", "window").duration or Timing().window
    interval = spec.at("timing", "interval").duration or Timing().interval
    for trigger in spec.at("triggers").items:
        yield from _kind(trigger)
        if trigger_type(trigger) == "regression" and interval > SLOWEST_COUNTING:
            fix = "shorten `timing.interval`"
            yield trigger.mark, "a regression needs a look at least every two minutes", fix
        yield from _hold(trigger, window)
        limit = trigger.at("baseline", "mustExceedFactor").number
        if limit is not None and limit < 1:
            yield trigger.at("baseline", "mustExceedFactor").mark, "`mustExceedFactor` is below 1", "write 1 or more"
        rate = trigger.at("minimumTraffic", "perSecond").number
        if rate is not None and rate < 0:
            yield trigger.at("minimumTraffic", "perSecond").mark, "`perSecond` is negative", "write 0 or more"


def _kind(trigger: View) -> Iterator[Found]:
    kind = trigger_type(trigger)
    if not kind:
        yield trigger.mark, "a trigger needs `query`, `bad` and `total`, or `type`", "say what is measured"
    elif kind == "query":
        yield from missing(trigger, kind, "query", "threshold")
        yield from forbidden(trigger, kind, "bad", "total", "states", "minimumTraffic")
    elif kind == "ratio":
        yield from missing(trigger, kind, "bad", "total", "threshold")
        yield from forbidden(trigger, kind, "query", "states")
    elif kind == "health":
        yield from forbidden(trigger, kind, "query", "bad", "total", *LIMIT_KEYS)
    elif kind == "alert":
        yield from missing(trigger, kind, "alert")
        yield from forbidden(trigger, kind, "query", "bad", "total", "states", *LIMIT_KEYS)
    elif kind in ("crashLoop", "event"):
        yield from forbidden(trigger, kind, "query", "bad", "total", "states", *LIMIT_KEYS)
    elif kind == "regression":
        yield from forbidden(trigger, kind, "states", "for", "immediate", *LIMIT_KEYS)
        yield from regression_faults(trigger)
    elif kind == "burnRate":
        yield from missing(trigger, kind, "bad", "total", "burnRate")
        yield from forbidden(trigger, kind, "query", "states", "comparison", "threshold", "reduce")
        yield from counter_faults(trigger, kind, "bad", "total")
        yield from burn_rate_faults(trigger)
    elif kind == "absence":
        yield from missing(trigger, kind, "query", "absence")
        yield from forbidden(trigger, kind, "bad", "total", "states", *LIMIT_KEYS)
    elif kind == "gauge":
        limits = set(LIMIT_KEYS) - {"reduce"}
        yield from missing(trigger, kind, "query")
        yield from forbidden(trigger, kind, "bad", "total", "states", "for", "immediate", *sorted(limits))
    for other in ("crashLoop", "alert", "burnRate", "regression", "gauge", "absence", "event"):
        if kind and other != kind:
            yield from forbidden(trigger, kind, other)


def _hold(trigger: View, window: timedelta) -> Iterator[Found]:
    hold = trigger.at("for").duration
    immediate = trigger.at("immediate").flag
    if hold is None:
        return
    if hold == timedelta(0) and not immediate:
        yield (
            trigger.at("for").mark,
            "`for: 0` fires on a single measurement",
            "add `immediate: true`, or a longer `for`",
        )
    if hold > timedelta(0) and immediate:
        yield trigger.key_mark("immediate"), "`immediate` and a `for` exclude each other", "remove one of them"
    if hold > window:
        fix = "shorten `for`, or lengthen `timing.window`"
        yield trigger.at("for").mark, "`for` is longer than `timing.window`, so it can never fire", fix


def _suspects(spec: View) -> Iterator[Found]:
    threshold = spec.at("suspects", "threshold")
    if threshold.number is not None and not 0 <= threshold.number <= 1:
        yield threshold.mark, "`threshold` is not a probability", "write 0.8 for 80 %"


def _rendered(spec: View) -> Iterator[Found]:
    """Each query with each target's real names: what a sample fits into, a real name may not."""
    pairs = [
        (query, target)
        for query in queries(spec)
        for target in spec.at("targets").items
        if query.text and target.at("name").text and target.has("application")
    ]
    for query, target in pairs[:MAX_RENDERED]:
        values = {"NAMESPACE": "n", "REVISION": "r", "PROJECT": "p", "CLUSTER": "c", **_variables(target)}
        try:
            text = query.text or ""
            language_of(text).fill(text, values)
        except QueryInvalid as exc:
            if "outside quotes" in exc.message or "one tag" in exc.message or "no name" in exc.message:
                yield query.mark, f"for target {shown(target.at('name').text or '')}: {exc.message}", ""


def queries(spec: View) -> tuple[View, ...]:
    """Every query template of triggers and checks, in the order of the file."""
    items = (*spec.at("triggers").items, *spec.at("verification", "checks").items)
    asked = [item.at(key) for item in items for key in ("query", "bad", "total") if item.has(key)]
    return (*asked, *(item.at("absence", "beside") for item in items if item.at("absence").has("beside")))


def _variables(target: View) -> dict[str, str]:
    name = target.at("name").text or ""
    namespace = target.at("workload", "namespace").text
    workload = Workload("", namespace, "") if namespace else None
    reference = ApplicationRef("", target.at("application", "name").text or "")
    return variables_of(Target(name, "", reference, workload))
