"""Have the counters and gauges of an application beside an alarm become worse too, since the same deployment?

A limit says red or green at once; what compares with before is read and stepped here as if the application had been
deployed to when the one that raises the alarm was: the same prior, so that what hits both shows in both.
Source: detection.md 4.4 for the bound of the last minute; safety.md, One commit, many applications.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.counting import Counted, Look, look
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.queries import Question, tick_of
from gitops_rollback.core.deployments import deployments
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.policy import Policy, Trigger
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.trigger import BaselineLevel, Level
from gitops_rollback.core.watches import Past, earlier_watches

LONGEST = timedelta(minutes=30)  # since a deployment; the test begins nothing new later
INSTEAD = timedelta(minutes=10)
LEAST_DISPERSION = 2.0


@dataclass(frozen=True)
class Beside:
    """An application that raises no alarm; `variables` are what its queries are filled with."""

    name: str
    policy: Policy
    state: ApplicationState
    variables: dict[str, str]


@dataclass(frozen=True)
class Standing:
    """What one trigger says. `was_quiet`: at some tick of late, of one that `counted` red; None: nobody can tell."""

    level: Level
    was_quiet: bool | None = None
    counted: bool = False


@dataclass
class _Kept:
    """What was read of one trigger so far, compared with what was before `t0`; its newest and newest quiet tick."""

    since: datetime
    t0: datetime
    counted: Counted | None = None
    newest: Level = Level.NO_DATA
    quiet_at: datetime | None = None


@dataclass
class Risen:
    """Keeps what it read as long as somebody asks for it, so that later looks read the newest ticks alone."""

    measuring: Measuring
    memory: timedelta  # so long ago is of late
    _kept: dict[tuple[str, Trigger], _Kept] = field(default_factory=dict)

    def keep(self, names: Collection[str]) -> None:
        """Forget all others."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] in names}

    def says(self, one: Beside, trigger: Trigger, since: datetime, now: datetime) -> Standing:
        """Whether `trigger` has become worse since the deployment at `since`. What it cannot tell is no calm either."""
        kept = self._of(one, trigger, since, now)
        try:
            asker = self.measuring.asker(one.policy, one.variables["CLUSTER"], one.policy.metrics.timeout, now)
        except RollbackError:
            return Standing(Level.ERROR)
        # What its own peers or old Pods excuse is just what is asked about.
        alone = replace(trigger, counting=replace(trigger.counting, peers=(), version=""))
        question, interval = Question.of(alone, one.variables), one.policy.timing.interval
        watches = earlier_watches(one.name, kept.t0, one.policy.timing.window, deployments(one.state), ())
        seen = look(asker, question, kept.counted, Past(kept.t0, watches), tick_of(now, interval), interval)
        kept.counted = seen.counted
        kept.newest = seen.ticks[-1].level if seen.ticks else kept.newest
        quiet = [tick.at for tick in seen.ticks if tick.level is Level.FALSE]
        kept.quiet_at = max(quiet, default=kept.quiet_at)
        return self._standing(kept, seen, now)

    def _of(self, one: Beside, trigger: Trigger, since: datetime, now: datetime) -> _Kept:
        known = self._kept.get((one.name, trigger))
        if known is None or known.since != since:
            known = _Kept(since, since if now - since <= LONGEST else now - INSTEAD)
            self._kept[one.name, trigger] = known
        return known

    def _standing(self, kept: _Kept, seen: Look, now: datetime) -> Standing:
        measured, baseline = seen.measured, seen.baseline.level
        if measured.outcome in (Outcome.ERROR, Outcome.INVALID):
            return Standing(Level.ERROR if measured.outcome is Outcome.ERROR else Level.INVALID)
        if measured.value is None or kept.counted is None:
            return Standing(Level.NO_DATA)
        if kept.newest is not Level.TRUE and not is_surely_worse(measured):
            return Standing(Level.FALSE if baseline is BaselineLevel.QUIET else Level.NO_DATA)
        if kept.counted.bad_before:
            return Standing(Level.TRUE, False, counted=True)
        if baseline is not BaselineLevel.QUIET:
            return Standing(Level.TRUE, None, counted=True)
        lately = kept.quiet_at is not None and now - kept.quiet_at <= self.memory
        return Standing(Level.TRUE, lately, counted=True)


def is_surely_worse(measured: Measurement) -> bool:
    """The last minute alone lies above what is normal, though that may not suffice to blame anybody yet."""
    bad, events, compared = measured.numerator, measured.denominator, measured.compared
    if bad is None or not events or compared is None:
        return False
    spread = 2 * math.sqrt(max(LEAST_DISPERSION, compared.dispersion) * max(bad, 1.0)) / events
    return bad / events - spread > compared.normal
