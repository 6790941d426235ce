"""Why does an open rollback not go on for now, so that people must know? Each is said once; it goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gitops_rollback.core.convergence import in_the_way
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.progress import ApplicationProgress, Progress
from gitops_rollback.core.rollback import HELD_UNTIL, HINDERED_AT, RollbackRecord, held_up
from gitops_rollback.core.runs import run_held
from gitops_rollback.core.sync import Obstacle

SYNC_AGAIN_AFTER = timedelta(seconds=30)
HINDERED_PATIENCE = timedelta(minutes=1)  # what passes within it is not worth a page
HELD_PATIENCE = timedelta(seconds=10)  # an engine that can be freed lets go within it
HELD_MARGIN = timedelta(seconds=60)  # for what comes once the engine has let go of the bad revision


def hindered(progress: Progress, now: datetime) -> RollbackRecord | None:
    """The record with what people are to hear; None where nothing stands in the way, or they have heard it."""
    record, applications = progress.record, progress.applications
    # A run speaks of what the engine has applied: before, it is one of the bad revision.
    runs = progress.runs if progress.applied else ()
    return _held_up(record, applications, now) or _obstructed(record, applications, now) or run_held(record, runs, now)


def obstacles(one: ApplicationProgress) -> tuple[Obstacle, ...]:
    """What keeps the engine from applying what is on the branch to this application."""
    return in_the_way(one.state) if one.state is not None else ()


def _held_up(
    record: RollbackRecord, applications: Sequence[ApplicationProgress], now: datetime
) -> RollbackRecord | None:
    """The engine was asked, and goes on waiting for the bad revision: nothing but its own time-out ends that.

    Said once: what begins to wait for it again later has had its chance to look at something newer.
    """
    asked = [one for one in applications if one.blocked and one.asked_at and now - one.asked_at >= HELD_PATIENCE]
    ends = [(end, one) for one in asked if (end := one.ends_by) and end - now > SYNC_AGAIN_AFTER]
    if not ends or HELD_UNTIL in record.times:
        return None
    until, last = max(ends, key=lambda pair: pair[0])
    sooner = last.state.operation.sooner if last.state and last.state.operation else ""
    message = (
        f"{last.application} waits for the health of a revision without the revert until {until:%H:%M:%S} UTC, and "
        f"looks at nothing newer; the revert is on the branch, and is given until {until + HELD_MARGIN:%H:%M:%S} UTC"
    )
    return held_up(record, HELD_UNTIL, until, Reason.HEALTH_WAIT.value, f"{message}. {sooner}".rstrip(". "))


def _obstructed(
    record: RollbackRecord, applications: Sequence[ApplicationProgress], now: datetime
) -> RollbackRecord | None:
    """Something keeps the engine from applying what is on the branch, and has not passed by itself. Said once."""
    if HINDERED_AT in record.times or now < record.pushed_at + HINDERED_PATIENCE:
        return None
    waiting = [(one, held) for one in applications if not one.converged and (held := obstacles(one))]
    if not waiting:
        return None
    words = "; ".join(f"{one.application}: {'; '.join(each.message for each in held)}" for one, held in waiting)
    remedies = dict.fromkeys(each.remedy for _, held in waiting for each in held if each.remedy)
    message = f"the revert is on the branch and cannot be applied: {words}. {'; '.join(remedies)}".rstrip(". ")
    return held_up(record, HINDERED_AT, now, waiting[0][1][0].reason.value, message)
