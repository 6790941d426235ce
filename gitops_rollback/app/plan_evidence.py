"""What a record and the journal's lines keep of a plan: whom it blames, what it changes, and what comes with it."""

from __future__ import annotations

from gitops_rollback.core.image_holds import hold_documents
from gitops_rollback.core.next_plans import FOLLOWS, RANKED
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.rollback import DRILL, HOLDS, REQUEST, STRATEGY, UPSTREAM
from gitops_rollback.core.strategies.planning import INFRASTRUCTURE

MAX_RANKED = 50  # suspects that a record keeps


def plan_evidence(plan: Plan) -> dict[str, object]:
    """By the names under which `core` reads it again."""
    reversal = plan.reversal
    evidence: dict[str, object] = {
        "suspects": list(plan.evidence),
        RANKED: [{"commit": sha, "probability": chance} for sha, chance in plan.ranked[:MAX_RANKED]],
        "plan": {
            "base": reversal.base,
            "tree": reversal.tree,
            "outcome": reversal.outcome.value,
            "paths": list(reversal.paths),
            "reverts": list(reversal.reverts),
        },
    }
    evidence |= plan.provisioned
    if plan.weighing is not None:
        evidence["certainty"] = plan.weighing.document
    if reversal.holds:
        evidence[HOLDS] = hold_documents(reversal.holds)
    strategy = INFRASTRUCTURE if plan.provision else plan.strategy
    named = {REQUEST: plan.request, DRILL: plan.drill, STRATEGY: strategy}
    evidence |= {key: value for key, value in named.items() if value}
    if plan.follows is not None:
        evidence[FOLLOWS] = {"rollback": plan.follows[0], "way": plan.follows[1]}
    if plan.upstream is not None:
        evidence[UPSTREAM] = plan.upstream.document
    return evidence
