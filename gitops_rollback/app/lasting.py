"""Since when is an open rollback in its phase, and since when has all been good? What this process saw of it.

The journal's times are the words of the clock of whoever wrote them. One that lies ahead of our clock was written by a
clock that was wrong, then or now, and a deadline that is counted from it would not come for as long as it was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.core.rollback import Phase, RollbackRecord

MAX_KEPT = 1000


@dataclass(frozen=True)
class Seen:
    """When this process saw a record for the first time, and when in this phase."""

    phase: Phase
    first: datetime
    phase_first: datetime


@dataclass(frozen=True)
class Run:
    """All was good at each look from `since` to `last`."""

    since: datetime
    last: datetime


@dataclass
class Lasting:
    """Memory only: a restart counts anew, which is longer."""

    _seen: dict[str, Seen] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)

    def times(self, record: RollbackRecord, now: datetime) -> tuple[datetime, datetime]:
        """(When it was pushed, when its phase began): by its own word, but never later than this process saw it."""
        known = self._seen.pop(record.id, None) or Seen(record.phase, now, now)
        first = min(known.first, now)
        phase = min(known.phase_first, now) if known.phase is record.phase else now
        self._seen[record.id] = Seen(record.phase, first, phase)
        while len(self._seen) > MAX_KEPT:
            self._seen.pop(next(iter(self._seen)))
        said = record.times.get("pushed") or record.times["decided"]
        began = record.times.get("synced", said) if record.phase is Phase.VERIFYING else said
        return min(said, first), min(began, phase)

    def run(self, identity: str, now: datetime, longest_gap: timedelta) -> Run | None:
        """The run that a good look at `now` would continue: a clock that went back ends it, as a long silence does."""
        run = self._runs.get(identity)
        return run if run is not None and run.last <= now <= run.last + longest_gap else None

    def good(self, identity: str, now: datetime, run: Run | None) -> datetime:
        """All is good now, too; since when, if `run` goes on."""
        self._runs.pop(identity, None)
        self._runs[identity] = Run(run.since if run else now, now)
        while len(self._runs) > MAX_KEPT:
            self._runs.pop(next(iter(self._runs)))
        return self._runs[identity].since

    def bad(self, identity: str) -> None:
        """Not all is good."""
        self._runs.pop(identity, None)
