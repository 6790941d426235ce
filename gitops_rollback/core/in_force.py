"""Which policy judges a change? The newest that the change did not bring, tightened by what only restricts at the head.

A change must not weaken the policy that judges it, and nobody should have to deploy in order to be left alone. So what
the branch's head adds counts at once if it can only prevent acting, and waits for the next good revision if it could
cause acting. Each key's direction stands here once.
Source: safety.md, Policy in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gitops_rollback.core.certainty import strictest
from gitops_rollback.core.guards.facts import Limit
from gitops_rollback.core.policy import (
    MODES,
    AlertRule,
    Cascade,
    Comparison,
    Counting,
    Delivery,
    GuardRule,
    Policy,
    Severity,
    Target,
    Timing,
    Trigger,
)

DEARER = ("rollback_risk", "false_rollback")  # costs that only hold back
DATA = ("safe", "", "ask")  # likewise; "" leaves it to what was seen


def restrict(in_force: Policy, head: Policy | None, head_brought_by_suspect: bool) -> Policy:
    """`in_force` with every restriction that `head` has beyond it, and with nothing that widens.

    `head` None: the policy is gone from the head, so nobody is watched by it any more. A head that a suspect brought
    counts for nothing. Targets are matched by application, triggers by name.
    """
    if head_brought_by_suspect:
        note = "a commit under suspicion changes this policy; the change does not count"
        return replace(in_force, warnings=(*in_force.warnings, note))
    if head is None:
        return replace(in_force, suspend=True, targets=())
    targets = {(target.engine, target.application): target for target in head.targets}
    triggers = {trigger.name: trigger for trigger in head.triggers}
    kept = ((target, targets.get((target.engine, target.application))) for target in in_force.targets)
    named = ((trigger, triggers.get(trigger.name)) for trigger in in_force.triggers)
    narrowed = (_trigger(trigger, other) for trigger, other in named if other is not None)
    return replace(
        in_force,
        suspend=in_force.suspend or head.suspend,
        targets=tuple(_target(target, other) for target, other in kept if other is not None),
        triggers=tuple(trigger for trigger in narrowed if trigger is not None),
        timing=_timing(in_force.timing, head.timing),
        delivery=restrict_delivery(in_force.delivery, head.delivery),
        guards=_guards(in_force.guards, head.guards),
        cascade=_cascade(in_force.cascade, head.cascade),
        certainty=strictest(in_force.certainty, head.certainty),
        superseding="ask" if "ask" in (in_force.superseding, head.superseding) else head.superseding,
        by_cost=in_force.by_cost or head.by_cost,
        costs=_costs(in_force, head),
        updater=in_force.updater if in_force.updater == head.updater else None,
        image_automation="ask" if "ask" in (in_force.image_automation, head.image_automation) else "hold",
        promotion=in_force.promotion if in_force.promotion == head.promotion else None,
        require_rehearsal=in_force.require_rehearsal or head.require_rehearsal,
        unbuilt=tuple(dict.fromkeys((*in_force.unbuilt, *head.unbuilt))),
    )


def _costs(in_force: Policy, head: Policy) -> tuple[tuple[str, float], ...]:
    """Where both decide by costs, only a dearer rollback of the head counts; who does not has none to keep."""
    if not in_force.by_cost:
        return head.costs if head.by_cost else in_force.costs
    known, newer = dict(in_force.costs), dict(head.costs)
    dearer = {name: max(newer[name], known.get(name, 0.0)) for name in DEARER if head.by_cost and name in newer}
    return tuple(sorted((known | dearer).items()))


def within_bounds(policy: Policy, bounds: Sequence[Limit]) -> Policy:
    """`policy` with each of its budgets cut to `bounds`, the controller's own for one application; a warning a cut.

    A budget over a longer time than a bound's may hold as many as the bound lets pass in that time.
    """
    guards: list[GuardRule] = []
    warnings = list(policy.warnings)
    for guard in policy.guards:
        cut = _within(guard, bounds)
        if cut is not guard:
            warnings.append(
                f"guard {guard.name}: {guard.max_rollbacks} rollbacks are above the controller's own limit; "
                f"{cut.max_rollbacks} are allowed"
            )
        guards.append(cut)
    return replace(policy, guards=tuple(guards), warnings=tuple(warnings))


def _within(guard: GuardRule, bounds: Sequence[Limit]) -> GuardRule:
    if guard.type != "budget" or guard.max_rollbacks is None:
        return guard
    caps = [bound.most * max(1, -(-guard.per // bound.per)) for bound in bounds if bound.per > timedelta(0)]
    cap = min(caps, default=guard.max_rollbacks)
    return guard if guard.max_rollbacks <= cap else replace(guard, max_rollbacks=cap)


def _target(target: Target, head: Target) -> Target:
    """The data word: asking is stricter than not saying, stricter than `safe`. Drills both must allow.

    Where it is rehearsed the older one says, if it says anything.
    """
    if target == head:
        return target
    target = replace(target, drill=target.drill and head.drill, rehearse=target.rehearse or head.rehearse)
    if DATA.index(head.data_rollback) <= DATA.index(target.data_rollback):
        return target
    return replace(target, data_rollback=head.data_rollback, data_because=head.data_because)


def _trigger(trigger: Trigger, head: Trigger) -> Trigger | None:
    """The trigger as the later and weaker of both; None if nothing is left that fires it."""
    if trigger == head and (trigger.states or trigger.type != "health"):
        return trigger
    states = tuple(state for state in trigger.states if state in head.states)
    symptoms = tuple(word for word in trigger.symptoms if word in head.symptoms)
    if (trigger.type == "health" and not states) or (trigger.type in ("crashLoop", "event") and not symptoms):
        return None
    return replace(
        trigger,
        severity=min(trigger.severity, head.severity, key=lambda severity: Severity(severity).rank),
        threshold=_threshold(trigger, head),
        hold_for=max(trigger.hold_for, head.hold_for),
        immediate=trigger.immediate and head.immediate,
        minimum_per_second=max(trigger.minimum_per_second, head.minimum_per_second),
        baseline=replace(
            trigger.baseline,
            must_exceed_factor=max(trigger.baseline.must_exceed_factor, head.baseline.must_exceed_factor),
        ),
        states=states if trigger.type == "health" else trigger.states,
        symptoms=symptoms,
        alert=_alert(trigger.alert, head.alert),
        counting=_counting(trigger, head),
        built=trigger.built and head.built,
    )


def _alert(rule: AlertRule | None, head: AlertRule | None) -> AlertRule | None:
    """The rule that blames less: the longer time in which an alert may have been pending; unknown blames nothing."""
    if rule is None or head is None or rule.labels != head.labels:
        return rule
    if rule.pending_for is None or head.pending_for is None:
        return replace(rule, pending_for=None)
    return replace(rule, pending_for=max(rule.pending_for, head.pending_for))


def _counting(trigger: Trigger, head: Trigger) -> Counting:
    """Peers only hold back, so those that are new count at once."""
    known = trigger.counting
    return known if known.peers or head.type != trigger.type else replace(known, peers=head.counting.peers)


def _threshold(trigger: Trigger, head: Trigger) -> float:
    """The limit that is harder to reach, if both speak of the same value."""
    if _measured(trigger) != _measured(head):
        return trigger.threshold
    later = max if trigger.comparison is Comparison.GREATER_THAN else min
    return later(trigger.threshold, head.threshold)


def _measured(trigger: Trigger) -> tuple[object, ...]:
    asked = (trigger.type, trigger.query, trigger.bad, trigger.total, trigger.beside, trigger.burn_rate)
    return *asked, trigger.comparison, trigger.reduce


def _timing(timing: Timing, head: Timing) -> Timing:
    if timing == head:
        return timing
    return replace(
        timing,
        window=min(timing.window, head.window),
        initial_delay=max(timing.initial_delay, head.initial_delay),
        cooldown=max(timing.cooldown, head.cooldown),
    )


def restrict_delivery(delivery: Delivery, head: Delivery) -> Delivery:
    """`delivery` with what the head's restricts beyond it."""
    if delivery == head:
        return delivery
    rules, other = delivery.pull_request, head.pull_request
    return replace(
        delivery,
        mode=max(delivery.mode, head.mode, key=MODES.index),
        on_rejected=max(delivery.on_rejected, head.on_rejected, key=MODES.index),
        pull_request=replace(
            rules,
            auto_merge=rules.auto_merge and other.auto_merge,
            land_within=min(rules.land_within, other.land_within),
        ),
    )


def _cascade(cascade: Cascade | None, head: Cascade | None) -> Cascade | None:
    """Without one in both a person is asked."""
    if cascade is None or head is None:
        return None
    result = max(cascade.result, head.result, key=lambda one: one.rank)
    return Cascade(min(cascade.max_depth, head.max_depth), result)


def _guards(guards: Sequence[GuardRule], head: Sequence[GuardRule]) -> tuple[GuardRule, ...]:
    """All guards of both, without those that another one covers: the strictest answer wins anyway."""
    kept = [next((other for other in head if _stricter(other, guard)), guard) for guard in guards]
    added = [guard for guard in head if not any(_covers(other, guard) for other in kept)]
    return tuple(dict.fromkeys((*kept, *added)))


def _stricter(one: GuardRule, other: GuardRule) -> bool:
    return _covers(one, other) and not _covers(other, one)


def _covers(strict: GuardRule, loose: GuardRule) -> bool:
    """True if `strict` says at least as strict a word wherever `loose` says one."""
    same = (strict.type, strict.trailer, strict.commit, strict.images) == (
        loose.type,
        loose.trailer,
        loose.commit,
        loose.images,
    )
    return (
        same
        and strict.result.rank >= loose.result.rank
        and set(strict.paths) >= set(loose.paths)
        and set(strict.during) >= set(loose.during)
        and _at_most(strict.max_targets, loose.max_targets)
        and _at_most(strict.max_files, loose.max_files)
        and _at_most(strict.max_rollbacks, loose.max_rollbacks)
        and _at_most(loose.minimum, strict.minimum)
        and strict.per >= loose.per
    )


def _at_most(strict: int | None, loose: int | None) -> bool:
    """True if the limit `strict` allows no more than `loose`; None is no limit."""
    return loose is None or (strict is not None and strict <= loose)
