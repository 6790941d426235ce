"""Is a run of infrastructure still open that an earlier rollback caused? Then nothing changes its object by itself.

A second change meets a first one half done: what a tool has planned no longer holds, and what it ran is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.guards.facts import ask
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.plan import GuardAnswer
from gitops_rollback.core.provision import Provision, provision_in
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.runs import Revert, run_of
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import ConfigRepo, Objects

GUARD = "one-run"


@dataclass(frozen=True)
class OpenRuns:
    """Keeps nothing: asks the cluster, where a plan changes an object that a rollback has changed before."""

    repo: ConfigRepo
    objects: Objects

    def answers(
        self,
        plan: Provision | None,
        base: str,
        records: Iterable[RollbackRecord],
        states: Sequence[ApplicationState],
    ) -> tuple[GuardAnswer, ...]:
        """A question to a person about the first run that is open, or that nobody can see; else nothing.

        `plan` is the infrastructure of a plan that is made on `base`, in the clusters of the applications of `states`.
        """
        named = {_key(one) for one in plan.objects} if plan is not None else set()
        pushed = [one for one in records if named and one.commit is not None]
        found = next((why for record in pushed for why in self._open(record, named, base, states)), "")
        remedy = "let the run end, or see to it, then approve"
        return (ask(GUARD, Reason.RUN_WAITS, found, remedy),) if found else ()

    def _open(
        self,
        record: RollbackRecord,
        named: set[tuple[str, str, str]],
        base: str,
        states: Sequence[ApplicationState],
    ) -> Iterator[str]:
        """What the rollback changed and has not run yet, in words."""
        caused = provision_in(record.evidence)
        same = [one for one in caused.objects if _key(one) in named] if caused is not None else []
        if caused is None or not same:
            return
        try:
            found = {one: document for state in states for one, document in self.objects.find(state, same).items()}
        except RollbackError as error:
            yield f"whether the run of {same[0].words} that {record.id} caused is over cannot be seen: {error.message}"
            return
        revert = Revert(lambda revision: self.repo.is_ancestor(str(record.commit), revision), caused.by_revision)
        for one in same:
            run = run_of(one, found.get(one), revert)
            if run.check.ok is not True and not (one.gone and self._made_anew(record, base)):
                yield f"the run that {record.id} caused is not over: {run.words}"

    def _made_anew(self, record: RollbackRecord, base: str) -> bool:
        """Somebody has brought a file back that it took away, so that its object is there for good."""
        gone = (path for step in record.steps for path, blob in step.blobs.items() if blob is None)
        return any(self.repo.entry_id(base, path) is not None for path in gone)


def _key(one: RunObject) -> tuple[str, str, str]:
    return one.kind, one.namespace, one.name
