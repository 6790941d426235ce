"""Are the Secrets and ConfigMaps still there that the Pods which come back would need?

A revert to a version that reads what somebody has tidied away leaves the application with Pods that never start. Those
that the same manifests make come back with them; all others must be in the cluster. Who may not see them there knows
nothing, and says so. Source: reliability.md, row 15b; safety.md, Guards.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.images import Found
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.references import ReferencePresence

GUARD = "references"
REMEDY = "create it again, or fix forward"
SHOWN = 3


def judge_references(facts: GuardFacts) -> GuardAnswer:
    """Hold a plan whose Pods need what is gone. What nobody can tell holds nothing up."""
    found = facts.references
    if found is None:
        return _not_evaluated("which Secrets and ConfigMaps its Pods need cannot be seen")
    missing = [one for one in found if one.found is Found.MISSING]
    if missing:
        return ask(GUARD, Reason.REFERENCE_MISSING, f"gone: {_told(missing)}", REMEDY)
    unknown = [one for one in found if one.found is not Found.PRESENT]
    if unknown:
        return _not_evaluated(f"not known to be there: {_told(unknown)}")
    if found:
        return allow(GUARD, f"there: {', '.join(str(one.reference) for one in found[:SHOWN])}{_more(found)}")
    return allow(GUARD, "its Pods need no Secret or ConfigMap but what its manifests make")


def _told(found: Sequence[ReferencePresence]) -> str:
    words = [f"{one.reference}" + (f" ({one.message})" if one.message else "") for one in found[:SHOWN]]
    return "; ".join(words) + _more(found)


def _more(found: Sequence[ReferencePresence]) -> str:
    return f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""


def _not_evaluated(message: str) -> GuardAnswer:
    return GuardAnswer(GUARD, GuardResult.NOT_EVALUATED, None, message)
