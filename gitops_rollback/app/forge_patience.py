"""When may a forge be asked again? One that is slow, limits us or is down must not be in the way of a tick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.core.errors import ForgeUnavailable, LeaseLost, RollbackError

FIRST_SECONDS = 15.0
LONGEST_SECONDS = 600.0
REFUSED_SECONDS = 300.0  # what only a person can mend is not mended sooner
SHARE_SECONDS = 5.0  # real ones, of a tick for all pull requests; each call has its own deadline as well
MAX_KEPT = 1000


@dataclass
class ForgePatience:
    """Of one forge, in seconds of a clock that only goes forward: `now` tells them, and `real` makes them real ones.

    Where it does not answer nobody asks it for a while, longer each time; where it says no to one pull request, only
    that one is left alone.
    """

    now: Callable[[], float]
    real: Callable[[timedelta], float] = timedelta.total_seconds
    trouble: str = ""  # its words, while it is left alone
    _not_before: float = 0.0
    _failures: int = 0
    _began: float = 0.0
    _refused: dict[str, tuple[float, str]] = field(default_factory=dict)

    def begin(self) -> None:
        """A tick begins to ask."""
        self._began = self.now()

    def waits(self, identity: str) -> str:
        """Why it is not asked about this one now; "" if it may be."""
        now = self.now()
        if now < self._not_before:
            return self.trouble
        if self.real(timedelta(seconds=now - self._began)) > SHARE_SECONDS:
            return "the forge is slow: it is asked again at the next look"
        return self.refused(identity)

    def refused(self, identity: str) -> str:
        """What was said no to lately, of this one; "" if nothing was."""
        until, words = self._refused.get(identity, (0.0, ""))
        return words if self.now() < until else ""

    def failed(self, identity: str, error: RollbackError) -> None:
        """Remember it. A lease that is lost is no trouble of the forge."""
        now = self.now()
        if isinstance(error, LeaseLost):
            return
        if isinstance(error, ForgeUnavailable):
            wait = min(FIRST_SECONDS * 2**self._failures, LONGEST_SECONDS)
            self._failures += 1
            self._not_before, self.trouble = now + max(wait, error.wait_seconds), error.message
            return
        self._refused[identity] = (now + REFUSED_SECONDS, error.message)
        while len(self._refused) > MAX_KEPT:
            self._refused.pop(next(iter(self._refused)))

    def answered(self) -> None:
        """It works."""
        self._failures, self.trouble = 0, ""
