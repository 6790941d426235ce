"""Asks for the alerts of an application at a look, and steps the trigger that names them.

An alert says itself since when it is active, so ticks that were not lived are known: nothing has to be read back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gitops_rollback.app.queries import span_since
from gitops_rollback.app.reading_back import Memory, Subject
from gitops_rollback.core.alerts import ACTIVE, NAME, Alert, alert_baseline, filled_labels, judge_alerts
from gitops_rollback.core.errors import QueryInvalid, Reason, RollbackError
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.policy import AlertRule, Trigger
from gitops_rollback.core.trigger import BaselineLevel, Hold, Level, Tick, replay, step
from gitops_rollback.ports import Alerts

LEVELS = {Outcome.ERROR: Level.ERROR, Outcome.INVALID: Level.INVALID, Outcome.NO_DATA: Level.NO_DATA}


def look_at_alerts(
    source: Alerts | None, subject: Subject, memory: Memory, trigger: Trigger, at: datetime, timeout: timedelta
) -> Measurement:
    """What is active at `at`; `memory` is stepped. One that was active before the sync is never blamed on it again."""
    rule = trigger.alert or AlertRule(())
    try:
        wanted = filled_labels(rule, subject.variables)
        found = _read(source, wanted, subject.variables.get("CLUSTER", ""), timeout)
    except QueryInvalid as exc:
        return _stepped(subject, memory, trigger, Measurement.invalid(at, exc.message), ())
    except RollbackError as exc:
        return _stepped(subject, memory, trigger, Measurement.failed(exc.reason, at, exc.message), ())
    if memory.alone.level is not BaselineLevel.FIRING:
        memory.alone = memory.beside = alert_baseline(found, rule, subject.t0)
    memory.ready = True
    return _stepped(subject, memory, trigger, judge_alerts(found, wanted[NAME], at), found)


def _read(source: Alerts | None, wanted: dict[str, str], cluster: str, timeout: timedelta) -> tuple[Alert, ...]:
    if source is None:
        raise RollbackError("alerts", "the settings name no Alertmanager", Reason.METRICS_UNAVAILABLE)
    return source.read(wanted, cluster, timeout)


def _stepped(
    subject: Subject, memory: Memory, trigger: Trigger, measured: Measurement, found: tuple[Alert, ...]
) -> Measurement:
    hold, at, t0 = Hold.of(trigger, subject.interval), measured.at, subject.t0
    if measured.value:
        began = min(alert.starts_at for alert in found if alert.state == ACTIVE)
        known = max(began, t0, memory.state.last.at if memory.state.last else t0)
        unlived = span_since(known, at, subject.interval).instants
        memory.state = replay((Tick(instant, Level.TRUE, 1.0) for instant in unlived), hold, memory.state)
    if at > t0:
        level = LEVELS.get(measured.outcome) or (Level.TRUE if measured.value else Level.FALSE)
        memory.state = step(memory.state, Tick(at, level, measured.value), hold)
    return measured
