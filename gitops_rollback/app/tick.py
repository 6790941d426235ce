"""What one round of the way is made of: the repository as it was fetched, and what was seen of each application."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.notices import Notice
from gitops_rollback.app.outbreaks import Outbreak
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.decision import Proposal
from gitops_rollback.core.progress import Progress


@dataclass(frozen=True)
class Sight:
    """What one look at one application found: an open rollback's progress, or a look with what would be done.

    `at` is the tick that it was seen for, and `since` that instant in seconds of the clock that only goes forward.
    """

    watched: Watched
    at: datetime
    since: float
    progress: Progress | None = None
    look: Look | None = None
    proposal: Proposal | None = None
    aftermath: Notice | None = None  # of a rollback of what it needs

    def aged(self) -> Sight | None:
        """What it is worth when it comes too late to act on: of an open rollback, that time has passed."""
        return None if self.progress is None else replace(self, progress=self.progress.unseen())


@dataclass(frozen=True)
class Tick:
    """One tick: the repository as it was fetched, and all applications as they were seen."""

    now: datetime
    view: View
    listing: Listing
    sights: tuple[Sight, ...] = ()
    outbreak: Outbreak = field(default_factory=Outbreak)

    @property
    def aftermaths(self) -> tuple[Notice, ...]:
        """What rollbacks may have broken elsewhere."""
        return tuple(sight.aftermath for sight in self.sights if sight.aftermath is not None)
