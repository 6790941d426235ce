"""Did the engine fail at this very deployment? What Argo CD's and Flux's events are about, read from the engine itself.

An event that comes by webhook says when to look, and nothing else: it may be lost, repeated, late or made up.
Source: Argo CD `status.operationState.phase` (Failed, Error); Flux conditions, as `adapters/engines` reads both.
"""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.app.reading_back import Memory, Subject
from gitops_rollback.app.verdicts import engine_baseline, engine_word, tick_of_word
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.policy import DEGRADED, SYNC_FAILED, Trigger
from gitops_rollback.core.sync import Operation, OperationPhase
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Hold, step

FAILED = (OperationPhase.FAILED, OperationPhase.ERROR)
DEPLOYED_BEFORE = Baseline(BaselineLevel.QUIET, None, "the deployment before it did not fail")
FIRST = Baseline(BaselineLevel.NONE, None, "nothing is known to have been deployed before it")


def look_at_events(subject: Subject, memory: Memory, trigger: Trigger, at: datetime) -> Measurement:
    """What the engine says at `at` of what the trigger is about; `memory` is stepped."""
    operation = _own(subject)
    measured = _word(subject, trigger, operation, at)
    if not memory.ready and measured.value is not None:
        memory.alone = memory.beside = _baseline(subject, trigger, operation)
        memory.ready = bool(measured.value)  # until there is something to blame it on, it is asked anew
    if at > subject.t0:
        memory.state = step(memory.state, tick_of_word(measured, at), Hold.of(trigger, subject.interval))
    return measured


def _own(subject: Subject) -> Operation | None:
    """The engine's last operation, if it is the one that brought this deployment."""
    operation = subject.state.operation
    return operation if operation is not None and operation.started_at >= subject.t0 else None


def _word(subject: Subject, trigger: Trigger, operation: Operation | None, at: datetime) -> Measurement:
    health = engine_word(trigger, subject.state, at, subject.interval)
    if health.outcome is Outcome.ERROR:
        return health  # the engine is silent: nothing that it said before is a word about now
    if SYNC_FAILED in trigger.symptoms and _failed(operation):
        return Measurement.of(1.0, at)._replace(detail="the engine says that the sync failed")
    if DEGRADED in trigger.symptoms:
        return health
    if operation is None:
        return Measurement.missing(Reason.ENGINE_UNCLEAR, at, "the engine says nothing of this sync any more")
    said = "is under way" if operation.in_progress else "has not failed"
    return Measurement.of(0.0, at)._replace(detail=f"the engine says that the sync {said}")


def _failed(operation: Operation | None) -> bool:
    return operation is not None and operation.phase in FAILED and not operation.in_progress


def _baseline(subject: Subject, trigger: Trigger, operation: Operation | None) -> Baseline:
    if SYNC_FAILED in trigger.symptoms and (_failed(operation) or DEGRADED not in trigger.symptoms):
        return DEPLOYED_BEFORE if subject.event.previous is not None else FIRST
    return engine_baseline(trigger, subject.state, subject.t0, subject.health_before)
