"""Can the versions of charts that come back still be had?

A revert to a version that its repository has thrown away leaves the engine with an error, and the bad release running.
What the plan newly names is looked up. Source: reliability.md, row 15b; safety.md, Guards.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.charts import ChartPresence
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.images import Found
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult

GUARD = "chart"
REMEDY = "publish that version again or fix forward; if the engine still has it, approve the plan"
LOOK = "look whether it is there, then approve the plan; mend `chartRepositories` or `registries` in the settings"
SHOWN = 3


def judge_charts(facts: GuardFacts) -> GuardAnswer:
    """Hold a plan that brings back a version of a chart which is gone. Who cannot see asks."""
    if facts.charts is None:
        return ask(GUARD, Reason.CHART_UNKNOWN, "which charts come back cannot be seen", LOOK)
    if not facts.charts:
        return allow(GUARD, "no version of a chart comes back")
    missing = [one for one in facts.charts if one.found is Found.MISSING]
    if missing:
        return ask(GUARD, Reason.CHART_MISSING, f"gone: {_told(missing)}", REMEDY)
    unknown = [one for one in facts.charts if one.found in (Found.UNKNOWN, Found.NO_ANSWER)]
    if unknown:
        return ask(GUARD, Reason.CHART_UNKNOWN, f"not known to be there: {_told(unknown)}", LOOK)
    unasked = [one for one in facts.charts if one.found is Found.NOT_ASKED]
    if unasked:
        return GuardAnswer(GUARD, GuardResult.NOT_EVALUATED, None, f"not looked up: {_told(unasked)}")
    return allow(GUARD, f"there: {', '.join(str(one.chart) for one in facts.charts[:SHOWN])}")


def _told(found: Sequence[ChartPresence]) -> str:
    words = [f"{one.chart}" + (f" ({one.message})" if one.message else "") for one in found[:SHOWN]]
    return "; ".join(words) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
