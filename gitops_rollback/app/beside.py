"""Whom a rollback changes beside the applications that it is made for: these must be well again, too.

One commit may change several applications while a trigger fired for one of them, and others need what it takes back.
Verified is said of all of them, but nobody can ask of a rollback that it mends what was bad, or not to be seen, before
the bad sync.
Source: safety.md, Verified.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.subject import Watched
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.verification import CheckResult

ASKED_AT_MOST = 30
MAX_KEPT = 1000
# Applications get one commit within the few minutes in which an engine looks for it, and not in the order of alarms.
BEFORE_THE_SYNC = timedelta(minutes=5)

Ask = Callable[[Watched, datetime], Iterable[CheckResult]]


@dataclass
class Beside:
    """Remembers who was well before the bad sync, by rollback and application."""

    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def of(
        self, record: RollbackRecord, changed: Collection[str], watched: Iterable[Watched], ask: Ask
    ) -> tuple[Watched, ...]:
        """Of the `watched` that our commit changed or may break, those that it does not name and that were well before.

        `ask` says what the checks of an application said at an instant; without any there is nothing to wait for.
        """
        others = [one for one in watched if one.name in changed and one.name not in record.applications]
        before = record.times.get("deployed", record.times["decided"]) - BEFORE_THE_SYNC
        return tuple(one for one in others[:ASKED_AT_MOST] if self._was_well(record.id, one, before, ask))

    def _was_well(self, identity: str, watched: Watched, at: datetime, ask: Ask) -> bool:
        key = (identity, watched.name)
        known = self._known.get(key)
        if known is not None:
            return known
        said = [result.ok for result in ask(watched, at)]
        well = bool(said) and all(ok is True for ok in said)
        if well or False in said:  # what could not be told may be told at the next look
            self._known[key] = well
            while len(self._known) > MAX_KEPT:
                self._known.pop(next(iter(self._known)))
        return well
