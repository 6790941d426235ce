"""When may a push be tried again, once the server has said that we may not write?

The answer would be the same at each tick, and forges lock out who insists. A token that was renewed makes a new
repository object, which begins anew; a right that was given on the server is noticed at the next try.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from gitops_rollback.core.errors import CredentialsRejected

FIRST_WAIT = 15.0  # seconds, doubled with each refusal
LONGEST_WAIT = 120.0


@dataclass
class Refusals:
    """The newest refusal of one remote, and until when it stands for what the server would say."""

    _newest: CredentialsRejected | None = None
    _wait: float = 0.0
    _until: float = 0.0

    def check(self) -> None:
        """Raises: CredentialsRejected, the newest one again, as long as it is too early for another try."""
        if self._newest is not None and time.monotonic() < self._until:
            raise CredentialsRejected(self._newest.subject, self._newest.message)

    def note(self, refusal: CredentialsRejected) -> None:
        """The server has said no."""
        self._wait = min(max(2 * self._wait, FIRST_WAIT), LONGEST_WAIT)
        self._newest, self._until = refusal, time.monotonic() + self._wait

    def clear(self) -> None:
        """The server let us in."""
        self._newest, self._wait = None, 0.0
