"""May one more rollback happen now? Budgets of the controller and of the policy, and the pause after each rollback.

Counted are distinct automatic rollbacks with a pushed commit. Source: safety.md, Ownership; reliability.md, row 13b.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import CountedRollback, GuardFacts, Limit, allow, answer, ask
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.policy import GuardRule

BUDGETS = "budgets"
COOLDOWN = "cooldown"
TENANT = "tenant"
UNSEEN = "earlier rollbacks cannot be read"


def judge_budgets(facts: GuardFacts) -> GuardAnswer:
    """Ask when the application, the repository or the controller has had its share; a person's count for nothing."""
    remedy = "look why so much is rolled back; approve this plan, or wait"
    if facts.rollbacks is None or facts.applications is None:
        return ask(BUDGETS, Reason.BUDGET_SPENT, UNSEEN, remedy)
    scopes = [(f"of {name}", facts.budgets.application, _touching(name)) for name in facts.applications]
    scopes.append((f"of repository {facts.repository}", facts.budgets.repository, _within(facts.repository)))
    scopes.append(("of this controller", facts.budgets.controller, _any))
    if facts.tenant is not None:
        limit = Limit(facts.tenant.most, timedelta(hours=24))
        scopes.append((f"of tenant {facts.tenant.tenant}", (limit,), _of_any(facts.tenant.applications)))
    for whose, limits, counts in scopes:
        spent = _spent([one for one in facts.rollbacks if counts(one)], limits, facts.now)
        if spent is not None:
            message = f"the budget {whose} is spent: {how_many(spent.most, 'automatic rollback')} in {spent.per}"
            return ask(BUDGETS, Reason.BUDGET_SPENT, message, remedy)
    return allow(BUDGETS, "within the budgets of application, repository and controller")


def judge_tenant(facts: GuardFacts) -> GuardAnswer:
    """Ask where the plan reaches what another team owns."""
    if not facts.foreign:
        return allow(TENANT, "nothing of another tenant changes")
    named = ", ".join(facts.foreign[:3]) + (" and more" if len(facts.foreign) > 3 else "")
    return ask(
        TENANT, Reason.FOREIGN_TENANT, f"the plan changes {named} of another tenant", "ask that team, then approve"
    )


def _of_any(applications: Collection[str]) -> Callable[[CountedRollback], bool]:
    return lambda one: any(name in applications for name in one.applications)


def judge_cooldown(facts: GuardFacts) -> GuardAnswer:
    """Ask while the last rollback of one of the applications, whoever asked for it, is younger than `cooldown`."""
    if facts.rollbacks is None or facts.applications is None:
        return ask(COOLDOWN, Reason.COOLDOWN, UNSEEN, "read the journal, then approve or reject the plan")
    times = [one.at for one in facts.rollbacks if set(one.applications) & set(facts.applications)]
    if times and facts.now - max(times) < facts.policy.timing.cooldown:
        left = facts.policy.timing.cooldown - (facts.now - max(times))
        message = f"the last rollback of it was {max(times):%H:%M:%S} UTC; {left} of the cooldown are left"
        return ask(COOLDOWN, Reason.COOLDOWN, message, "wait, or approve the plan")
    return allow(COOLDOWN, "no rollback of it lately")


def judge_budget_rule(facts: GuardFacts, rule: GuardRule) -> GuardAnswer:
    """The policy's own budget for its application; it can only narrow the controller's."""
    remedy = "approve the plan, or raise `maxRollbacks` with a commit"
    if facts.rollbacks is None or facts.applications is None:
        return answer(rule.name, rule.result, Reason.BUDGET_SPENT, UNSEEN, remedy)
    if rule.max_rollbacks is None:
        return answer(rule.name, rule.result, Reason.BUDGET_SPENT, "the rule names no `maxRollbacks`", remedy)
    limit = Limit(rule.max_rollbacks, rule.per)
    for name in facts.applications:
        if _spent([one for one in facts.rollbacks if _touching(name)(one)], (limit,), facts.now):
            message = f"{name} had {how_many(limit.most, 'automatic rollback')} in {limit.per}"
            return answer(rule.name, rule.result, Reason.BUDGET_SPENT, message, remedy)
    return allow(rule.name, f"fewer than {how_many(limit.most, 'rollback')} in {limit.per}")


def _touching(name: str) -> Callable[[CountedRollback], bool]:
    return lambda one: name in one.applications


def _within(repository: str) -> Callable[[CountedRollback], bool]:
    return lambda one: one.repository == repository


def _any(_one: CountedRollback) -> bool:
    return True


def _spent(rollbacks: Sequence[CountedRollback], limits: Sequence[Limit], now: datetime) -> Limit | None:
    """The first limit that one more would break. One that lies exactly `per` back is out; one in the future counts."""
    for limit in limits:
        young = sum(1 for one in rollbacks if one.automatic and now - one.at < limit.per)
        if young >= limit.most:
            return limit
    return None
