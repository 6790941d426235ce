"""Which strategies undo a change, and which fields does each of them set, in which steps? From what git holds now.

For each changed file the first rule that matches decides. The steps of the rules that were chosen come in the order of
the policy, and the revert of all that they do not undo comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from gitops_rollback.core.infrastructure import Sides as File
from gitops_rollback.core.infrastructure import pieces_of
from gitops_rollback.core.manifest_fields import INSIDE, FieldFault, Value, alike, read_field
from gitops_rollback.core.paths import matches
from gitops_rollback.core.policy import FileField, Strategy
from gitops_rollback.core.strategies.choosing import AUTO, REVERT_MODE, STEPS_MODE, Shift
from gitops_rollback.core.strategies.migration import Read, Sides, Unfit, content_of, fixup_step, sequence_of
from gitops_rollback.core.strategies.skipping import skipping
from gitops_rollback.core.strategies.stages import FieldValue, PlannedStep, Stages

CANARY, BLUE_GREEN, FEATURE_FLAG, ROLLING = "canary", "blue-green", "feature-flag", "rolling"
MIGRATION, INFRASTRUCTURE = "migration", "infrastructure"
STAGED_TYPES = (CANARY, BLUE_GREEN, FEATURE_FLAG)
WHOLE = 100  # what weights without a complement are parts of
PERCENT = "percent"  # a field of this name is one of shares that must be 100 together: Knative's


def chosen(
    strategies: Sequence[Strategy], changed: Sequence[str], read: Read, migrated: bool = False
) -> tuple[Strategy, ...]:
    """The rules that undo these files, in the policy's order; a file that no rule matches is reverted.

    A migration rule that matches no names matches everything where one was recognised by what ran: `migrated`.
    """
    rules = [one for one in strategies if migrated or not one.by_what_ran]
    firsts = {first_rule(rules, path, read) for path in changed}
    staged = (*STAGED_TYPES, MIGRATION)
    return tuple(one for one in rules if one in firsts and (one.type in staged or one.fixup or one.skips))


def first_rule(strategies: Sequence[Strategy], path: str, read: Read) -> Strategy | None:
    """The rule that decides how this file is undone; None where none matches."""
    return next((one for one in strategies if _matches(one, path, read)), None)


def planned(strategies: Sequence[Strategy], read: Read) -> Stages | None:
    """The steps of all of these; None where nothing is left to set before the revert. Raises: Unfit.

    Data is put right before anything that the old code serves from; where a migration is reversed that comes last.
    """
    found = _in_order(strategies, read)
    if not found.steps and not found.setting:
        return None
    before: dict[tuple[str, str], Value] = {(one.path, one.field): None for one in found.setting}
    for value in (value for step in found.steps for value in step.sets):
        before.setdefault((value.path, value.field), read_field(content_of(read, value.path), value.field))
    return replace(
        found,
        before=tuple(FieldValue(path, field, value) for (path, field), value in before.items()),
        pause=max((one.pause for one in strategies), default=timedelta(0)),
        checked=any(one.check_each_step for one in strategies),
        on_failed=strategies[0].on_check_failed,
        stable=tuple(dict.fromkeys(name for one in strategies for name in one.stable)),
    )


def _in_order(strategies: Sequence[Strategy], read: Read) -> Stages:
    """The steps alone."""
    fixed: list[PlannedStep] = []
    found = Stages(tuple(one.name for one in strategies), (), ())
    for one in sorted(strategies, key=lambda each: each.type == MIGRATION):
        try:
            if one.skips is not None:
                found = skipping(one.name, one.skips, read, found)
            if one.type == MIGRATION:
                first = len(fixed) + len(found.steps) + 1
                if found.closing is not None:
                    raise Unfit(f"strategy {one.name}: data goes back, and with its own gate Flagger's analysis stays")
                way = sequence_of(one, read, first)
                found = replace(found, steps=(*found.steps, *way.before), closing=way.closing, after=way.after)
                continue
            fixed += [fixup_step(one, read)] if one.fixup is not None else []
            found = replace(found, steps=(*found.steps, *MAKERS[one.type](one, read)))
        except FieldFault as fault:
            raise Unfit(f"strategy {one.name}: {one.edits.file if one.edits else ''}: {fault}") from None
    return replace(found, steps=(*fixed, *found.steps))


def weights(now: int, total: int, steps: Sequence[int]) -> tuple[int, ...]:
    """The weights to set one after the other: `steps` are per cent of `total`; only what is less than before.

    Source: reliability.md 5b: it never rises.
    """
    found: list[int] = []
    for share in steps:
        weight = total * share // WHOLE
        if weight < (found[-1] if found else now):
            found.append(weight)
    return tuple(found)


def slot_of(strategy: Strategy, read: Read) -> str:
    """The slot that a blue-green goes back to; "" where the change did not switch it. Raises: FieldFault, Unfit."""
    place = _edited(strategy)
    sides = read(place.file)
    now = read_field(content_of(read, place.file), place.field)
    if sides.restored is None:
        raise Unfit(f"strategy {strategy.name}: {place.file} was not there before, so no slot was active")
    restored = read_field(sides.restored, place.field)
    if not isinstance(restored, str) or not restored:
        raise Unfit(f"strategy {strategy.name}: {place.file}: {place.field} was {restored!r}, which names no slot")
    return restored if restored != now else ""


def shift_of(strategy: Strategy, read: Read) -> Shift:
    """What `mode: auto` is decided by, as far as files tell it. Raises: FieldFault, Unfit."""
    place, (now, total) = _edited(strategy), _shares(strategy, read)
    falls = weights(now, total, strategy.steps)
    try:
        restored = read(place.file).restored
        after = None if restored is None else _weight(restored, place.field, strategy)
    except (FieldFault, Unfit):
        after = None
    return Shift(now, after, total, falls, strategy.pause, bool(strategy.stable))


def _canary(strategy: Strategy, read: Read) -> list[PlannedStep]:
    """None where it was settled that the revert is all, and where nobody settled whether it is."""
    if strategy.mode in (AUTO, REVERT_MODE):
        return []
    place, (now, total) = _edited(strategy), _shares(strategy, read)
    content = content_of(read, place.file)
    share = strategy.steps if strategy.mode == STEPS_MODE else strategy.steps[-1:]
    found: list[PlannedStep] = []
    for weight in weights(now, total, share):
        sets = [FieldValue(place.file, place.field, _typed(content, place.field, weight))]
        if strategy.complement:
            value = _typed(content, strategy.complement, total - weight)
            sets.append(FieldValue(place.file, strategy.complement, value))
        found.append(PlannedStep(f"canary weight {now} -> {weight}", tuple(sets)))
        now = weight
    return found


def _shares(strategy: Strategy, read: Read) -> tuple[int, int]:
    """(the weight of the bad version now, that of both together)."""
    place = _edited(strategy)
    content = content_of(read, place.file)
    now = _weight(content, place.field, strategy)
    other = _weight(content, strategy.complement, strategy) if strategy.complement else WHOLE - now
    total = now + other
    if other < 0 or (place.field.endswith(PERCENT) and total != WHOLE):
        words = f"{now} and {other} are {total} together" if strategy.complement else f"the weight is {now}"
        raise Unfit(f"strategy {strategy.name}: {place.file}: {words}, not {WHOLE}")
    return now, total


def _blue_green(strategy: Strategy, read: Read) -> list[PlannedStep]:
    place, slot = _edited(strategy), slot_of(strategy, read)
    if not slot:
        return []
    now = read_field(content_of(read, place.file), place.field)
    value = FieldValue(place.file, place.field, _typed(content_of(read, place.file), place.field, slot))
    return [PlannedStep(f"active slot {now} -> {slot}", (value,))]


def _feature_flag(strategy: Strategy, read: Read) -> list[PlannedStep]:
    place = _edited(strategy)
    content = content_of(read, place.file)
    now = read_field(content, place.field)
    value = alike(now, strategy.to, place.field)
    if value == now:
        return []
    name = place.field.rpartition(INSIDE)[2].strip()
    return [PlannedStep(f"flag {name} {_word(now)} -> {_word(value)}", (FieldValue(place.file, place.field, value),))]


MAKERS: Mapping[str, Callable[[Strategy, Read], list[PlannedStep]]] = {
    ROLLING: lambda _strategy, _read: [],  # besides a data fix-up the revert is all
    INFRASTRUCTURE: lambda _strategy, _read: [],
    CANARY: _canary,
    BLUE_GREEN: _blue_green,
    FEATURE_FLAG: _feature_flag,
}


def _matches(strategy: Strategy, path: str, read: Read) -> bool:
    if strategy.by_kind:
        return bool(pieces_of(File(path, read(path).now, read(path).restored)))
    if not strategy.paths and not strategy.fields:
        return True
    if any(matches(glob, path) for glob in strategy.paths):
        return True
    return any(place.file == path and _differs(read(path), place.field) for place in strategy.fields)


def _differs(sides: Sides, field: str) -> bool:
    """The change touched the field. What cannot be read does not match: the revert alone is sure of it."""
    try:
        before, now = (None if one is None else read_field(one, field) for one in (sides.restored, sides.now))
    except FieldFault:
        return False
    return before != now


def _edited(strategy: Strategy) -> FileField:
    if strategy.edits is None:
        raise Unfit(f"strategy {strategy.name}: it names no file and field")
    return strategy.edits


def _weight(content: bytes, field: str, strategy: Strategy) -> int:
    value = read_field(content, field)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit(f"strategy {strategy.name}: {field} is {value!r}, which is no weight")
    return value


def _typed(content: bytes, field: str, value: Value) -> Value:
    return alike(read_field(content, field), value, field)


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
