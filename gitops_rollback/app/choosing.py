"""What `mode: auto` of a canary comes to for one plan: by the files, the journal's times, and who bears the traffic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gitops_rollback.app.gates import canary_of
from gitops_rollback.app.runs import UNSEEN
from gitops_rollback.app.stepping import Stepper
from gitops_rollback.app.subject import Look
from gitops_rollback.core.guards.facts import allow
from gitops_rollback.core.manifest_fields import FieldFault
from gitops_rollback.core.plan import GuardAnswer, PlanOutcome, Reversal
from gitops_rollback.core.policy import Strategy
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.choosing import AUTO, Choice, choose, mode_words, times_of
from gitops_rollback.core.strategies.migration import Unfit
from gitops_rollback.core.strategies.planning import CANARY, chosen, shift_of
from gitops_rollback.core.strategies.skipping import why_not
from gitops_rollback.core.trigger import Level
from gitops_rollback.ports import Objects

GUARD, SKIP = "strategy-mode", "skip-analysis"
WEIGHT_OWNERS = frozenset({("argoproj.io", "Rollout"), ("flagger.app", "Canary")})


def settled(
    stepper: Stepper,
    look: Look,
    reversal: Reversal,
    records: Iterable[RollbackRecord],
    migrated: bool,
    objects: Objects = UNSEEN,
) -> tuple[tuple[Strategy, ...], tuple[GuardAnswer, ...]]:
    """The strategies with all that this plan decides of them decided, and why. Raises: Unfit, RollbackError."""
    strategies, said = look.policy.strategies, tuple[GuardAnswer, ...]()
    if reversal.outcome is not PlanOutcome.CLEAN:
        return strategies, ()
    if any(one.skips for one in strategies):
        strategies, said = _skipping(strategies, stepper, look, reversal, objects)
    if not any(_is_auto(one) for one in strategies):
        return strategies, said
    read = stepper.reader(reversal)
    times = times_of(look.name, records)
    modes: dict[str, Choice] = {}
    for one in filter(_is_auto, chosen(strategies, reversal.paths, read, migrated)):
        try:
            shift = shift_of(one, read)
        except FieldFault as fault:
            raise Unfit(f"strategy {one.name}: {one.edits.file if one.edits else ''}: {fault}") from None
        shift = replace(shift, strained=_strained(one, look), owner=owner_of_weights(look))
        modes[one.name] = choose(shift, times)
    if not modes:
        return strategies, said
    decided = tuple(replace(one, mode=modes[one.name].mode) if one.name in modes else one for one in strategies)
    return decided, (*said, allow(GUARD, mode_words(modes)))


def _skipping(
    strategies: tuple[Strategy, ...], stepper: Stepper, look: Look, reversal: Reversal, objects: Objects
) -> tuple[tuple[Strategy, ...], tuple[GuardAnswer, ...]]:
    """Only what Flagger has promoted, and will promote anew, goes without its analysis; why, where it does not."""
    read = stepper.reader(reversal)
    sides = [read(path) for path in reversal.paths]
    found, said = list[Strategy](), list[GuardAnswer]()
    for one in strategies:
        if one.skips is not None:
            canary = canary_of(one.skips.canary, look.state, objects)
            why, promoted = why_not(canary, sides)
            one = replace(one, skips=None if why else replace(one.skips, promoted=promoted))
            said += [allow(SKIP, f"strategy {one.name}: the plain revert: {why}")] if why else []
        found.append(one)
    return tuple(found), tuple(said)


def owner_of_weights(look: Look) -> str:
    """The controller's object that moves weights by itself, so that git does not say what they are; "" for none."""
    owner = next((one for one in look.state.resources if (one.group, one.kind) in WEIGHT_OWNERS), None)
    return "" if owner is None else f"{owner.kind} {owner.name}"


def _is_auto(strategy: Strategy) -> bool:
    return strategy.type == CANARY and strategy.mode == AUTO


def _strained(strategy: Strategy, look: Look) -> str:
    """Why the version that takes over may not bear more, by the triggers that measure it; no data is never good."""
    last = {one.trigger: one.state.last for one in look.case.verdicts}
    for name in strategy.stable:
        tick = last.get(name)
        if tick is None or tick.level is not Level.FALSE:
            how = "is beyond its limit" if tick is not None and tick.level is Level.TRUE else "has no data"
            return f"{name}, which measures the version that takes over, {how}"
    return ""
