"""What is an engine told? To end an operation, and to apply what is on the branch. Nothing else is asked of it."""

from __future__ import annotations

from collections.abc import Callable

from gitops_rollback.app.directory import Listing
from gitops_rollback.core.action import Sync, Terminate
from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.crash_points import crash_point


class EngineHands:
    """`confirm` is asked right before each word to an engine; it raises LeaseLost."""

    def __init__(self, confirm: Callable[[], None]) -> None:
        self._confirm = confirm

    def confirm(self) -> None:
        """Ask whether we may still act, right before a word to somebody outside. Raises: LeaseLost."""
        self._confirm()

    @crash_point("terminate")
    def terminate(self, action: Terminate, listing: Listing) -> None:
        """Ask the engine to end the operation; the next look sees whether it has."""
        self._confirm()
        for fed in listing.named(action.progress.application):
            fed.engine.terminate(fed.state.id, fed.state.project)

    @crash_point("sync")
    def sync(self, action: Sync, listing: Listing) -> None:
        """Sync with our mark; without the right to sync a refresh is what is left, and auto-sync does the rest."""
        self._confirm()
        for fed in listing.named(action.progress.application):
            try:
                fed.engine.sync(fed.state.id, fed.state.project, fed.state.prune, {ROLLBACK_ID_INFO: action.record.id})
            except CredentialsRejected:
                fed.engine.refresh(fed.state.id, fed.state.project)

    def refresh(self, application: str, listing: Listing) -> None:
        """Ask the engine to look at the branch now; what it does about what it finds is its own."""
        self._confirm()
        for fed in listing.named(application):
            fed.engine.refresh(fed.state.id, fed.state.project)
