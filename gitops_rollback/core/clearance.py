"""Which comparing triggers may act by themselves here? Those whose word was right about the application's own past.

A clean `backtest` or `report` is a line of the journal, so it outlives restarts; it counts for the trigger as it was
tested, and for as long as the journal is read back.
Source: detection.md section 8.3; safety.md, Observe, report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.policy import Counting, Policy, Trigger

CLEARED = "cleared"
COMPARING = "regression"


def comparing(policy: Policy) -> tuple[str, ...]:
    """The names of the triggers that a clean test may clear."""
    return tuple(one.name for one in policy.triggers if one.type == COMPARING)


def clearance(application: str, policy: Policy, judged: Collection[str], by: str, at: datetime) -> DecisionEntry | None:
    """The line that says so of the comparing triggers that have `judged` that past; None where none has.

    `by` is what was clean.
    """
    known = set(comparing(policy)) & set(judged)
    tested = {one.name: fingerprint(one) for one in policy.triggers if one.name in known}
    if not tested:
        return None
    named = ", ".join(sorted(tested))
    message = f"{by} was clean: {named} may act by itself where the policy says auto_rollback"
    # No revision: it is about no deployment.
    return DecisionEntry(at, application, CLEARED, Reason.REQUESTED.value, "", message, {"triggers": tested})


def cleared(entries: Iterable[DecisionEntry], application: str, policy: Policy) -> frozenset[str]:
    """The names of its triggers that a clean test has cleared, and that ask the same as then."""
    known: dict[str, object] = {}
    for entry in entries:
        if entry.action == CLEARED and entry.application == application:
            triggers = entry.details.get("triggers")
            known.update(triggers if isinstance(triggers, Mapping) else {})
    return frozenset(one.name for one in policy.triggers if known.get(one.name) == fingerprint(one))


def fingerprint(trigger: Trigger) -> str:
    """What decides its word."""
    how = trigger.counting
    more = (trigger.query, str(how.slow), how.version, *how.peers) if trigger.query or how != Counting() else ()
    asked = "\0".join((trigger.type, trigger.bad, trigger.total, *more))
    return hashlib.sha256(asked.encode()).hexdigest()[:16]
