"""What does one trigger say at this tick, in values for the decision and in a sentence for people?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Answer, Measurement, Outcome
from gitops_rollback.core.policy import Comparison, Trigger
from gitops_rollback.core.sync import ApplicationState, Health
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Level, Phase, Tick, TriggerState, Verdict

WORDS = (
    "health",
    "crashLoop",
    "regression",
    "gauge",
    "absence",
    "alert",
    "event",
)  # say in words what they see, and have no limit
UNCLEAR = {
    BaselineLevel.FIRING: Reason.NOT_OURS,
    BaselineLevel.NONE: Reason.NO_BASELINE,
    BaselineLevel.PENDING: Reason.METRICS_UNAVAILABLE,
}
ENGINE_SILENCE = timedelta(minutes=1)  # an engine's word older than this, and than 2.5 intervals, is no data


def verdict_of(
    trigger: Trigger, state: TriggerState, baseline: Baseline, measurement: Measurement | None, warm: bool
) -> Verdict:
    """The verdict; `warm` says that the initial delay has passed, or does not hold this trigger back."""
    threshold = None if trigger.type in WORDS else trigger.threshold
    reason = _reason(trigger, state, baseline, measurement, warm)
    message = _message(trigger, state, baseline, measurement, reason)
    return Verdict(trigger.name, trigger.severity, state, measurement, baseline, threshold, reason, message)


def stale(verdict: Verdict) -> Verdict:
    """The verdict of a tick whose clock was set anew, back or ahead: nobody may act on it."""
    state = verdict.state
    if state.last is not None:
        state = state._replace(last=Tick(state.last.at, Level.ERROR))
    message = f"{verdict.trigger}: the clock was set, so this look is not the next one after the last"
    return verdict._replace(state=state, reason=Reason.STALE_TICK, message=message)


def engine_word(trigger: Trigger, state: ApplicationState, at: datetime, interval: timedelta) -> Measurement:
    """The engine's health as a measurement: 1 if it is one of the trigger's states, 0 if not; Unknown is no data."""
    if at - state.observed_at > max(ENGINE_SILENCE, 2.5 * interval):
        silence = format_duration(at - state.observed_at)
        return Measurement.failed(Reason.ENGINE_UNAVAILABLE, at, f"the engine has said nothing for {silence}")
    if state.health is Health.UNKNOWN and state.health.value not in trigger.states:
        return Measurement.missing(Reason.ENGINE_UNCLEAR, at, "the engine does not know the application's health")
    measured = Measurement.of(float(state.health.value in trigger.states), at)
    return measured._replace(detail=f"the engine says {state.health.value}")


def tick_of_word(measured: Measurement, at: datetime) -> Tick:
    """The tick of a trigger that is told in words: 1 is so, 0 is not."""
    told = {None: Level.ERROR if measured.outcome is Outcome.ERROR else Level.NO_DATA, 0.0: Level.FALSE}
    return Tick(at, told.get(measured.value, Level.TRUE), measured.value)


def engine_baseline(trigger: Trigger, state: ApplicationState, t0: datetime, before: Health | None) -> Baseline:
    """Was the engine's word already so before the sync? It says since when its present word holds, and no more."""
    if before is not None and before is not Health.UNKNOWN:
        was_so = before.value in trigger.states
        return Baseline(
            BaselineLevel.FIRING if was_so else BaselineLevel.QUIET, None, f"{before.value} before the sync"
        )
    changed_at = state.health_changed_at
    if state.health.value in trigger.states and changed_at is not None and changed_at <= t0:
        return Baseline(BaselineLevel.FIRING, None, f"{state.health.value} since before the sync")
    return Baseline(BaselineLevel.NONE, None, "nobody saw the engine's word before the sync")


def name_lost_telemetry(
    measured: Mapping[Trigger, Measurement], answers: Collection[Answer], had_data: bool
) -> dict[Trigger, Measurement]:
    """`measured`, with its own reason where all series of an application that had some are gone."""
    gone = all(answer.outcome is Outcome.VALUE and not answer.series for answer in answers)
    if not (had_data and answers and gone):
        return dict(measured)
    detail = "all series of the application have vanished since the sync"
    return {
        trigger: measurement._replace(reason=Reason.TELEMETRY_LOST, detail=detail)
        if measurement.outcome is Outcome.NO_DATA
        else measurement
        for trigger, measurement in measured.items()
    }


def _reason(
    trigger: Trigger, state: TriggerState, baseline: Baseline, measured: Measurement | None, warm: bool
) -> Reason | None:
    if measured is None:
        return Reason.FEATURE_NOT_BUILT
    if measured.outcome is not Outcome.VALUE:
        return measured.reason or Reason.NO_DATA
    if state.phase is Phase.PENDING:
        return Reason.PENDING
    if not state.fires:
        return Reason.QUIET
    if not warm and not trigger.ignores_initial_delay:
        return Reason.WARMING_UP
    return UNCLEAR.get(baseline.level)


def _message(
    trigger: Trigger, state: TriggerState, baseline: Baseline, measured: Measurement | None, reason: Reason | None
) -> str:
    if measured is None:
        return f"{trigger.name}: triggers of type {trigger.type} are not evaluated by this version"
    if measured.outcome is not Outcome.VALUE:
        return f"{trigger.name}: {measured.detail or 'no data'}{_blind_for(state, measured.at)}"
    text = _value(trigger, measured)
    if state.phase in (Phase.PENDING, Phase.FIRING) and state.since is not None:
        text += f" since {state.since:%H:%M:%S}Z"
    if reason is Reason.PENDING:
        text += f"; fires after {format_duration(trigger.hold_for)}"
    if reason in (Reason.NOT_OURS, Reason.NO_BASELINE, Reason.METRICS_UNAVAILABLE):
        text += f"; {baseline.detail or 'the time before the sync could not be read yet'}"
    if reason is Reason.WARMING_UP:
        text += "; not trusted yet, within the initial delay"
    return text


def _value(trigger: Trigger, measured: Measurement) -> str:
    if trigger.type in WORDS:
        return f"{trigger.name}: {measured.detail}"
    value = measured.value or 0.0
    greater = trigger.comparison is Comparison.GREATER_THAN
    beyond = value > trigger.threshold if greater else value < trigger.threshold
    side = ("above" if greater else "below") if beyond else "within"
    parts = ""
    if measured.numerator is not None and measured.denominator is not None:
        parts = f" ({measured.numerator:.4g} of {measured.denominator:.4g} per second)"
    elif trigger.burn_rate is not None:
        parts = f" ({measured.detail})"
    return f"{trigger.name} is {value:.4g}{parts}, {side} the limit {trigger.threshold:g}"


def _blind_for(state: TriggerState, at: datetime) -> str:
    if state.blind_since is None or at <= state.blind_since:
        return ""
    return f", for {format_duration(at - state.blind_since)} now"
