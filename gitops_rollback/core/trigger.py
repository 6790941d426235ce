"""Triggers over time: is the application worse, since when, and was it so before the sync?

The machine is pure: `(state, tick) -> state`, so a state rebuilt from a range query equals a lived one.
Source: interfaces.md, Trigger kinds and keys (`for`); detection.md 2.2 and 2.4; safety.md, Baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.policy import Comparison, Severity, Timing, Trigger

MAX_GAP_INTERVALS = 2.5
MIN_TRUE_SHARE = 0.75
MIN_BASELINE_TICKS = 5


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


class Tick(NamedTuple):
    """One evaluation at one instant (a multiple of the interval)."""

    at: datetime
    level: Level
    value: float | None = None


class TriggerState(NamedTuple):
    """The memory of one trigger for one (application, revision). Bounded: counts, never a list of ticks."""

    phase: Phase = Phase.INACTIVE
    since: datetime | None = None  # first TRUE tick of the current run
    true_ticks: int = 0
    last_observed: datetime | None = None  # newest conclusive tick
    last: Tick | None = None
    fired_at: datetime | None = None
    quiet_since: datetime | None = None  # first FALSE tick after firing, for keepFiringFor
    blind_since: datetime | None = None  # first of the newest run of inconclusive ticks
    failures: int = 0  # ERROR ticks in a row, up to the newest one
    failing_since: datetime | None = None  # the first of these

    @property
    def fires(self) -> bool:
        """Firing, with the newest tick TRUE."""
        return self.phase is Phase.FIRING and self.last is not None and self.last.level is Level.TRUE


class BaselineLevel(StrEnum):
    """Was it already so before the sync? See `safety.md`, Baseline."""

    QUIET = "quiet"  # may be ours
    FIRING = "firing"  # not ours
    NONE = "none"  # cannot be told: at most page and suggest
    PENDING = "pending"  # not asked yet


class Baseline(NamedTuple):
    """`began`: of one that was firing, its first TRUE tick, where a quiet one was seen before it.

    `only_no_worse`: it was quiet, and counts as firing since what is measured now is no worse than that.
    """

    level: BaselineLevel
    value: float | None = None
    detail: str = ""
    began: datetime | None = None
    only_no_worse: bool = False


class Verdict(NamedTuple):
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
        return self.state.fires

    @property
    def onset(self) -> datetime | None:
        return self.state.since


class Hold(NamedTuple):
    """How long a trigger must be TRUE before it fires. `interval` is the time between ticks, above zero."""

    hold_for: timedelta
    interval: timedelta
    keep_firing_for: timedelta = timedelta(0)
    immediate: bool = False  # with `hold_for` 0: the first TRUE tick fires

    @classmethod
    def of(cls, trigger: Trigger, interval: timedelta) -> Hold:
        return cls(trigger.hold_for, interval, trigger.keep_firing_for, trigger.immediate)

    @property
    def max_gap(self) -> timedelta:
        """The longest time between two TRUE ticks of one run, itself included."""
        return self.interval * MAX_GAP_INTERVALS

    @property
    def min_true_ticks(self) -> int:
        return 1 if self.immediate and self.hold_for <= timedelta(0) else 2


def level(measurement: Measurement, comparison: Comparison, threshold: float) -> Level:
    """What `measurement` says against the limit; equal to the limit is FALSE, no value is never TRUE or FALSE."""
    if measurement.value is None or not math.isfinite(measurement.value):
        levels = {Outcome.ERROR: Level.ERROR, Outcome.INVALID: Level.INVALID}
        return levels.get(measurement.outcome, Level.NO_DATA)
    above = measurement.value > threshold
    below = measurement.value < threshold
    return Level.TRUE if (above if comparison is Comparison.GREATER_THAN else below) else Level.FALSE


def step(state: TriggerState, tick: Tick, hold: Hold) -> TriggerState:
    """The state after `tick`. A tick that is not newer than the last one changes nothing.

    A run of TRUE ticks is FIRING once it has lasted `hold_for`, with no FALSE, no gap over 2.5 intervals between TRUE
    ticks, and at least 75 % of its ticks TRUE. An inconclusive tick is neither TRUE nor FALSE: it counts as none.
    """
    if state.last is not None and tick.at <= state.last.at:
        return state
    if tick.level is Level.TRUE:
        return _on_true(state, tick, hold)
    if tick.level is Level.FALSE:
        return _on_false(state, tick, hold)
    return _on_nothing(state, tick, hold)


def replay(ticks: Iterable[Tick], hold: Hold, state: TriggerState | None = None) -> TriggerState:
    """The state after all `ticks`, in their order: the same machine that a living controller steps."""
    state = state or TriggerState()
    for tick in ticks:
        state = step(state, tick, hold)
    return state


def until_the_hole(state: TriggerState) -> TriggerState:
    """`state` as of its newest conclusive tick, to step ticks of the run again that had no answer then.

    Itself where no run is under way: what has ended is not begun again by what is read later.
    """
    seen = state.last_observed
    if state.phase not in (Phase.PENDING, Phase.FIRING) or seen is None or state.last is None or seen >= state.last.at:
        return state
    conclusive = Level.FALSE if state.quiet_since is not None else Level.TRUE
    return state._replace(last=Tick(seen, conclusive), blind_since=None, failures=0, failing_since=None)


def inconclusive(state: TriggerState, tick: Tick) -> TriggerState:
    """`state` after a tick that says nothing: how long that lasts, and whether it is the source that fails."""
    failed = tick.level is Level.ERROR
    return state._replace(
        last=tick,
        blind_since=state.blind_since or tick.at,
        failures=state.failures + 1 if failed else 0,
        failing_since=(state.failing_since or tick.at) if failed else None,
    )


def _on_true(state: TriggerState, tick: Tick, hold: Hold) -> TriggerState:
    at = tick.at
    seen = state._replace(
        last=tick, last_observed=at, quiet_since=None, blind_since=None, failures=0, failing_since=None
    )
    if not _goes_on(state, at, hold):
        seen = seen._replace(phase=Phase.PENDING, since=at, true_ticks=1)
    else:
        seen = seen._replace(true_ticks=state.true_ticks + 1)
    if seen.phase is Phase.PENDING and _has_held(seen, at, hold):
        return seen._replace(phase=Phase.FIRING, fired_at=at)
    return seen


def _on_false(state: TriggerState, tick: Tick, hold: Hold) -> TriggerState:
    at = tick.at
    phase = Phase.INACTIVE if state.phase is Phase.PENDING else state.phase
    # Nearly all ticks come here, and `replace` is slow.
    seen = TriggerState(phase, state.since, state.true_ticks, at, tick, state.fired_at, state.quiet_since)
    if phase is not Phase.FIRING:
        return seen
    quiet_since = state.quiet_since or at
    if at - quiet_since >= hold.keep_firing_for:
        return seen._replace(phase=Phase.RESOLVED, quiet_since=quiet_since)
    return seen._replace(quiet_since=quiet_since)


def _on_nothing(state: TriggerState, tick: Tick, hold: Hold) -> TriggerState:
    seen = inconclusive(state, tick)
    if state.phase is Phase.PENDING and not _goes_on(state, tick.at, hold):
        return seen._replace(phase=Phase.INACTIVE)
    return seen


def _goes_on(state: TriggerState, at: datetime, hold: Hold) -> bool:
    """The run of TRUE ticks that `state` holds can be continued at `at`."""
    if state.phase not in (Phase.PENDING, Phase.FIRING) or state.last_observed is None:
        return False
    return at - state.last_observed <= hold.max_gap  # in PENDING that is the last TRUE tick


def _has_held(state: TriggerState, at: datetime, hold: Hold) -> bool:
    since = state.since or at
    expected = round((at - since) / hold.interval) + 1
    enough = max(float(hold.min_true_ticks), MIN_TRUE_SHARE * expected)
    return at - since >= hold.hold_for and state.true_ticks >= enough


def judge_baseline(
    trigger: Trigger, before: Sequence[Tick], t0: datetime, interval: timedelta, has_other_data: bool
) -> Baseline:
    """Was it already so before the sync at `t0`? `before` are ticks of the time before, in any order.

    TRUE at the last tick before t0 is FIRING. No data there is QUIET only where other series of the application (or
    `total`) had data then. With `mustExceedFactor`, `value` is the mean over the lookback; too little of it is NONE.
    """
    earlier = sorted((tick for tick in before if tick.at < t0 and tick.level.conclusive), key=lambda tick: tick.at)
    newest = earlier[-1] if earlier and t0 - earlier[-1].at <= interval * (MAX_GAP_INTERVALS + 1) else None
    if newest is not None and newest.level is Level.TRUE:
        detail = "it was already so at the last tick before the sync"
        return Baseline(BaselineLevel.FIRING, newest.value, detail, _began(earlier))
    if trigger.baseline.must_exceed_factor > 1:
        return _mean_baseline(
            trigger, [tick for tick in earlier if tick.at >= t0 - trigger.baseline.lookback], interval
        )
    if newest is not None:
        return Baseline(BaselineLevel.QUIET, newest.value)
    if has_other_data:
        return Baseline(
            BaselineLevel.QUIET, None, "no data before the sync, though the application had other data then"
        )
    return Baseline(BaselineLevel.NONE, None, "nothing of the application had data before the sync")


def _began(earlier: Sequence[Tick]) -> datetime | None:
    """The first of the newest run of TRUE ticks; None if no quiet tick lies before it."""
    began: datetime | None = None
    for tick in reversed(earlier):
        if tick.level is not Level.TRUE:
            return began
        began = tick.at
    return None


def against_baseline(trigger: Trigger, baseline: Baseline, value: float | None) -> Baseline:
    """`baseline` as it stands against the value now: FIRING where `mustExceedFactor` is not exceeded."""
    factor = trigger.baseline.must_exceed_factor
    if baseline.level is not BaselineLevel.QUIET or factor <= 1 or baseline.value is None or value is None:
        return baseline
    greater = trigger.comparison is Comparison.GREATER_THAN
    exceeds = value > factor * baseline.value if greater else value * factor < baseline.value
    if exceeds:
        return baseline
    detail = f"{value:g} is not {factor:g} times worse than the {baseline.value:g} before the sync"
    return Baseline(BaselineLevel.FIRING, baseline.value, detail, only_no_worse=True)


def as_before(verdict: Verdict) -> Verdict:
    """The verdict with its baseline by itself, for a change that nobody blames: how it is now is of no matter."""
    if not verdict.baseline.only_no_worse:
        return verdict
    return verdict._replace(baseline=Baseline(BaselineLevel.QUIET, verdict.baseline.value))


def _mean_baseline(trigger: Trigger, earlier: Sequence[Tick], interval: timedelta) -> Baseline:
    values = [tick.value for tick in earlier if tick.value is not None]
    needed = max(MIN_BASELINE_TICKS, math.ceil(trigger.hold_for / interval))
    if len(values) < needed:
        return Baseline(BaselineLevel.NONE, None, f"{len(values)} of the {needed} values needed before the sync")
    return Baseline(BaselineLevel.QUIET, math.fsum(values) / len(values))


def unjudged(trigger: Trigger, timing: Timing) -> timedelta:
    """How long a trigger may have been TRUE after a sync without anybody having been told."""
    return timing.initial_delay + trigger.hold_for + 2 * timing.interval
