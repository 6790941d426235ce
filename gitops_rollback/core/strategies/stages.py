"""A plan of several commits: which fields each of them sets, and that the culprit is reverted in the end.

The list is part of the rollback's record. How far it has come is not: that is what the branch holds.
Where data moved, each commit has a gate of its own, and the culprit is reverted before the last of them. Where other
applications need what it brought, these go back first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.manifest_fields import Value
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.rollback import RollbackRecord, StepRecord

STAGES = "stages"  # in `evidence` of a record: see `document`
JUMP, HOLD, PAGE = "jump-to-last", "hold", "page"  # what follows when a check gets worse between two steps
FINISH, BACK = "finish", "back"  # how a plan that is held after a step ends safely
SET, PUT, DROP = "set", "put", "drop"  # a field that is there; one that need not be; one that is taken out
MAX_STEPS = 100


@dataclass(frozen=True)
class FieldValue:
    """What a field of a file holds; the way to it is written as `manifest_fields` has it. `how` it comes to that."""

    path: str
    field: str
    value: Value
    how: str = SET


@dataclass(frozen=True)
class StepGate:
    """What must be seen after a step before the next: all of it, and no data is never it.

    `end` says how a plan that is held here ends safely, and `way` what people do for that. `quiet` are triggers that
    must measure 0; `kept` those that may not measure less than when step `counted` was pushed. `empty` must have no Pod
    left, `job` must have completed since the step was pushed, and `complete` must be rolled out. `promoted` is a Canary
    of Flagger that must have promoted something else than `known` since.
    """

    end: str
    way: str
    quiet: tuple[str, ...] = ()
    empty: Workload | None = None
    job: Workload | None = None
    complete: Workload | None = None
    kept: tuple[str, ...] = ()
    counted: int = 0
    promoted: Workload | None = None
    known: str = ""

    @property
    def words(self) -> str:
        """The safe end, for people: half a sentence."""
        return f"safe end: {'finish' if self.end == FINISH else 'go back to the step before'}: {self.way}"

    @property
    def document(self) -> dict[str, object]:
        """As it stands in a step of a record."""
        named = {"empty": self.empty, "job": self.job, "complete": self.complete, "promoted": self.promoted}
        return {
            "end": self.end,
            "way": self.way,
            "quiet": list(self.quiet),
            "kept": list(self.kept),
            "counted": self.counted,
            **{key: [one.kind, one.namespace, one.name] for key, one in named.items() if one is not None},
            **({"known": self.known} if self.known else {}),
        }


@dataclass(frozen=True)
class PlannedStep:
    """One commit. `title` says what it does, for its subject: `canary weight 25 -> 10`.

    One that `reverts` commits (newest first) sets nothing: it takes back what another `application` needs too much.
    """

    title: str
    sets: tuple[FieldValue, ...]
    gate: StepGate | None = None
    reverts: tuple[str, ...] = ()
    application: str = ""


@dataclass(frozen=True)
class Stages:
    """The commits of a plan, in order; where it `closes`, one more reverts the culprit; those of `after` follow it.

    `before` is what stood at each field when it was planned. `pause` is how long each step must have been applied
    before the next; where it is `checked`, what fired may not be worse than it was. `stable` are triggers that measure
    the version that the traffic goes back to. `closing` is the gate after the revert, which `setting` are set with.
    """

    strategies: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    before: tuple[FieldValue, ...]
    closes: bool = True
    pause: timedelta = timedelta(0)
    checked: bool = True
    on_failed: str = JUMP
    stable: tuple[str, ...] = ()
    after: tuple[PlannedStep, ...] = ()
    closing: StepGate | None = None
    setting: tuple[FieldValue, ...] = ()

    @property
    def total(self) -> int:
        return self.revert + len(self.after)

    @property
    def revert(self) -> int:
        """The number of the commit whose message says what is reverted, even where that only sets a field."""
        return len(self.steps) + self.closes

    @property
    def coordinated(self) -> bool:
        """Its order is what keeps it safe, so nothing else may land it: data goes back, or what needs it."""
        return bool(self.cascade) or (self.closing is not None and not self.setting)

    @property
    def never_half(self) -> bool:
        """It stops between two commits only where people know how it ends safely."""
        return self.coordinated or self.closing is not None

    @property
    def skipped(self) -> str:
        """The name of the Canary whose analysis the revert skips; "" for none."""
        promoted = self.closing.promoted if self.closing else None
        return promoted.name if promoted else ""

    @property
    def cascade(self) -> tuple[PlannedStep, ...]:
        """The steps that take another application back, before all others."""
        return tuple(step for step in self.steps if step.reverts)

    @property
    def carried(self) -> tuple[str, ...]:
        """The applications that go back for the sake of the culprit's own."""
        return tuple(step.application for step in self.cascade)

    def planned(self, n: int) -> PlannedStep | None:
        """Step `n`, counted from 1; None for the revert."""
        if n <= len(self.steps):
            return self.steps[n - 1]
        return self.after[n - self.revert - 1] if n > self.revert else None

    def gate(self, n: int) -> StepGate | None:
        """What must be seen after step `n`, where it says so itself."""
        step = self.planned(n)
        return self.closing if step is None else step.gate

    def reverted(self, n: int, reverts: Sequence[str]) -> tuple[str, ...]:
        """Which of all the commits of the rollback go back with step `n`, newest first; () where it sets fields."""
        step = self.planned(n)
        if n != self.revert:
            return () if step is None else step.reverts
        before = {sha for one in self.cascade for sha in one.reverts}
        return tuple(sha for sha in reverts if sha not in before)

    @property
    def sets(self) -> tuple[FieldValue, ...]:
        """What each field is set to in the end."""
        every = (*self.steps, *self.after)
        return tuple({(one.path, one.field): one for step in every for one in step.sets}.values())

    @property
    def files(self) -> frozenset[str]:
        """The files that it edits."""
        return frozenset(one.path for one in self.before)

    def title(self, n: int) -> str:
        """What step `n`, counted from 1, does; "" for the revert."""
        step = self.planned(n)
        return "" if step is None else step.title

    @property
    def words(self) -> str:
        """All of it, for people: one line."""
        return "; ".join(f"{n}. {self.title(n) or 'the revert'}" for n in range(1, self.total + 1))

    @property
    def waiting(self) -> dict[str, object]:
        """What the evidence of a plan that waits must say: which of its commits is the culprit's own."""
        return {STAGES: self.document} if self.cascade else {}

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        return {
            "strategies": list(self.strategies),
            "steps": _step_documents(self.steps),
            "before": _documents(self.before),
            "closes": self.closes,
            "pauseSeconds": self.pause.total_seconds(),
            "checked": self.checked,
            "onFailed": self.on_failed,
            "stable": list(self.stable),
            "after": _step_documents(self.after),
            **({"closing": self.closing.document} if self.closing else {}),
            **({"setting": _documents(self.setting)} if self.setting else {}),
        }


def unfinished(record: RollbackRecord) -> bool:
    """More commits belong to it than have been pushed."""
    return record.open and bool(record.steps) and record.steps[-1].n < record.steps[-1].of


def between(record: RollbackRecord) -> tuple[Sequence[StepRecord], Sequence[str]]:
    """The commits whose applications are looked at now, and the applications that are so whatever these changed.

    While a cascade is on its way that is the newest one alone: what it is for is bad until the culprit is reverted.
    """
    stages = stages_of(record) if unfinished(record) else None
    step = stages.planned(record.steps[-1].n) if stages is not None else None
    if step is None or not step.reverts:
        return record.steps, record.applications
    return record.steps[-1:], (step.application,)


def must_have(record: RollbackRecord, application: str, pushed: datetime) -> tuple[str, datetime]:
    """The commit that an application must have applied, and since when: of those `pushed` by then the newest.

    One that went back for the culprit's sake has all that it needs with its own step.
    """
    stages = stages_of(record)
    carried = stages.carried if stages is not None else ()
    n = carried.index(application) + 1 if application in carried else 0
    own = next((one for one in record.steps if one.n == n), None)
    if own is None or own.commit is None:
        return record.commit or "", pushed
    return own.commit, min(pushed, own.pushed_at or pushed)


def taking_back(record: RollbackRecord) -> tuple[str, ...]:
    """Its commits that took a change back whole: the newest, and each that did so for another application.

    Where commits follow the revert, they take nothing away, and the revert does.
    """
    stages = stages_of(record)
    carried = len(stages.cascade) if stages is not None else 0
    own = stages.revert if stages is not None and stages.after else None
    newest = record.commit
    return tuple(
        one.commit
        for one in record.steps
        if one.commit and (one.n <= carried or (one.commit == newest if own is None else one.n == own))
    )


def set_meanwhile(record: RollbackRecord) -> frozenset[str]:
    """The files that its revert changed only until the commit after it."""
    stages = stages_of(record)
    return frozenset(one.path for one in stages.setting) if stages is not None else frozenset()


def stages_of(record: RollbackRecord) -> Stages | None:
    """The plan of a record; None where it has none, or none that can be read: whoever may push may have written it."""
    found = record.evidence.get(STAGES)
    if not isinstance(found, Mapping):
        return None
    try:
        stages = _stages(found)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    going = {sha for step in stages.cascade for sha in step.reverts}
    return stages if going <= set(record.reverts) else None


def _stages(found: Mapping[str, object]) -> Stages:
    steps, after = (_steps(found.get(key, ())) for key in ("steps", "after"))
    setting = _values(found.get("setting", ()))
    on_failed = _text(found, "onFailed")
    pause = found["pauseSeconds"]
    if (
        not (steps or (setting and after))
        or len(steps) + len(after) > MAX_STEPS
        or on_failed not in (JUMP, HOLD, PAGE)
        or not isinstance(pause, int | float)
    ):
        raise ValueError("no plan of several steps")
    return Stages(
        strategies=texts(found["strategies"]),
        steps=steps,
        before=_values(found["before"]),
        closes=found["closes"] is True,
        pause=timedelta(seconds=max(0.0, float(pause))),
        checked=found["checked"] is True,
        on_failed=on_failed,
        stable=texts(found["stable"]),
        after=after,
        closing=_gate(found.get("closing")),
        setting=setting,
    )


def _steps(found: object) -> tuple[PlannedStep, ...]:
    return tuple(_step(one) for one in _mappings(found))


def _step(found: Mapping[str, object]) -> PlannedStep:
    title, sets, gate = _text(found, "title"), _values(found["sets"]), _gate(found.get("gate"))
    reverts = texts(found.get("reverts", ()))
    if reverts and (gate is None or sets or not all(map(is_sha, reverts))):
        raise ValueError("no step that reverts")
    return PlannedStep(title, sets, gate, reverts, _text(found, "application") if reverts else "")


def _gate(found: object) -> StepGate | None:
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise ValueError("no gate")
    end, counted = _text(found, "end"), found["counted"]
    if end not in (FINISH, BACK) or not isinstance(counted, int):
        raise ValueError("no gate")
    return StepGate(
        end=end,
        way=_text(found, "way"),
        quiet=texts(found["quiet"]),
        empty=_workload(found.get("empty")),
        job=_workload(found.get("job")),
        complete=_workload(found.get("complete")),
        kept=texts(found["kept"]),
        counted=counted,
        promoted=_workload(found.get("promoted")),
        known=_text(found, "known") if "known" in found else "",
    )


def _workload(found: object) -> Workload | None:
    if found is None:
        return None
    kind, namespace, name = texts(found)
    return Workload(kind, namespace, name)


def _step_documents(steps: tuple[PlannedStep, ...]) -> list[dict[str, object]]:
    return [
        {
            "title": one.title,
            "sets": _documents(one.sets),
            **({"gate": one.gate.document} if one.gate else {}),
            **({"reverts": list(one.reverts), "application": one.application} if one.reverts else {}),
        }
        for one in steps
    ]


def _documents(values: tuple[FieldValue, ...]) -> list[dict[str, object]]:
    return [
        {"path": one.path, "field": one.field, "value": one.value, **({} if one.how == SET else {"how": one.how})}
        for one in values
    ]


def _values(found: object) -> tuple[FieldValue, ...]:
    return tuple(
        FieldValue(_text(one, "path"), _text(one, "field"), _scalar(one["value"]), _how(one.get("how", SET)))
        for one in _mappings(found)
    )


def _how(found: object) -> str:
    if found not in (SET, PUT, DROP):
        raise ValueError("no way to set a field")
    return str(found)


def _mappings(found: object) -> tuple[Mapping[str, object], ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError("no list of mappings")
    return tuple(found)


def texts(found: object) -> tuple[str, ...]:
    """A list of texts as it stands in a record. Raises: ValueError for anything else."""
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
