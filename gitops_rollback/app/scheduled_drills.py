"""Begins drills by itself, in the settings' windows, where the policy allows one and nothing else is going on.

What is due is written to the journal before anything is broken: where the journal takes nothing, nothing is begun, and
nobody would know later that it was. Following and cleaning up is that of any drill.
Source: safety.md, Proving the write path.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.drills import Drills, Wanted
from gitops_rollback.app.heartbeats import Seen
from gitops_rollback.app.subject import Watched
from gitops_rollback.core.drill import SIGN, Drill, running
from gitops_rollback.core.drill_schedule import DrillSchedule, DueDrill, entry_about_due
from gitops_rollback.core.errors import LeaseLost, Reason, RepositoryUnavailable, RollbackError
from gitops_rollback.core.journal import CONTROLLER
from gitops_rollback.ports import Message

log = structlog.get_logger()


@dataclass
class ScheduledDrills:
    """Those of one repository; one at a time. Memory only spares lines of the log."""

    drills: Drills
    schedule: DrillSchedule
    _said: dict[str, str] = field(default_factory=dict)

    def attend(self, seen: Seen) -> None:
        """Begin the one that is due, if any. Raises: LeaseLost; RepositoryUnavailable."""
        journal = seen.view.journal
        if seen.alarm or not seen.executor.writable or next(running(journal.decisions), None) is not None:
            return
        if seen.view.heads != seen.executor.read:
            return  # something landed at this very look: the next one sees it
        allowed = {one.name: one for one in seen.listing.watched if one.target.drill}
        for due in self.schedule.due(allowed, journal.decisions, seen.now):
            watched, wanted = allowed[due.application], Wanted(due.how, CONTROLLER, self.schedule.timeout)
            why = self._held(watched, seen) or self.drills.why_not(watched, wanted, seen)
            if not why:
                self._begin(due, watched, wanted, seen)
                return
            if self._said.get(watched.name) != why:
                log.info("a drill is due and not begun", application=watched.name, why=why)
                keep(self._said, watched.name, why)

    def _held(self, watched: Watched, seen: Seen) -> str:
        held = self.drills.holds.lasting(seen.view)
        return next((f"{one.id} holds something of it" for one in held if watched.name in one.applications), "")

    def _begin(self, due: DueDrill, watched: Watched, wanted: Wanted, seen: Seen) -> None:
        if not seen.executor.enter(entry_about_due(due, self.drills.clock.now())):
            return
        try:
            drill = self.drills.break_it(watched, wanted, seen)
        except (LeaseLost, RepositoryUnavailable):
            raise
        except RollbackError as error:
            self._tell(watched, "failed", f"no drill: {error.message}", f"{due.since:%F %T}", seen)
            return
        if drill is not None:
            self._tell(watched, "started", _words(drill), drill.id, seen)

    def _tell(self, watched: Watched, event: str, words: str, key: str, seen: Seen) -> None:
        short = "/".join(watched.name.split("/")[-2:])
        seen.executor.tell(
            Message(
                event, watched.name, f"{SIGN}: {event}: {short}", f"{SIGN}: {words}",
                f"{watched.name}/drill/{key}/{event}", Reason.DRILL.value, routes=watched.policy.notifications,
            )
        )  # fmt: skip


def _words(drill: Drill) -> str:
    return (
        f"{drill.commit[:12]} breaks it on purpose by {drill.how.words}; nothing real is wrong, and it is taken back"
        f" at {drill.deadline:%F %H:%M:%S}Z at the latest"
    )
