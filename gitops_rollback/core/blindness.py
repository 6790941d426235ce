"""Does a trigger fail to be measured for so long that nobody watches? A source that fails is told of within a minute.

That a query gives nothing may be a quiet night, so it is told after `noDataFor`. An error is none: a store that answers
four times in a row with one is out, and until then no fault would be found.
Source: detection.md 2.3 (ERROR), and 8.3 for the time until a person knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.trigger import Verdict

IN_A_ROW = 4
MOST_ABSENCES = 100
LEAST = timedelta(seconds=45)  # four ticks of 15 s: where it looks more often, a restart is no outage
TOLD_ELSEWHERE = frozenset(
    {Reason.ENGINE_UNAVAILABLE, Reason.STALE_TICK}  # the engine's silence has its own notice
    | {Reason.QUERY_BUDGET}  # we do not ask: the source is well
)
FAILING = frozenset(
    {Reason.METRICS_UNAVAILABLE, Reason.METRICS_OUTAGE, Reason.CREDENTIALS_REJECTED, Reason.QUERY_BUDGET}
)


def sees_nothing(verdicts: Iterable[Verdict]) -> bool:
    """A trigger's source failed at the newest tick: that time is no time under watch."""
    return any(
        one.state.failures and one.reason not in (Reason.ENGINE_UNAVAILABLE, Reason.STALE_TICK) for one in verdicts
    )


@dataclass(frozen=True)
class Absences:
    """When a process did not look: before its start, and whenever somebody else led for it meanwhile.

    It looks at least each `longest_pause`. Where it was away too often to keep each time, the oldest two become one.
    """

    longest_pause: timedelta
    began: datetime | None = None
    last: datetime | None = None
    away: tuple[tuple[datetime, datetime], ...] = ()

    def looking(self, now: datetime) -> Absences:
        """With the look at `now`."""
        away = self.away
        if self.last is not None and now - self.last > self.longest_pause:
            away = (*away, (self.last, now))
        if len(away) > MOST_ABSENCES:
            away = ((away[0][0], away[1][1]), *away[2:])
        return replace(self, began=self.began or now, last=now, away=away)

    def since(self, sync: datetime) -> tuple[tuple[datetime, datetime], ...]:
        """From when until when it was away since the `sync`; () before its first look."""
        if self.began is None:
            return ()
        every = ((sync, self.began), *self.away)
        return tuple((max(start, sync), end) for start, end in every if end > max(start, sync))


def is_out(verdict: Verdict) -> bool:
    """Its source has failed at the newest tick and at those before it, often and long enough to tell a person."""
    state = verdict.state
    if state.last is None or state.failing_since is None or verdict.reason in TOLD_ELSEWHERE:
        return False
    return state.failures >= IN_A_ROW and state.last.at - state.failing_since >= LEAST


def told_blind(entries: Iterable[DecisionEntry], since: datetime, until: datetime) -> timedelta:
    """For how long between the two the journal's `entries` on one application say that its source failed.

    So a process that looks since `until` knows what others did not see meanwhile. What said so last may say so still.
    """
    found, began = timedelta(0), None
    for entry in sorted(entries, key=lambda one: one.at):
        at = min(max(entry.at, since), until)
        if began is not None:
            found += at - began
        began = at if entry.reason in FAILING else None
    return found + (max(until, began) - began if began is not None else timedelta(0))
