"""Before Argo CD is asked to sync: has it seen the newest commit, and does it sync to that by itself?

A sync alone does not tell the controller of the commit. When the Pods of what it applied come up, the controller
compares with the revision that it saw last, finds the application out of sync with that, and with auto-sync on it
deploys the old revision again until it reads the branch. A comparison before the sync keeps it from going back.
Source: argo-cd v3.6.1 controller/appcontroller.go (CompareWithRecent), seen live on 3.6.1.
"""

from __future__ import annotations

from collections.abc import Callable

from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.sync import ApplicationState, OperationPhase, SyncStatus


def answered_by_comparing(refresh: Callable[[], ApplicationState]) -> bool | None:
    """What a sync answers without asking for one: True, the newest commit is applied; False, an operation runs.

    That operation is auto-sync's, which has begun after the comparison, or somebody else's. One more sync would run the
    hooks again. None: ask; so it is too where nobody compares (the controller is away, or told to skip it).
    """
    try:
        state = refresh()
    except EngineUnavailable:
        return None
    if state.busy:
        return False
    return True if _has_applied(state) else None


def _has_applied(state: ApplicationState) -> bool:
    last = state.operation
    if last is None or not state.auto_sync or state.sync is not SyncStatus.SYNCED:
        return False
    whole = last.phase is OperationPhase.SUCCEEDED and not last.dry_run and not last.partial
    return whole and last.revisions == state.sync_revisions
