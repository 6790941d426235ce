"""Is the alarm over for which a plan waits as a pull request?

Merged then, it would undo what does no harm any more. What a person asked for needs no alarm, and goes on without one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.subject import Look
from gitops_rollback.core.next_plans import follows
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import Clock

OVER_AFTER = timedelta(minutes=10)  # of measured quiet, or as long as a verification holds where that is longer


@dataclass
class Calm:
    """Memory only, in seconds of the clock that only goes forward: a restart counts anew, which is longer."""

    clock: Clock
    _since: dict[str, float] = field(default_factory=dict)

    def over(self, record: RollbackRecord, look: Look) -> str:
        """Why nobody needs the plan any more; "" while it may be needed. What is not measured is not quiet."""
        if record.offer is None or record.request or record.asked_in or follows(record) is not None:
            return ""
        if not look.is_quiet or look.bad_revision != record.bad_revision:
            self._since.pop(record.id, None)
            return ""
        now = self.clock.monotonic()
        since = keep(self._since, record.id, self._since.get(record.id, now))
        lasting = max(OVER_AFTER, look.policy.verification.hold_for)
        if now - since < lasting.total_seconds():
            return ""
        return f"the alarm is over: nothing has fired for {lasting // timedelta(minutes=1)} minutes"
