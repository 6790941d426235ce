"""Counts automatic rollbacks over all repositories of this controller, from their journals as last read."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gitops_rollback.app.steady import Steady
from gitops_rollback.core.drill import is_drill
from gitops_rollback.core.guards.facts import CountedRollback
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.stages import stages_of

CONTROLLER = "controller"


class Ledger:
    """Shared by all loops. A journal that was not read yet counts nothing, so each loop reads before it acts.

    A rollback is as young as the wall clock says or as this process knows, whichever is younger.
    """

    def __init__(self, steady: Steady) -> None:
        self._steady = steady
        self._lock = threading.Lock()
        self._by_repository: dict[str, tuple[CountedRollback, ...]] = {}

    def see(self, repository: str, records: Iterable[RollbackRecord]) -> None:
        """Replace what is counted of one repository."""
        counted = tuple(one for record in records if (one := _counted(repository, record)) is not None)
        with self._lock:
            self._by_repository[repository] = counted

    def counted(self) -> tuple[CountedRollback, ...]:
        with self._lock:
            every = [one for counted in self._by_repository.values() for one in counted]
        return tuple(replace(one, at=max(one.at, self._steady.wall(self._steady.of(one.at)))) for one in every)


def _counted(repository: str, record: RollbackRecord) -> CountedRollback | None:
    """None for what was not pushed, and for a drill: what is done to see that it works leaves the budget whole."""
    if is_drill(record):
        return None
    at = record.times.get("pushed") if record.commit is not None else _reserved(record)
    if at is None:
        return None
    stages = stages_of(record)
    applications = (*record.applications, *(stages.carried if stages is not None else ()))
    return CountedRollback(at, applications, repository, record.requested_by == CONTROLLER)


def _reserved(record: RollbackRecord) -> datetime | None:
    """A pull request that needs nobody's word has its share from the moment that it was decided."""
    waits = record.open and record.offer is not None and record.offer.automatic
    return record.times.get("decided") if waits else None
