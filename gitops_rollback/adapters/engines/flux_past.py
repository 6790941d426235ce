"""What does somebody else know of a past that Flux no longer tells, or never did?

Flux keeps with each content the newest revision that it was seen with, so after a restart a deployment would bear the
name of a foreign commit that came later. Whoever decided about it before has written the first name down.
Source: contracts/flux-kubernetes.md sections 4.2 (history) and 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gitops_rollback.core.sync import ApplicationId

Names = Sequence[tuple[datetime, str]]


class Past(Protocol):
    """Asked for each state that is built, so the answers must be at hand. Never raises."""

    def differs(self, repository: str, path: str, old: str, new: str) -> bool:
        """Whether two commits differ below a directory; True where that is not known."""
        ...

    def names(self, application: ApplicationId) -> Names:
        """When the application was judged, by which commit it was called then; oldest first."""
        ...

    def is_older(self, old: str, new: str) -> bool:
        """True if `new` is a descendant of `old`; False where that is not known."""
        ...


class NoPast:
    """Nothing is known."""

    def differs(self, repository: str, path: str, old: str, new: str) -> bool:
        """Every commit may have changed something."""
        del repository, path, old, new
        return True

    def names(self, application: ApplicationId) -> Names:
        """None."""
        del application
        return ()

    def is_older(self, old: str, new: str) -> bool:
        """Not known."""
        del old, new
        return False
