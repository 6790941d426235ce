"""A status that is worked on in memory and written now and then, as controllers do with a patch helper.

What was set between two writes is seen by nobody: so a condition that was Unknown for a moment never shows.
Source: fluxcd/pkg runtime/patch/serial.go, runtime/conditions/setter.go.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from gitops_rollback.sandbox.flux.status import Condition, Subject, stamp, with_conditions
from gitops_rollback.sandbox.rendering import Json, copied

RECONCILING, READY, STALLED = "Reconciling", "Ready", "Stalled"
_EXCLUSIVE = {RECONCILING: STALLED, STALLED: RECONCILING}


class Draft:
    """Conditions and other fields of one object's status, as they are to be. `fields` may be altered at will."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        status = copied(subject.status)
        self._conditions: list[Json] = status.pop("conditions", [])
        self.fields: dict[str, Any] = status
        self._written_conditions = copied(self._conditions)
        self._written = copied(status)

    def condition(self, kind: str) -> Json:
        """A condition; {} if it is not there."""
        return next((one for one in self._conditions if one["type"] == kind), {})

    def is_true(self, kind: str) -> bool:
        return self.condition(kind).get("status") == "True"

    def mark(self, kind: str, status: str, reason: str, message: str) -> None:
        """Set a condition. Of Reconciling and Stalled there is one at most."""
        drop = [_EXCLUSIVE[kind]] if kind in _EXCLUSIVE else []
        now, generation = stamp(self.subject.store.now()), self.subject.generation
        wanted = (Condition(kind, status, reason, message),)
        self._conditions = with_conditions(self._conditions, wanted, drop, generation, now)

    def drop(self, *kinds: str) -> None:
        """Take conditions away."""
        self._conditions = [one for one in self._conditions if one["type"] not in kinds]

    def turn(self, kind: str, into: str, reason: str, message: str) -> None:
        """Make a condition another one that is True, since the same moment."""
        since = self.condition(kind)["lastTransitionTime"]
        self.drop(kind, into)
        self.mark(into, "True", reason, message)
        self.condition(into)["lastTransitionTime"] = since

    def progressing(self, reason: str, message: str) -> None:
        """It is being reconciled."""
        self.mark(RECONCILING, "True", reason, message)

    def recover(self, *reasons: str) -> None:
        """What stood in the way does no longer."""
        if self.condition(READY).get("reason") in reasons:
            self.mark(READY, "Unknown", "Progressing", "reconciliation in progress")

    def patch(self) -> None:
        """Write what has changed since the last time: the conditions first, then the other fields."""
        if self._conditions != self._written_conditions:
            self.subject.replace_conditions(self._conditions)
            self._written_conditions = copied(self._conditions)
        names = self._written.keys() | self.fields.keys()
        changed = {name: self.fields.get(name) for name in names if self._written.get(name) != self.fields.get(name)}
        if changed:
            self.subject.fields(**copied(changed))
            self._written = copied(self.fields)

    def patch_apart(self, seconds: float) -> Generator[float, None, None]:
        """As `patch`, with time between its two writes: somebody may act on the first."""
        fields, self.fields = self.fields, copied(self._written)
        self.patch()
        yield seconds
        self.fields = fields
        self.patch()
