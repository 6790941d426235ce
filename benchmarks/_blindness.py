"""How long does a metric source fail before a person is told? By the product's own rules, tick by tick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.decision import Act, Case
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import ApplicationRef, Policy, Severity, Target, Timing, Trigger
from gitops_rollback.core.sync import ApplicationId, DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Baseline, BaselineLevel, Hold, Level, Tick, TriggerState, Verdict, step

TICK = timedelta(seconds=15)
T0 = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
TRIGGER = Trigger("errors", "ratio")
POLICY = Policy(
    "shop", "shop.yaml", "a" * 40, (Target("shop", "argocd", ApplicationRef("argocd", "shop")),), (TRIGGER,),
    timing=Timing(interval=TICK, initial_delay=timedelta(0)),
)  # fmt: skip
CASE = Case(
    "shop", POLICY, True, SyncEvent(ApplicationId("d", "Application", "a", "shop"), DeploymentRecord((), (), T0))
)


def told_after() -> Iterator[float]:
    """Seconds from the outage's first instant until a person is told, for one that begins at each second of a tick."""
    for second in range(int(TICK.total_seconds())):
        yield _told_after(T0 + 4 * TICK + timedelta(seconds=second))


def _told_after(outage: datetime) -> float:
    state, hold, at = TriggerState(), Hold.of(TRIGGER, TICK), T0
    while at < outage + timedelta(minutes=10):
        at += TICK
        level = Level.ERROR if at > outage else Level.FALSE
        state = step(state, Tick(at, level), hold)
        reason = Reason.METRICS_UNAVAILABLE if level is Level.ERROR else Reason.QUIET
        seen = Verdict("errors", Severity.AUTO_ROLLBACK, state, None, Baseline(BaselineLevel.QUIET), reason=reason)
        if alarm(replace(CASE, verdicts=(seen,)), at).act is Act.PAGE:
            return (at - outage).total_seconds()
    return (at - outage).total_seconds()
