"""May the next step of a plan be pushed? Pure, from what one look saw of the step before it.

No data never opens a gate. A plan that waits stays where it is, and says so once; one that cannot go on ends and pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Comparison, Policy
from gitops_rollback.core.rollback import STEP_HELD_AT, RollbackRecord, held_up
from gitops_rollback.core.strategies.stages import HOLD, JUMP, Stages, StepGate, stages_of, unfinished
from gitops_rollback.core.verification import CheckResult

BETWEEN = frozenset(
    {"StepFailed", "OldVersionStrained", "NoData", "GateShut", "WrittenByAnother", "Suspended"}
    | {"RevertConflict", "Supersedes", "StrategyUnfit", "BranchProtected"}
)  # why a plan waits between two steps
PAGE_AGAIN = timedelta(minutes=15)  # while a coordinated rollback stands between two steps
WORSE = 0.1  # of the value at the decision: less is noise


@dataclass(frozen=True)
class Ahead:
    """The steps that are still to come, and the look at the newest one, which is number `done`.

    `stages` None: the record's plan cannot be read. `foreign`: a field of the plan holds something else than our
    commit put there, in words. `since`: the engine has had the step at each look since. `checks` of what fired are
    False where it is worse than when it was decided; `stable` are those of the version that the traffic goes to.
    `gate` is what the step's own gate asks for: None while it may still come.
    """

    stages: Stages | None
    done: int
    foreign: str = ""
    since: datetime | None = None
    checks: tuple[CheckResult, ...] = ()
    stable: tuple[CheckResult, ...] = ()
    gate: tuple[CheckResult, ...] = ()

    @property
    def safe_end(self) -> str:
        """How a plan that is held here ends safely, in words; "" where any end is as good."""
        gate = self.stages.gate(self.done) if self.stages is not None else None
        return "" if gate is None else gate.words


@dataclass(frozen=True)
class Passage:
    """`n` is the step to push now, 0 for none. With a `reason` people must know; `ends`: nobody goes on by itself.

    `again`: as long as it is so, people are told again and again.
    """

    message: str
    n: int = 0
    reason: Reason | None = None
    ends: bool = False
    again: bool = False


def broken(ahead: Ahead) -> Passage | None:
    """Why the plan cannot go on at all; None if it can. Asked before anything else, also before the engine has it."""
    if ahead.stages is None:
        message = f"what comes after step {ahead.done} cannot be read in the journal"
        return Passage(message, reason=Reason.JOURNAL_LOST, ends=True)
    if ahead.foreign:
        message = f"{ahead.foreign}, so somebody else has taken over; {halfway(ahead, ahead.stages)}"
        return Passage(message, reason=Reason.FIELD_EDITED, ends=True)
    return None


def halfway(ahead: Ahead, stages: Stages) -> str:
    """Where a plan stands that nobody goes on with, what is left of it, and how it ends safely, in words."""
    left = "; ".join(f"{n}. {stages.title(n) or 'the revert'}" for n in range(ahead.done + 1, stages.total + 1))
    words = f"the branch stands at step {ahead.done} of {stages.total}; not done any more: {left}"
    return f"{words}; {ahead.safe_end}" if ahead.safe_end else words


def left_half(record: RollbackRecord) -> str:
    """The same of a rollback as its record has it; "" where all of its commits are on the branch."""
    stages = stages_of(record) if unfinished(record) else None
    return "" if stages is None else halfway(Ahead(stages, record.steps[-1].n), stages)


def passage(ahead: Ahead, unhealthy: str, patience: timedelta, pushed_at: datetime, now: datetime) -> Passage:
    """The way from a step that the engine has applied. `unhealthy`: the engine calls it bad, in words.

    `patience` is how long a measurement may be missing after `pushed_at` before people hear of it, or after what the
    gate waits for has happened.
    """
    stages = ahead.stages
    if stages is None:
        return broken(ahead) or Passage("")
    following, gate = ahead.done + 1, stages.gate(ahead.done)
    if gate is not None:
        since = max([pushed_at, *(one.at for one in ahead.gate if one.at is not None)])
        return _gated(ahead, stages, gate, unhealthy, now - since >= patience, now)
    if ahead.done >= len(stages.steps):  # no traffic is left to shift: only the revert makes it right
        return _paused(ahead, stages, now) or Passage("every step is done", following)
    strained = _first(ahead.stable, ok=False)
    if strained is not None:
        message = f"held at step {ahead.done}: the version that takes over does not bear it: {strained}"
        return Passage(message, reason=Reason.OLD_VERSION_STRAINED)
    worse = unhealthy or (_first(ahead.checks, ok=False) if stages.checked else None)
    if worse:
        return _failed(ahead, stages, worse)
    waiting = _paused(ahead, stages, now)
    if waiting is not None:
        return waiting
    asked = (*ahead.checks, *ahead.stable) if stages.checked else ahead.stable
    unknown = _first(asked, ok=None)
    if unknown is not None:
        late = now - pushed_at >= max(patience, stages.pause)
        message = f"held at step {ahead.done}: no data, so nothing shows how it does: {unknown}"
        return Passage(message, reason=Reason.NO_DATA if late else None)
    return Passage(f"step {ahead.done} holds", following)


def _gated(ahead: Ahead, stages: Stages, gate: StepGate, unhealthy: str, late: bool, now: datetime) -> Passage:
    """The way through a step's own gate. How the bad version does is of no matter, only what the step is for.

    What an earlier version comes back with must be Healthy: else that is not what the rollback was for.
    """
    of = f"held at step {ahead.done} ({stages.title(ahead.done) or 'the revert'})"
    brings_back = gate is stages.closing or ahead.done <= len(stages.cascade)
    wrong = (unhealthy if brings_back else "") or _first(ahead.gate, ok=False)
    if wrong:
        return Passage(f"{of}: {wrong}; {gate.words}", reason=Reason.STEP_FAILED, again=True)
    unknown = _first(ahead.gate, ok=None)
    if unknown is not None:
        return Passage(f"{of}: {unknown}; {gate.words}", reason=Reason.GATE_SHUT if late else None, again=True)
    seen = _all(ahead.gate) or "applied, and Healthy"
    return _paused(ahead, stages, now) or Passage(f"step {ahead.done} is done: {seen}", ahead.done + 1)


def held_between(record: RollbackRecord, way: Passage, now: datetime) -> RollbackRecord | None:
    """The record of which people are to hear now that its next step is not pushed; None where they know.

    What they heard of an earlier step is no word on this one, whichever view of the record has kept it.
    """
    said = record.times.get(STEP_HELD_AT)
    pushed = record.steps[-1].pushed_at if record.steps else None
    said = None if said is not None and pushed is not None and said < pushed else said
    if way.reason is None or (said is not None and not (way.again and now >= said + PAGE_AGAIN)):
        return None
    times = {name: at for name, at in record.times.items() if name != STEP_HELD_AT}
    return held_up(replace(record, times=times), STEP_HELD_AT, now, way.reason.value, way.message)


def unless_better(check: CheckResult, record: RollbackRecord, policy: Policy) -> CheckResult:
    """What still fires between two steps is bad only where it is worse than when the rollback was decided."""
    trigger = next((one for one in policy.triggers if one.name == check.name), None)
    before = _decided_at(record, check.name)
    if check.ok is not False or check.value is None or trigger is None:
        return check
    if before is None:
        return replace(check, ok=None, message=f"{check.message}, and what it was when it was decided is not known")
    worse = abs(before) * WORSE
    rising = trigger.comparison is Comparison.GREATER_THAN
    if check.value > before + worse if rising else check.value < before - worse:
        return replace(check, message=f"{check.value:.4g}, and {before:.4g} when it was decided")
    return replace(check, ok=True)


def _decided_at(record: RollbackRecord, trigger: str) -> float | None:
    listed = record.evidence.get("verdicts")
    found = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list | tuple) else []
    value = next((one.get("value") for one in found if one.get("trigger") == trigger), None)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _failed(ahead: Ahead, stages: Stages, worse: str) -> Passage:
    last = len(stages.steps)
    gated = any(stages.gate(n) is not None for n in range(ahead.done + 1, stages.total + 1))
    if stages.on_failed == JUMP and not gated:
        return Passage(f"it got worse at step {ahead.done}, so the rest is done at once: {worse}", last)
    if stages.on_failed == HOLD or gated:
        return Passage(f"held at step {ahead.done}, which is worse than before: {worse}", reason=Reason.STEP_FAILED)
    return Passage(f"it got worse at step {ahead.done}: {worse}", ahead.done + 1, Reason.STEP_FAILED)


def _paused(ahead: Ahead, stages: Stages, now: datetime) -> Passage | None:
    if ahead.since is not None and now >= ahead.since + stages.pause:
        return None
    return Passage(f"step {ahead.done} of {stages.total} is given {format_duration(stages.pause)}")


def _all(checks: Sequence[CheckResult]) -> str:
    return "; ".join(f"{one.name}: {one.message}" for one in checks)


def _first(checks: Sequence[CheckResult], ok: bool | None) -> str | None:
    return next((f"{one.name}: {one.message}" for one in checks if one.ok is ok), None)
