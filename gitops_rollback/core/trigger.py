"""Triggers over time: is the application worse, since when, and was it so before the sync?

The machine is pure: `(state, tick) -> state`, so a state rebuilt from a range query equals a lived one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Severity


class Level(StrEnum):
    """What one tick says, measured value against limit. The last three are inconclusive."""

    TRUE = "true"
    FALSE = "false"
    NO_DATA = "no-data"
    ERROR = "error"
    INVALID = "invalid"

    @property
    def conclusive(self) -> bool:
        return self in (Level.TRUE, Level.FALSE)


class Phase(StrEnum):
    """Where a trigger stands. RESOLVED is a fired one that is quiet again."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Tick:
    """One evaluation at one instant (a multiple of the interval)."""

    at: datetime
    level: Level
    value: float | None = None


@dataclass(frozen=True)
class TriggerState:
    """The memory of one trigger for one (application, revision). Bounded: counts, never a list of ticks."""

    phase: Phase = Phase.INACTIVE
    since: datetime | None = None  # first TRUE tick of the current run
    true_ticks: int = 0
    last_true: datetime | None = None
    last_observed: datetime | None = None  # newest conclusive tick
    last: Tick | None = None
    fired_at: datetime | None = None
    quiet_since: datetime | None = None  # first FALSE tick after firing, for keepFiringFor
    blind_since: datetime | None = None  # first of the newest run of inconclusive ticks


class BaselineLevel(StrEnum):
    """Was it already so before the sync? See `safety.md`, Baseline."""

    QUIET = "quiet"  # may be ours
    FIRING = "firing"  # not ours
    NONE = "none"  # cannot be told: at most page and suggest
    PENDING = "pending"  # not asked yet


@dataclass(frozen=True)
class Baseline:
    level: BaselineLevel
    value: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one trigger says now, for people and for the decision. `reason` is set when it does not fire."""

    trigger: str
    severity: Severity
    state: TriggerState
    measurement: Measurement | None
    baseline: Baseline
    threshold: float | None = None
    reason: Reason | None = None
    message: str = ""

    @property
    def fires(self) -> bool:
        """Firing, with the newest tick TRUE: only then may anybody act on it."""
        return self.state.phase is Phase.FIRING and self.state.last is not None and self.state.last.level is Level.TRUE

    @property
    def onset(self) -> datetime | None:
        return self.state.since
