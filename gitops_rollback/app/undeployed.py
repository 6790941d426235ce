"""What waits to be deployed where a person decides when? A rollback deploys nothing of that.

An engine that is asked for a sync applies the branch's head, and with it all that waits there.
Source: safety.md, Is the branch the lever (`PendingChanges`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from gitops_rollback.app.directory import Fed
from gitops_rollback.app.view import View
from gitops_rollback.core.deployments import deployments, revision_in
from gitops_rollback.core.errors import ObjectMissing, Reason
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState, Obstacle
from gitops_rollback.ports import ConfigRepo

REMEDY = "read these commits, then sync the application by hand"


class Undeployed:
    """Compares what runs with the branch, for applications without auto-sync."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo

    def followed(
        self, record: RollbackRecord, named: Collection[str], fed: Fed, state: ApplicationState, view: View
    ) -> ApplicationState | None:
        """`state`, with why we may not ask for a sync among its obstacles. None: the rollback has nothing to do there.

        `named` are the applications that are looked at whatever the rollback's commits changed.
        """
        if self._never_reached(record, named, fed, state):
            return None
        waits = self._obstacle(record, fed, state, view)
        return state if waits is None else replace(state, obstacles=(*state.obstacles, waits))

    def _never_reached(self, record: RollbackRecord, named: Collection[str], fed: Fed, state: ApplicationState) -> bool:
        """Nothing of what is undone was ever deployed there, so that nothing has to be done for it either."""
        if state.auto_sync or state.busy or fed.name in (*record.applications, *named) or not record.reverts:
            return False
        live = _live(fed, state)
        return (
            live is not None
            and self._repo.has(live)
            and not any(self._repo.is_ancestor(one, live) for one in record.reverts)
        )

    def _obstacle(self, record: RollbackRecord, fed: Fed, state: ApplicationState, view: View) -> Obstacle | None:
        """Why we may not ask for a sync, though the rollback is on the branch; None where we may.

        What waited before the push of an application that the rollback is about was seen by whoever decided it.
        """
        if state.auto_sync:
            return None
        since = record.commit if fed.name in record.applications else _live(fed, state)
        waiting = self._waiting(since, record, fed, view)
        if waiting == ():
            return None
        if waiting is None:
            message = "auto-sync is off, and whether commits wait to be deployed cannot be seen"
        else:
            shown = ", ".join(sha[:12] for sha in waiting[:3])
            many = how_many(len(waiting), "commit")
            message = f"auto-sync is off, with {many} never deployed ({shown}): we never sync what waits"
        return Obstacle(Reason.PENDING_CHANGES, message, REMEDY)

    def _waiting(self, since: str | None, record: RollbackRecord, fed: Fed, view: View) -> tuple[str, ...] | None:
        """Newest first; None where nobody can tell."""
        head, records = view.heads.branch, view.journal.records.values()
        try:
            later = self._repo.commits(since, head) if since is not None else None
        except ObjectMissing:
            later = None
        if later is None:
            return None
        known = {*record.reverts, *(step.commit for step in record.steps)}
        return tuple(
            one.sha
            for one in later
            if one.sha not in known and fed.touches(one.paths, head) and not ours(one, records, None)
        )


def _live(fed: Fed, state: ApplicationState) -> str | None:
    known = deployments(state)
    return revision_in(known[-1], fed.indexes[0]) if known else None
