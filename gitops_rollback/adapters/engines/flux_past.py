"""What does somebody else know of a past that Flux no longer tells, or never did?

Flux keeps with each content the newest revision that it was seen with, so after a restart a deployment would bear the
name of a foreign commit that came later. It keeps when a content was first reconciled *to the end*, and how long the
last time took, so a deployment would begin after the whole wait for its health. Whoever decided about it before has
written down the first name, and the beginning.
Source: contracts/flux-kubernetes.md sections 4.2 (history) and 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gitops_rollback.core.sync import ApplicationId, Judged


class Past(Protocol):
    """Asked for each state that is built, so the answers must be at hand. Never raises."""

    def differs(self, repository: str, path: str, old: str, new: str) -> bool:
        """Whether two commits differ below a directory; True where that is not known."""
        ...

    def judged(self, application: ApplicationId) -> Sequence[Judged]:
        """What was written down whenever the application was judged; oldest first."""
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

    def judged(self, application: ApplicationId) -> Sequence[Judged]:
        """Nothing."""
        del application
        return ()

    def is_older(self, old: str, new: str) -> bool:
        """Not known."""
        del old, new
        return False
