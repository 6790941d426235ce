"""Rollbacks that ended between two of their steps, since somebody had taken over: nothing goes back there by itself.

What such a plan left was no state to run in: traffic stopped, data half moved, a weight on its way. Whoever set its
fields since did so on purpose, and with a person's word alone is that undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitops_rollback.app.stepping import Stepper
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import ask
from gitops_rollback.core.plan import GuardAnswer, Reversal
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.stages import FieldValue, stages_of

GUARD = "half-done"


@dataclass(frozen=True)
class HalfDone:
    """Reads; writes nothing."""

    stepper: Stepper

    def answers(
        self, reversal: Reversal, application: str, restores: str, records: Iterable[RollbackRecord]
    ) -> tuple[GuardAnswer, ...]:
        """A question to a person where the plan sets a field to what such a rollback had left there; else nothing.

        One that the last good state holds is over: the application has been well with what people made of it.
        """
        if reversal.tree is None:
            return ()
        for record in (one for one in records if application in one.applications and one.ended_half):
            if restores and self.stepper.repo.is_ancestor(str(record.commit), restores):
                continue
            for one in self._set_again(record, reversal):
                words = f"{one.path}: {one.field} would be {one.value!r} again, as {record.id} left it half way"
                remedy = "finish by hand what it began, or approve the plan if that is what is wanted"
                return (ask(GUARD, Reason.UNKNOWN_GROUND, words, remedy),)
        return ()

    def _set_again(self, record: RollbackRecord, reversal: Reversal) -> Iterator[FieldValue]:
        stages = stages_of(record)
        for place in stages.before if stages is not None else ():
            left, now, after = (
                self.stepper.field(side, place) for side in (str(record.commit), reversal.base, str(reversal.tree))
            )
            if left is not None and left == after != now:
                yield left
