"""Which strategies undo a change, and which fields does each of them set, in which steps? From what git holds now.

For each changed file the first rule that matches decides. The steps of the rules that were chosen come in the order of
the policy, and the revert of all that they do not undo comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.core.manifest_fields import INSIDE, FieldFault, Value, alike, read_field
from gitops_rollback.core.paths import matches
from gitops_rollback.core.policy import FileField, Strategy
from gitops_rollback.core.strategies.stages import FieldValue, PlannedStep, Stages

CANARY, BLUE_GREEN, FEATURE_FLAG, ROLLING = "canary", "blue-green", "feature-flag", "rolling"
STAGED_TYPES = (CANARY, BLUE_GREEN, FEATURE_FLAG)
WHOLE = 100  # what weights without a complement are parts of
PERCENT = "percent"  # a field of this name is one of shares that must be 100 together: Knative's


class Unfit(Exception):
    """What the strategy names is not there, or not as it must be; says what, for people."""


@dataclass(frozen=True)
class Sides:
    """A file before (as the plan leaves it) and now, at the head; None where there is none."""

    restored: bytes | None
    now: bytes | None


Read = Callable[[str], Sides]


def chosen(strategies: Sequence[Strategy], changed: Sequence[str], read: Read) -> tuple[Strategy, ...]:
    """The rules that undo these files, in the policy's order; a file that no rule matches is reverted."""
    firsts = {next((one for one in strategies if _matches(one, path, read)), None) for path in changed}
    return tuple(one for one in strategies if one in firsts and one.type in STAGED_TYPES)


def planned(strategies: Sequence[Strategy], read: Read) -> Stages | None:
    """The steps of all of these; None where nothing is left to set before the revert. Raises: Unfit."""
    steps: list[PlannedStep] = []
    before: dict[tuple[str, str], Value] = {}
    for one in strategies:
        try:
            found = MAKERS[one.type](one, read)
        except FieldFault as fault:
            raise Unfit(f"strategy {one.name}: {one.edits.file if one.edits else ''}: {fault}") from None
        steps += found
        for value in (value for step in found for value in step.sets):
            before.setdefault((value.path, value.field), read_field(_content(read, value.path), value.field))
    if not steps:
        return None
    rules = strategies[0]
    return Stages(
        strategies=tuple(one.name for one in strategies),
        steps=tuple(steps),
        before=tuple(FieldValue(path, field, value) for (path, field), value in before.items()),
        pause=max(one.pause for one in strategies),
        checked=any(one.check_each_step for one in strategies),
        on_failed=rules.on_check_failed,
        stable=tuple(dict.fromkeys(name for one in strategies for name in one.stable)),
    )


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
    now = read_field(_content(read, place.file), place.field)
    if sides.restored is None:
        raise Unfit(f"strategy {strategy.name}: {place.file} was not there before, so no slot was active")
    restored = read_field(sides.restored, place.field)
    if not isinstance(restored, str) or not restored:
        raise Unfit(f"strategy {strategy.name}: {place.file}: {place.field} was {restored!r}, which names no slot")
    return restored if restored != now else ""


def _canary(strategy: Strategy, read: Read) -> list[PlannedStep]:
    place = _edited(strategy)
    content = _content(read, place.file)
    now = _weight(content, place.field, strategy)
    other = _weight(content, strategy.complement, strategy) if strategy.complement else WHOLE - now
    total = now + other
    if other < 0 or (place.field.endswith(PERCENT) and total != WHOLE):
        words = f"{now} and {other} are {total} together" if strategy.complement else f"the weight is {now}"
        raise Unfit(f"strategy {strategy.name}: {place.file}: {words}, not {WHOLE}")
    share = strategy.steps[-1:] if strategy.mode != "steps" else strategy.steps
    found: list[PlannedStep] = []
    for weight in weights(now, total, share):
        sets = [FieldValue(place.file, place.field, _typed(content, place.field, weight))]
        if strategy.complement:
            value = _typed(content, strategy.complement, total - weight)
            sets.append(FieldValue(place.file, strategy.complement, value))
        found.append(PlannedStep(f"canary weight {now} -> {weight}", tuple(sets)))
        now = weight
    return found


def _blue_green(strategy: Strategy, read: Read) -> list[PlannedStep]:
    place, slot = _edited(strategy), slot_of(strategy, read)
    if not slot:
        return []
    now = read_field(_content(read, place.file), place.field)
    value = FieldValue(place.file, place.field, _typed(_content(read, place.file), place.field, slot))
    return [PlannedStep(f"active slot {now} -> {slot}", (value,))]


def _feature_flag(strategy: Strategy, read: Read) -> list[PlannedStep]:
    place = _edited(strategy)
    content = _content(read, place.file)
    now = read_field(content, place.field)
    value = alike(now, strategy.to, place.field)
    if value == now:
        return []
    name = place.field.rpartition(INSIDE)[2].strip()
    return [PlannedStep(f"flag {name} {_word(now)} -> {_word(value)}", (FieldValue(place.file, place.field, value),))]


MAKERS: Mapping[str, Callable[[Strategy, Read], list[PlannedStep]]] = {
    CANARY: _canary,
    BLUE_GREEN: _blue_green,
    FEATURE_FLAG: _feature_flag,
}


def _matches(strategy: Strategy, path: str, read: Read) -> bool:
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


def _content(read: Read, path: str) -> bytes:
    content = read(path).now
    if content is None:
        raise FieldFault("there is no such file")
    return content


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
