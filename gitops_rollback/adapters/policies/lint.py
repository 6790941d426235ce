"""What is allowed in a policy and yet probably not meant: warnings, each with what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from gitops_rollback.adapters.policies.promql import template_errors, template_warnings
from gitops_rollback.adapters.policies.rules_costs import cost_warnings
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.rules_strategies import unseen_runs
from gitops_rollback.adapters.policies.unbuilt import Unbuilt, trigger_type, unbuilt
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import Fault, shown
from gitops_rollback.core.policy import Timing
from gitops_rollback.core.query import used_variables
from gitops_rollback.core.ranking import ELSEWHERE
from gitops_rollback.core.written import SKIP_MARKER, Mark

NAMING_VARIABLES = frozenset({"SERVICE", "NAMESPACE", "APPLICATION"})


def lint_faults(spec: View, text: str, path: str) -> list[Fault]:
    """All warnings about a policy file; never an error."""
    checks: tuple[Callable[[View], Iterator[Found]], ...] = (
        *(_data, _hold, _queries, _rehearsals, _severity, _suspects),
        *(cost_warnings, unseen_runs),
    )
    found = [_warning(path, mark, message, fix) for check in checks for mark, message, fix in check(spec)]
    return [*found, *unmarked(text, path), *(_not_built(path, key) for key in unbuilt(spec))]


def unmarked(text: str, path: str) -> Iterator[Fault]:
    """A warning where nothing keeps Argo CD off the file."""
    if not any(line.lstrip().startswith("#") and SKIP_MARKER in line for line in text.splitlines()):
        fix = f"make `# {SKIP_MARKER}` the first line"
        yield _warning(path, Mark(1, 1), "a recursing Argo CD application would try to apply this file", fix)


def _warning(path: str, mark: Mark, message: str, fix: str) -> Fault:
    return Fault(path, mark.line, mark.col, message, fix, "warning")


def _not_built(path: str, key: Unbuilt) -> Fault:
    return _warning(path, key.mark, f"`{key.name}` is not carried out by this version", key.consequence)


def _automatic(spec: View) -> bool:
    return any(trigger.at("severity").text == "auto_rollback" for trigger in spec.at("triggers").items)


def _data(spec: View) -> Iterator[Found]:
    """Only the team knows whether the last release reads what this one wrote."""
    if not _automatic(spec):
        return
    for target in spec.at("targets").items:
        if not target.has("data"):
            name = shown(target.at("name").text or "")
            yield (
                target.mark,
                f"target {name} is rolled back automatically and says nothing on its data",
                "add `data: {rollback: safe}` or `{rollback: ask}`",
            )


def _hold(spec: View) -> Iterator[Found]:
    interval = spec.at("timing", "interval").duration or Timing().interval
    for trigger in spec.at("triggers").items:
        hold = trigger.at("for").duration
        if hold is not None and timedelta(0) < hold < interval:
            yield (
                trigger.at("for").mark,
                "`for` is shorter than `timing.interval`",
                "two measurements are needed anyway",
            )


def _rehearsals(spec: View) -> Iterator[Found]:
    """Where nobody says on what, nothing is ever rehearsed, and so nothing is automatic."""
    targets = spec.at("targets").items
    named = {target.at("rehearse").text for target in targets if target.has("rehearse")}
    for target in targets:
        own = target.at("application", "name").text
        if target.has("rehearse") and target.at("rehearse").text == own:
            fix = "name another application, for staging"
            yield target.at("rehearse").mark, "an application is not rehearsed on itself", fix
        if spec.at("requireRehearsal").flag and not target.has("rehearse") and own not in named:
            name = shown(target.at("name").text or "")
            fix = "add `rehearse:` with the name of the application for staging"
            yield target.mark, f"`requireRehearsal` asks for all of target {name}, which says not where", fix


def _severity(spec: View) -> Iterator[Found]:
    for trigger in spec.at("triggers").items:
        threshold = trigger.at("threshold").number
        if trigger_type(trigger) == "ratio" and threshold is not None and not 0 <= threshold <= 1:
            yield trigger.at("threshold").mark, "a ratio lies between 0 and 1", "5 % is 0.05"


def _suspects(spec: View) -> Iterator[Found]:
    threshold, most = spec.at("suspects", "threshold"), 1 - ELSEWHERE
    if threshold.number is not None and most < threshold.number <= 1:
        yield (
            threshold.mark,
            "no suspect ever reaches this threshold",
            f"write {most:g} or less: {ELSEWHERE:g} always stays with what lies outside of the application's inputs",
        )


def _queries(spec: View) -> Iterator[Found]:
    targets = spec.at("targets").items
    items = (*spec.at("triggers").items, *spec.at("verification", "checks").items)
    for query in (item.at(key) for item in items for key in ("query", "bad", "total") if item.has(key)):
        text = query.text
        if text is None or template_errors(text):
            continue
        for message, fix in template_warnings(text):
            yield query.mark, message, fix
        if len(targets) > 1 and not used_variables(text) & NAMING_VARIABLES:
            yield query.mark, "the query is the same for every target", 'select by `service="$SERVICE"` or the like'
