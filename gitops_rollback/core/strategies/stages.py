"""A plan of several commits: which fields each of them sets, and that the culprit is reverted in the end.

The list is part of the rollback's record. How far it has come is not: that is what the branch holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gitops_rollback.core.manifest_fields import Value
from gitops_rollback.core.rollback import RollbackRecord

STAGES = "stages"  # in `evidence` of a record: see `document`
JUMP, HOLD, PAGE = "jump-to-last", "hold", "page"  # what follows when a check gets worse between two steps
MAX_STEPS = 100


@dataclass(frozen=True)
class FieldValue:
    """What a field of a file holds; the way to it is written as `manifest_fields` has it."""

    path: str
    field: str
    value: Value


@dataclass(frozen=True)
class PlannedStep:
    """One commit. `title` says what it does, for its subject: `canary weight 25 -> 10`."""

    title: str
    sets: tuple[FieldValue, ...]


@dataclass(frozen=True)
class Stages:
    """The commits of a plan, in order; where it `closes`, one more reverts the culprit.

    `before` is what stood at each field when it was planned. `pause` is how long each step must have been applied
    before the next; where it is `checked`, what fired may not be worse than it was. `stable` are triggers that measure
    the version that the traffic goes back to.
    """

    strategies: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    before: tuple[FieldValue, ...]
    closes: bool = True
    pause: timedelta = timedelta(0)
    checked: bool = True
    on_failed: str = JUMP
    stable: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return len(self.steps) + self.closes

    @property
    def files(self) -> frozenset[str]:
        """The files that it edits."""
        return frozenset(one.path for one in self.before)

    def title(self, n: int) -> str:
        """What step `n`, counted from 1, does; "" for the revert."""
        return self.steps[n - 1].title if n <= len(self.steps) else ""

    @property
    def words(self) -> str:
        """All of it, for people: one line."""
        steps = [f"{n}. {one.title}" for n, one in enumerate(self.steps, start=1)]
        closing = [f"{self.total}. the revert"] if self.closes else []
        return "; ".join((*steps, *closing))

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        return {
            "strategies": list(self.strategies),
            "steps": [{"title": one.title, "sets": _documents(one.sets)} for one in self.steps],
            "before": _documents(self.before),
            "closes": self.closes,
            "pauseSeconds": self.pause.total_seconds(),
            "checked": self.checked,
            "onFailed": self.on_failed,
            "stable": list(self.stable),
        }


def unfinished(record: RollbackRecord) -> bool:
    """More commits belong to it than have been pushed."""
    return record.open and bool(record.steps) and record.steps[-1].n < record.steps[-1].of


def stages_of(record: RollbackRecord) -> Stages | None:
    """The plan of a record; None where it has none, or none that can be read: whoever may push may have written it."""
    found = record.evidence.get(STAGES)
    if not isinstance(found, Mapping):
        return None
    try:
        return _stages(found)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _stages(found: Mapping[str, object]) -> Stages:
    steps = tuple(PlannedStep(_text(one, "title"), _values(one["sets"])) for one in _mappings(found["steps"]))
    on_failed = _text(found, "onFailed")
    pause = found["pauseSeconds"]
    if not 0 < len(steps) <= MAX_STEPS or on_failed not in (JUMP, HOLD, PAGE) or not isinstance(pause, int | float):
        raise ValueError("no plan of several steps")
    return Stages(
        strategies=_texts(found["strategies"]),
        steps=steps,
        before=_values(found["before"]),
        closes=found["closes"] is True,
        pause=timedelta(seconds=max(0.0, float(pause))),
        checked=found["checked"] is True,
        on_failed=on_failed,
        stable=_texts(found["stable"]),
    )


def _documents(values: tuple[FieldValue, ...]) -> list[dict[str, object]]:
    return [{"path": one.path, "field": one.field, "value": one.value} for one in values]


def _values(found: object) -> tuple[FieldValue, ...]:
    return tuple(FieldValue(_text(one, "path"), _text(one, "field"), _scalar(one["value"])) for one in _mappings(found))


def _mappings(found: object) -> tuple[Mapping[str, object], ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError("no list of mappings")
    return tuple(found)


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise ValueError("no list of texts")
    return tuple(found)


def _text(found: Mapping[str, object], name: str) -> str:
    value = found[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _scalar(value: object) -> Value:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError("no single value")
    return value
