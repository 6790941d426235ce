"""Since when is an open rollback in its phase, and since when has all been good? What this process saw of it.

The journal's times are the words of the clock of whoever wrote them. One that lies ahead of our clock was written by a
clock that was wrong, then or now, and a deadline that is counted from it would not come for as long as it was wrong.
What this process saw for itself lasts by the monotonic clock: a wall clock that jumps ends no wait.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.steady import Steady
from gitops_rollback.core.rollback import Phase, RollbackRecord

LONGEST_PAUSE = timedelta(minutes=2)  # between two looks; whoever comes back later looks as if for the first time


@dataclass(frozen=True)
class Seen:
    """When this process saw a record for the first time, when in this phase, and since when without a long pause.

    Each commit of a plan of several begins anew.
    """

    phase: Phase
    commit: str | None
    first: datetime
    phase_first: datetime
    watching: datetime
    last: datetime


@dataclass(frozen=True)
class Since:
    """When it was pushed by the record's word; and as the clock goes now: when its phase and our watching began."""

    pushed: datetime
    began: datetime
    watching: datetime


@dataclass(frozen=True)
class Run:
    """All was good at each look from `since` to `last`."""

    since: datetime
    last: datetime


@dataclass
class Lasting:
    """Memory only, in steady time: a restart counts anew, which is longer. What comes and goes is wall time."""

    steady: Steady
    _seen: dict[str, Seen] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)
    _asked: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def times(self, record: RollbackRecord, now: datetime) -> Since:
        """By the record's own word, but never later than this process saw it."""
        at = self.steady.of(now)
        known = self._seen.get(record.id) or Seen(record.phase, record.commit, at, at, at, at)
        if None not in (known.commit, record.commit) and known.commit != record.commit:
            known = replace(known, commit=record.commit, first=at, phase_first=at)
        first = min(known.first, at)
        phase = min(known.phase_first, at) if known.phase is record.phase else at
        watching = min(known.watching, at) if at - known.last <= LONGEST_PAUSE else at
        keep(self._seen, record.id, Seen(record.phase, record.commit, first, phase, watching, at))
        said = record.pushed_at
        began = record.times.get("synced", said) if record.phase is Phase.VERIFYING else said
        wall = self.steady.wall
        return Since(min(said, wall(first)), wall(min(self.steady.of(began), phase)), wall(watching))

    def ask(self, identity: str, application: str, at: datetime) -> None:
        """The engine was asked then to sync this application."""
        key, asked = (identity, application), self.steady.of(at)
        keep(self._asked, key, max(asked, self._asked.get(key, asked)))

    def asked(self, identity: str, application: str) -> datetime | None:
        """When it was asked last, as far as this process knows, whatever the engine says of it now."""
        asked = self._asked.get((identity, application))
        return None if asked is None else self.steady.wall(asked)

    def run(self, identity: str, now: datetime, longest_gap: timedelta) -> Run | None:
        """The run that a good look at `now` would continue: a clock that went back ends it, as a long silence does."""
        run, wall = self._runs.get(identity), self.steady.wall
        if run is None or not run.last <= self.steady.of(now) <= run.last + longest_gap:
            return None
        return Run(wall(run.since), wall(run.last))

    def good(self, identity: str, now: datetime, run: Run | None) -> datetime:
        """All is good now, too; since when, if `run` goes on."""
        at, known = self.steady.of(now), self._runs.get(identity)
        since = known.since if run is not None and known is not None else at
        keep(self._runs, identity, Run(since, at))
        return self.steady.wall(since)

    def bad(self, identity: str) -> None:
        """Not all is good."""
        self._runs.pop(identity, None)
