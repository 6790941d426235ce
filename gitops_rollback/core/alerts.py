"""What do the alerts of an Alertmanager say of an application: is one active now, and did it begin with the sync?

An alert's start is when its rule's `for` had passed. What it waited before that (`pendingFor`) is taken off, so that a
fault that began before the sync is not blamed on it.
Source: prometheus `rules/manager.go` (`StartsAt: alert.FiredAt`); alertmanager `api/v2/openapi.yaml` (`alertStatus`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import AlertRule
from gitops_rollback.core.query import VARIABLE, value_of
from gitops_rollback.core.trigger import Baseline, BaselineLevel

NAME = "alertname"
ACTIVE, SUPPRESSED = "active", "suppressed"  # the third state, unprocessed, is of one that was not yet looked at


@dataclass(frozen=True)
class Alert:
    """One alert that has not ended. `state` is Alertmanager's word: suppressed is silenced, muted or inhibited."""

    labels: tuple[tuple[str, str], ...]
    state: str
    starts_at: datetime


def filled_labels(rule: AlertRule, variables: Mapping[str, str]) -> dict[str, str]:
    """The labels that an alert must have. Raises: QueryInvalid for a variable that is unknown or has no value."""
    known = {name: value for name, value in variables.items() if value}
    return {name: VARIABLE.sub(lambda found: value_of(found.group(), known), text) for name, text in rule.labels}


def together(alerts: Collection[Alert]) -> tuple[Alert, ...]:
    """Each alert once, though several peers know it: its earliest start, and suppressed where one peer says so."""
    found: dict[tuple[tuple[str, str], ...], Alert] = {}
    for alert in alerts:
        known = found.get(alert.labels, alert)
        state = max(known.state, alert.state, key=(ACTIVE, "unprocessed", SUPPRESSED).index)
        found[alert.labels] = Alert(alert.labels, state, min(known.starts_at, alert.starts_at))
    return tuple(found.values())


def judge_alerts(alerts: Collection[Alert], name: str, at: datetime) -> Measurement:
    """1 if one is active, 0 if there is none. One that is suppressed, or not yet looked at, is neither."""
    active = [alert for alert in alerts if alert.state == ACTIVE]
    if active:
        first = min(alert.starts_at for alert in active)
        several = f", {len(active)} of them" if len(active) > 1 else ""
        return Measurement.of(1.0, at)._replace(detail=f"the alert {name} is active since {first:%H:%M:%S}Z{several}")
    if any(alert.state == SUPPRESSED for alert in alerts):
        detail = f"the alert {name} is silenced or inhibited in Alertmanager"
        return Measurement.missing(Reason.ALERT_SUPPRESSED, at, detail)
    if alerts:
        return Measurement.missing(Reason.NO_DATA, at, f"Alertmanager has not yet processed the alert {name}")
    return Measurement.of(0.0, at)._replace(detail=f"the alert {name} is not active")


def alert_baseline(alerts: Collection[Alert], rule: AlertRule, t0: datetime) -> Baseline:
    """Did any of `alerts` begin before the sync at `t0`? One after it tells only where the rule's `for` is known."""
    if not alerts:
        return Baseline(BaselineLevel.QUIET, None, "no such alert was active")
    first = min(alert.starts_at for alert in alerts)
    if first <= t0:
        return Baseline(BaselineLevel.FIRING, None, "the alert was active before the sync", first)
    if rule.pending_for is None:
        return Baseline(BaselineLevel.NONE, None, "how long its rule waits is not known: write `alert.pendingFor`")
    if first - rule.pending_for <= t0:
        return Baseline(BaselineLevel.FIRING, None, "the alert was pending before the sync", first - rule.pending_for)
    return Baseline(BaselineLevel.QUIET, None, "the alert began to be pending after the sync")
