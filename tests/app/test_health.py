"""Whether the controller says that it is alive and ready."""

from __future__ import annotations

from gitops_rollback.app.health import LONGEST_TICK_SECONDS, Health


def test_a_loop_that_does_not_turn_in_time_is_not_alive() -> None:
    health = Health()
    health.turned("shop/config", within_seconds=-1)
    assert not health.alive()
    health.turned("shop/config")
    assert health.alive()


def test_a_tick_that_waits_for_a_slow_remote_is_no_hang() -> None:
    health = Health()
    health.turned("shop/config", LONGEST_TICK_SECONDS)
    health.turned("other/config")
    assert health.alive()


def test_nothing_reported_is_not_ready() -> None:
    health = Health()
    assert not health.ready()
    health.report("shop/config", True, "watched")
    assert health.ready()
    health.report("engine default", False, "does not answer")
    assert not health.ready()
