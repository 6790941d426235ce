"""May this plan be carried out without a person? Every guard is asked, every answer recorded, the strictest wins.

A guard is one pure function of `GuardFacts`. The built-in ones are loosened by no policy; the policy adds its own. A
guard that fails, or cannot see what it needs, asks. Source: safety.md, Guards.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.branch import judge_branch, judge_claims
from gitops_rollback.core.guards.budget import judge_budgets, judge_cooldown, judge_tenant
from gitops_rollback.core.guards.capacity import judge_capacity
from gitops_rollback.core.guards.charts import judge_charts
from gitops_rollback.core.guards.damage import judge_damage
from gitops_rollback.core.guards.facts import GuardFacts, ask
from gitops_rollback.core.guards.images import judge_images
from gitops_rollback.core.guards.infrastructure import judge_infrastructure
from gitops_rollback.core.guards.irreversible import judge_irreversible
from gitops_rollback.core.guards.known_ground import judge_ground_of_plan, judge_quarantine
from gitops_rollback.core.guards.migrations import judge_data, judge_migrations
from gitops_rollback.core.guards.promoted import judge_promoted
from gitops_rollback.core.guards.references import judge_references
from gitops_rollback.core.guards.rehearsed import judge_rehearsal
from gitops_rollback.core.guards.rules import (
    judge_companions,
    judge_consequence,
    judge_dependants,
    judge_floor,
    judge_rule,
)
from gitops_rollback.core.guards.served import judge_served
from gitops_rollback.core.guards.standing import (
    judge_conflict,
    judge_delivery,
    judge_gate,
    judge_superseded,
    judge_unbuilt,
)
from gitops_rollback.core.guards.writer import judge_writer
from gitops_rollback.core.plan import GuardAnswer

Guard = Callable[[GuardFacts], GuardAnswer]

GUARDS: tuple[tuple[str, Guard], ...] = (
    ("clean-merge", judge_conflict),
    ("superseded", judge_superseded),
    ("gate", judge_gate),
    ("infrastructure", judge_infrastructure),
    ("irreversible", judge_irreversible),
    ("migrations", judge_migrations),
    ("data", judge_data),
    ("known-ground", judge_ground_of_plan),
    ("quarantine", judge_quarantine),
    ("branch-is-lever", judge_branch),
    ("one-application", judge_claims),
    ("another-writer", judge_writer),
    ("path-to-damage", judge_damage),
    ("capacity", judge_capacity),
    ("promoted", judge_promoted),
    ("image", judge_images),
    ("chart", judge_charts),
    ("served", judge_served),
    ("references", judge_references),
    ("rehearsed", judge_rehearsal),
    ("floor", judge_floor),
    ("rollback-with", judge_companions),
    ("dependants", judge_dependants),
    ("consequence", judge_consequence),
    ("tenant", judge_tenant),
    ("budgets", judge_budgets),
    ("cooldown", judge_cooldown),
    ("built", judge_unbuilt),
    ("delivery", judge_delivery),
)


def ask_guards(facts: GuardFacts) -> tuple[GuardAnswer, ...]:
    """The answers of all built-in guards, then those of the policy's rules, in their order. Never raises."""
    built_in = tuple(_asked(name, guard, facts) for name, guard in GUARDS)
    return built_in + tuple(_asked(rule.name, partial(judge_rule, rule=rule), facts) for rule in facts.policy.guards)


def _asked(name: str, guard: Guard, facts: GuardFacts) -> GuardAnswer:
    try:
        return guard(facts)
    except Exception as exc:
        message = f"the guard failed: {type(exc).__name__}"
        return ask(name, Reason.GUARD_FAILED, message, "look at the plan yourself, and report the failure")


__all__ = ["GUARDS", "Guard", "GuardFacts", "ask_guards"]
