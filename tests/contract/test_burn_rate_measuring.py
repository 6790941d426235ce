"""A burn rate over real HTTP: both windows decide, what burned before is not the sync's, and a rollback is verified."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from test_prometheus_measuring import T0, VARIABLES, World, a_policy, a_subject
from test_prometheus_measuring import world as world

from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.policy import BurnRate, Severity, Trigger
from gitops_rollback.core.trigger import BaselineLevel
from gitops_rollback.core.verification import judge, measured_by
from gitops_rollback.sandbox.prometheus import Fault, Vector

BURN = Trigger(
    "budget",
    "burnRate",
    Severity.AUTO_ROLLBACK,
    bad='http_requests_total{service="$SERVICE",status=~"5.."}',
    total='http_requests_total{service="$SERVICE"}',
    threshold=14.4,
    hold_for=timedelta(seconds=30),
    burn_rate=BurnRate(0.999, timedelta(hours=1), timedelta(minutes=5)),
)
Share = Callable[[float], float]


def burning(world: World, long: Share, short: Share) -> Subject:
    """Ten requests a second; the shares that fail over the hour and over five minutes, by seconds since T0."""

    def rates(query: str, at: datetime) -> Vector:
        share = long if "[3600s]" in query else short
        failed = share((at - T0).total_seconds()) * 10.0
        return [({}, failed if "5.." in query else 10.0)]

    world.sandbox.set_evaluator("http_requests_total", rates)
    return a_subject(a_policy(BURN))


def test_a_budget_that_burns_in_both_windows_since_the_sync_fires(world: World) -> None:
    asked = burning(world, lambda s: 0.02 if s > 0 else 0.0, lambda s: 0.3 if s > 0 else 0.0)
    fired = world.live(60, asked)
    assert (fired.fires, fired.reason, fired.baseline.level) == (True, None, BaselineLevel.QUIET)
    assert "budget is 20 (20 over 1h and 300 over 5m), above the limit 14.4" in fired.message
    assert world.restarted().look(46, asked).state == world.look(46, asked).state


@pytest.mark.parametrize(
    ("long", "short"), [pytest.param(0.01, 0.9, id="a-burst"), pytest.param(0.5, 0.01, id="over-already")]
)
def test_one_window_alone_is_quiet(world: World, long: float, short: float) -> None:
    assert world.live(60, burning(world, lambda _s: long, lambda _s: short)).reason is Reason.QUIET


def test_what_burned_before_the_sync_is_not_ours(world: World) -> None:
    fired = world.live(60, burning(world, lambda _s: 0.05, lambda _s: 0.05))
    assert (fired.reason, fired.baseline.level) == (Reason.NOT_OURS, BaselineLevel.FIRING)


def test_a_store_without_answers_is_no_verdict(world: World) -> None:
    asked = burning(world, lambda s: 0.02 if s > 0 else 0.0, lambda s: 0.3 if s > 0 else 0.0)
    for fault in (Fault.EMPTY, Fault.ERROR):
        world.sandbox.fault = fault
        told = world.restarted().look(61, asked)
        assert (told.fires, told.measurement and told.measurement.value) == (False, None)


def test_a_rollback_is_verified_by_windows_wholly_after_the_switch(world: World) -> None:
    policy = burning(world, lambda _s: 0.0, lambda _s: 0.0).policy
    (check,) = measured_by(policy, ["budget"])
    world.measuring.measure_check(policy, check, VARIABLES, T0 + timedelta(minutes=2), T0)
    assert all("[120s]" in str(asked.form.get("query")) for asked in world.sandbox.asked)
    world.sandbox.set_evaluator("http_requests_total", lambda query, _at: [({}, 0.0 if "5.." in query else 10.0)])
    measured = world.measuring.measure_check(policy, check, VARIABLES, T0 + timedelta(minutes=2), T0)
    assert judge(check, BURN, measured).ok is True
