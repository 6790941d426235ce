"""Does the cluster still serve the versions of the API that come back?

A sync of an object of a version that is gone fails, and the bad release would run on behind it.
Source: reliability.md, row 15b; safety.md, Guards.
"""

from __future__ import annotations

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import GuardFacts, allow, ask
from gitops_rollback.core.plan import GuardAnswer

GUARD = "served"
REMEDY = "write these objects in a version that the cluster serves, or fix forward"
SHOWN = 3


def judge_served(facts: GuardFacts) -> GuardAnswer:
    """Hold a plan that brings back objects which no engine could apply. What nobody can tell holds nothing up."""
    if not facts.unserved:
        return allow(GUARD, "no version of the API comes back that is known to be gone")
    more = f" and {len(facts.unserved) - SHOWN} more" if len(facts.unserved) > SHOWN else ""
    message = f"the cluster does not serve {', '.join(facts.unserved[:SHOWN])}{more}"
    return ask(GUARD, Reason.VERSION_NOT_SERVED, message, REMEDY)
