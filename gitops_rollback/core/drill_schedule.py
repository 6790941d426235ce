"""When is a drill due that the controller begins by itself, of which application, and what does it break?

A due time is the opening of a window. What was begun for it, or tried in vain, stands in the journal, so that no
restart and no other replica begins a second one. Source: safety.md, Proving the write path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill import SIGN, Drill, drills
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.rules import opened_at
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry
from gitops_rollback.core.policy import ScheduleWindow

DUE = f"{CONTROLLER}/drill-due"
MOST_TRIES = 3  # for one application at one due time: somebody may land something just then


@dataclass(frozen=True)
class DueDrill:
    """One that may begin now. `since`: its due time."""

    application: str
    how: Break
    since: datetime


@dataclass(frozen=True)
class DrillSchedule:
    """The settings' windows; none: no drill begins by itself. `timeout`: then it is taken back, inside the window."""

    windows: tuple[ScheduleWindow, ...] = ()
    breaks: tuple[Break, ...] = (Break.IMAGE,)
    timeout: timedelta = timedelta(minutes=30)

    def opened(self, now: datetime) -> datetime | None:
        """The opening of the newest window that is open, and long enough still; its last possible start counts."""
        starts = ((opened_at(window, now), window.duration) for window in self.windows)
        found = (start for start, lasts in starts if start is not None and now + self.timeout <= start + lasts)
        return max(found, default=None)

    def due(self, applications: Iterable[str], entries: Sequence[DecisionEntry], now: datetime) -> tuple[DueDrill, ...]:
        """Those of `applications` that were not drilled since the window opened, who waits longest first.

        Whoever drilled one counts. What breaks is the one after what broke last time, in the order of the settings.
        """
        since = self.opened(now)
        if since is None:
            return ()
        newest: dict[str, Drill] = {}
        for drill in drills(entries):
            newest.setdefault(drill.application, drill)
        tried = [entry.application for entry in entries if entry.at >= since and entry.application.startswith(DUE)]
        waiting = [
            name
            for name in applications
            if (name not in newest or newest[name].begun < since) and tried.count(subject_of(name)) < MOST_TRIES
        ]
        waiting.sort(key=lambda name: (name in newest, newest[name].begun.timestamp() if name in newest else 0.0, name))
        return tuple(DueDrill(name, self._next(newest.get(name)), since) for name in waiting)

    def _next(self, last: Drill | None) -> Break:
        if last is None or last.how not in self.breaks:
            return self.breaks[0]
        return self.breaks[(self.breaks.index(last.how) + 1) % len(self.breaks)]


def subject_of(application: str) -> str:
    """What the journal's lines about its due drills are about."""
    return f"{DUE}/{application}"


def entry_about_due(due: DueDrill, now: datetime) -> DecisionEntry:
    """Written before anything is broken: what the journal does not take is not begun."""
    message = f"{SIGN}: due since {due.since:%F %H:%M}Z, {due.how.words}"
    return DecisionEntry(now, subject_of(due.application), "drill-due", Reason.DRILL.value, "", message, {})
