"""A vanished series over real HTTP: missed only if it was there before the sync and the application is still seen."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from test_prometheus_measuring import T0, World, a_policy, a_subject
from test_prometheus_measuring import world as world

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.trigger import BaselineLevel
from gitops_rollback.sandbox.prometheus import Fault

GONE = Trigger(
    "gone",
    "absence",
    query='jobs_done_total{service="$SERVICE"}',
    beside='up{service="$SERVICE"}',
    hold_for=timedelta(seconds=30),
)


def told(world: World, before: bool, after: bool, up_after: bool = True) -> None:
    """Whether the jobs are counted before and after T0, and whether the application is seen after it."""

    def jobs(at: datetime) -> float | None:
        return 5.0 if (after if at > T0 else before) else None

    def up(at: datetime) -> float | None:
        return 1.0 if up_after or at <= T0 else None

    world.sandbox.set_series("jobs_done_total", jobs)
    world.sandbox.set_series("up{", up)


def test_what_has_vanished_since_the_sync_fires_and_is_read_back(world: World) -> None:
    told(world, before=True, after=False)
    fired = world.live(61, a_subject(a_policy(GONE)))
    assert (fired.fires, fired.reason, fired.baseline.level) == (True, None, BaselineLevel.QUIET)
    assert "no series is left, though others of the application are there" in fired.message
    assert world.restarted().look(61, a_subject(a_policy(GONE))).state == fired.state


@pytest.mark.parametrize(
    ("before", "after", "up_after", "reason"),
    [
        pytest.param(True, True, True, Reason.QUIET, id="there"),
        pytest.param(False, False, True, Reason.NOT_OURS, id="never-there"),
        pytest.param(True, False, False, Reason.TELEMETRY_LOST, id="nothing-is-seen"),
    ],
)
def test_what_is_there_or_never_was_or_cannot_be_seen_is_not_missed(
    world: World, before: bool, after: bool, up_after: bool, reason: Reason
) -> None:
    told(world, before, after, up_after)
    assert world.live(61, a_subject(a_policy(GONE))).reason is reason


def test_an_outage_of_the_store_is_no_absence(world: World) -> None:
    told(world, before=True, after=False)
    world.sandbox.fault = Fault.ERROR
    assert world.live(61, a_subject(a_policy(GONE))).fires is False
