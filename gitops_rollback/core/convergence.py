"""Has the engine carried out our commit, is something in its way, or has it failed?

Every answer is about one look; that Healthy lasts is for the caller to see over several looks.
Source: contracts/argocd.md sections 7 and 9; argo-cd v3.5.1 cmd/argocd/commands/app.go (checkAppWaitConditions).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.deployments import WINDOW_BLOCKED, changed_cluster
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import ApplicationState, Health, Obstacle, Operation, OperationPhase, SyncStatus

BLOCKING_CONDITIONS = ("ComparisonError", "InvalidSpecError", "SyncError")
JUDGED_BEFORE = (Reason.SIGNED_COMMITS_ONLY, Reason.IMAGE_AUTOMATION)  # whether it concerns us the plan has said
LAST_ATTEMPT = "Failed last sync attempt"  # so a SyncError begins that repeats how the last operation ended
SHOWN = 200  # characters of an engine's message that are passed on


@dataclass(frozen=True)
class Blockage:
    """An operation stands in the way of our sync. `terminate`: ending it is right and possible; else wait."""

    terminate: bool
    reason: Reason
    message: str


def blocked_by(state: ApplicationState, bad_revisions: Collection[str]) -> Blockage | None:
    """What the engine is still busy with; None if a sync can start now.

    Only an operation that works on one of `bad_revisions` may be terminated. `finished_at` says nothing: a retry
    keeps it set while the engine waits for the next attempt.
    """
    if not state.busy:
        return None
    operation = state.operation
    if operation is None or not operation.in_progress:
        wanted = _named(state.requested_revisions)
        return Blockage(False, Reason.OPERATION_RUNNING, f"an operation{wanted} was requested and has not started")
    on = f"the operation{_named(operation.revisions)}"
    if WINDOW_BLOCKED in operation.message:
        return Blockage(False, Reason.WINDOW_CLOSED, f"{on} is held by a sync window")
    if operation.phase is OperationPhase.TERMINATING:
        return Blockage(False, Reason.OPERATION_RUNNING, f"{on} is being terminated")
    if any(revision in bad_revisions for revision in operation.revisions or state.requested_revisions):
        return Blockage(True, Reason.OPERATION_RUNNING, f"{on} still works on the bad revision: {_cut(operation)}")
    return Blockage(False, Reason.OPERATION_RUNNING, f"{on} is running: {_cut(operation)}")


def works_in_vain(
    state: ApplicationState,
    contains: Callable[[str], bool],
    reached: Callable[[str], bool],
    index: int | None = None,
) -> tuple[str, ...]:
    """What the operation works on, if that holds the bad revision and not our commit: nobody needs it to end well.

    What somebody lets the engine apply from before the bad revision is theirs, and ends by itself.
    """
    revision = _at_source(state, index or 0)
    return (revision,) if revision and not contains(revision) and reached(revision) else ()


def _at_source(state: ApplicationState, index: int) -> str:
    revisions = (state.operation.revisions or state.requested_revisions) if state.operation else ()
    return revisions[index] if index < len(revisions) else ""


def converged(
    state: ApplicationState,
    contains: Callable[[str], bool],
    since: datetime,
    index: int | None = None,
    bad_revisions: Collection[str] = (),
) -> tuple[bool, str]:
    """True if the engine has applied our commit and the application is Healthy; else False and why not."""
    why = unapplied(state, contains, since, index, bad_revisions)
    if not why and state.health is not Health.HEALTHY:
        why = f"health is {state.health}"
    return not why, why


def unapplied(
    state: ApplicationState,
    contains: Callable[[str], bool],
    since: datetime,
    index: int | None = None,
    bad_revisions: Collection[str] = (),
) -> str:
    """Why the engine has not applied our commit yet, whatever became of it; "" if it has.

    `contains(revision)`: our commit is in that revision's history. `since`: when we asked the engine. `index`: the
    source in our repository, None where there is one source. Engine times have whole seconds, so `since` is cut to
    them and equal counts as after. Where no operation followed (live state already was what our commit says), Synced
    is enough if the engine compared after `since` and the last operation neither failed half way nor ended on one of
    `bad_revisions`.
    """
    since = since.replace(microsecond=0)
    why = _not_comparable(state) or _not_synced(state, contains, index) or _not_applied(state, contains, since, index)
    if not why and _only_compared(state, since) and _at_any(state.operation, bad_revisions):
        why = "the bad revision is still the last one that was applied"
    return why


def failed_fast(
    state: ApplicationState, contains: Callable[[str], bool], since: datetime, index: int | None = None
) -> tuple[Reason, str] | None:
    """Why waiting for convergence is pointless; None while it may still come.

    Only what is about our commit counts: a failed operation on a revision with it, a sync error while compared to it,
    or a health that became Degraded after it was applied. What was Degraded before may still recover. A sync error that
    only repeats how the last operation ended says no more than that operation: where that worked on the bad revision,
    auto-sync may have given up, and the sync that we ask for is what helps (argo-cd issue 27875).
    """
    since = since.replace(microsecond=0)
    operation = state.operation
    if state.busy or state.malformed:
        return None
    if operation is not None and _ours(operation, contains, since, index):
        if operation.phase is not OperationPhase.SUCCEEDED:
            return Reason.SYNC_FAILED, f"the sync of our commit ended {operation.phase}: {_cut(operation)}"
        if state.health is Health.DEGRADED and _later(state.health_changed_at, operation.finished_at):
            return Reason.STILL_BAD, "the application became Degraded after our commit was applied"
    errors = [
        f"{kind}: {message[:SHOWN]}"
        for kind, message in state.conditions
        if kind == "SyncError" and not message.startswith(LAST_ATTEMPT)
    ]
    if errors and contains(_at(state.sync_revisions, index)):
        return Reason.SYNC_FAILED, errors[0]
    return None


def in_the_way(state: ApplicationState) -> tuple[Obstacle, ...]:
    """What keeps what is on the branch from being applied now; what may only undo it later is not among it."""
    return tuple(one for one in state.obstacles if one.reason not in JUDGED_BEFORE)


def _not_comparable(state: ApplicationState) -> str:
    if state.malformed:
        return f"the engine's answer is unclear: {state.malformed}"
    if state.deleting:
        return "the application is being deleted"
    if state.busy:
        revisions = state.operation.revisions if state.operation and state.operation.in_progress else ()
        return f"an operation{_named(revisions or state.requested_revisions)} is still running"
    errors = [f"{kind}: {message[:SHOWN]}" for kind, message in state.conditions if kind in BLOCKING_CONDITIONS]
    return errors[0] if errors else ""


def _not_synced(state: ApplicationState, contains: Callable[[str], bool], index: int | None) -> str:
    revision = _at(state.sync_revisions, index)
    if state.sync is not SyncStatus.SYNCED:
        return f"sync status is {state.sync}"
    if not revision:
        return "the engine names no revision for this source"
    return "" if contains(revision) else f"the engine compares to {revision[:12]}, which does not contain our commit"


def _not_applied(state: ApplicationState, contains: Callable[[str], bool], since: datetime, index: int | None) -> str:
    operation = state.operation
    finished = operation.finished_at if operation else None
    if state.reconciled_at is None or state.reconciled_at < (finished or since):
        return "the engine has not compared since the operation ended"
    if operation is None or _only_compared(state, since):
        if operation is not None and operation.phase is not OperationPhase.SUCCEEDED and changed_cluster(operation):
            return f"the last operation ended {operation.phase} after it had changed objects"
        return "" if state.reconciled_at >= since else "the engine has not compared since we asked"
    if operation.phase is not OperationPhase.SUCCEEDED:
        return f"the last operation ended {operation.phase}: {_cut(operation)}"
    if operation.dry_run:
        return "the last operation was a dry run"
    applied = _at(operation.revisions, index)
    return (
        "" if applied and contains(applied) else f"the last operation applied {applied[:12] or 'an unknown revision'}"
    )


def _only_compared(state: ApplicationState, since: datetime) -> bool:
    """No operation ended since we asked."""
    finished = state.operation.finished_at if state.operation else None
    return finished is None or finished < since


def _ours(operation: Operation, contains: Callable[[str], bool], since: datetime, index: int | None) -> bool:
    applied = _at(operation.revisions, index)
    ended_since = operation.finished_at is not None and operation.finished_at >= since
    return ended_since and not operation.dry_run and bool(applied) and contains(applied)


def _at_any(operation: Operation | None, revisions: Collection[str]) -> bool:
    return operation is not None and any(one in revisions for one in operation.revisions)


def _at(revisions: tuple[str, ...], index: int | None) -> str:
    """The revision at `index`; "" if there is none, or if several sources leave it open which one is meant."""
    if index is None:
        return revisions[0] if len(revisions) == 1 else ""
    return revisions[index] if 0 <= index < len(revisions) else ""


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other


def _named(revisions: tuple[str, ...]) -> str:
    shown = [revision[:12] for revision in dict.fromkeys(revisions) if revision]
    return f" on {', '.join(shown)}" if shown else ""


def _cut(operation: Operation) -> str:
    return " ".join(operation.message.split())[:SHOWN] or "no message"
