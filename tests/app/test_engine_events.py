"""A sync that failed, as the engine says it: is it this deployment's, and may it be blamed?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import DEGRADED, SYNC_FAILED, ApplicationRef, Policy, Target, Timing, Trigger
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Operation,
    OperationPhase,
    SyncEvent,
    SyncStatus,
)
from gitops_rollback.core.trigger import Verdict
from gitops_rollback.ports import MetricSource

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NAME = ApplicationId("default", "Application", "argocd", "web")
BEFORE, BAD = DeploymentRecord(("a" * 40,), (), T0 - timedelta(days=1)), DeploymentRecord(("b" * 40,), (), T0)
SYNC = Operation(OperationPhase.SUCCEEDED, ("b" * 40,), (), T0, T0 + 5 * SECOND)
FAILED = replace(SYNC, phase=OperationPhase.FAILED)
RETRIES = replace(SYNC, phase=OperationPhase.RUNNING, in_progress=True, finished_at=None)
EARLIER = replace(FAILED, started_at=T0 - timedelta(hours=1))
BOTH, SYNC_ONLY = (SYNC_FAILED, DEGRADED), (SYNC_FAILED,)


def nobody(_policy: Policy) -> MetricSource:
    raise AssertionError("no metric source is asked for the engine's word")


def look(
    measuring: Measuring,
    operation: Operation | None,
    health: Health = Health.HEALTHY,
    words: tuple[str, ...] = BOTH,
    previous: DeploymentRecord | None = BEFORE,
    at: float = 16,
    silent: float = 0,
) -> Verdict:
    now = T0 + at * SECOND
    trigger = Trigger("engine", "event", immediate=True, symptoms=words)
    target = Target("web", "argocd", ApplicationRef("argocd", "web"))
    policy = Policy("p", "p.yaml", "a" * 40, (target,), (trigger,), timing=Timing(initial_delay=0 * SECOND))
    observed = now - silent * SECOND
    state = ApplicationState(
        NAME, "u", "default", "", "shop", (), SyncStatus.SYNCED, (), health, observed, T0 + SECOND, operation=operation
    )
    subject = Subject(policy, target, state, SyncEvent(NAME, BAD, previous), {}, Health.HEALTHY)
    return measuring.measure(subject, now)[0]


@pytest.mark.parametrize(
    ("operation", "more", "reason"),
    [
        pytest.param(FAILED, {}, None, id="the-sync-failed"),
        pytest.param(replace(FAILED, phase=OperationPhase.ERROR), {}, None, id="or-ended-in-an-error"),
        pytest.param(SYNC, {"health": Health.DEGRADED}, None, id="degraded"),
        pytest.param(SYNC, {}, Reason.QUIET, id="it-went-well"),
        pytest.param(RETRIES, {"words": SYNC_ONLY}, Reason.QUIET, id="the-engine-still-tries"),
        pytest.param(EARLIER, {"words": SYNC_ONLY}, Reason.ENGINE_UNCLEAR, id="another-sync-failed"),
        pytest.param(None, {"words": SYNC_ONLY}, Reason.ENGINE_UNCLEAR, id="it-says-nothing-of-the-sync"),
        pytest.param(SYNC, {"words": SYNC_ONLY, "health": Health.DEGRADED}, Reason.QUIET, id="only-the-sync-counts"),
        pytest.param(FAILED, {"previous": None}, Reason.NO_BASELINE, id="nothing-was-deployed-before"),
        pytest.param(FAILED, {"silent": 300.0}, Reason.ENGINE_UNAVAILABLE, id="a-word-of-long-ago"),
        pytest.param(SYNC, {"health": Health.UNKNOWN}, Reason.ENGINE_UNCLEAR, id="the-engine-does-not-know"),
    ],
)
def test_only_what_the_engine_says_of_this_sync_is_its_fault(
    operation: Operation | None, more: dict[str, object], reason: Reason | None
) -> None:
    verdict = look(Measuring(nobody), operation, **more)
    assert verdict.reason is reason
    assert (verdict.fires and verdict.reason is None) == (reason is None)


def test_a_look_within_a_tick_sees_what_the_event_was_about() -> None:
    measuring = Measuring(nobody)
    assert look(measuring, RETRIES, at=16).reason is Reason.QUIET
    failed = look(measuring, FAILED, at=18)  # an event came, and somebody looked before the next tick
    assert failed.fires
    assert "the engine says that the sync failed" in failed.message


def test_what_ended_well_in_the_end_is_quiet_again() -> None:
    measuring = Measuring(nobody)
    assert look(measuring, FAILED, at=16).fires
    assert not look(measuring, SYNC, at=31).fires
