"""Worlds in which rollbacks concern more than one application: what others need goes back after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitops_rollback.sandbox.simulation.setup import NAMES, Setup

AWAY = {"clock", "forcer", "promoter", "outage", "gaps", "liar", "forger", "editor", "base", "updater", "reverter"}


def _cascade(setup: Setup) -> None:
    """Releases are built on releases; the first of them turns out to be bad, and people get in between."""
    setup.cascades, setup.names, setup.unwatched = True, NAMES[:5], frozenset()
    setup.manual, setup.may_sync, setup.lasts, setup.busy = frozenset(), True, 1200.0, 900.0
    setup.health, setup.hangs = setup.health & frozenset(setup.names), 0.05
    setup.actors -= {"stopper"} if setup.racing else frozenset()
    setup.racing = min(setup.racing, 0.3)
    setup.deadly = 0.3 if setup.rates.kill else 0.0
    setup.actors = (setup.actors - AWAY) | {"builder", "latecomer", "brittle", "approver"}


def _infrastructure(setup: Setup) -> None:
    """Releases bring infrastructure, whose runs fail, hang, wait for people, and would destroy things."""
    setup.names, setup.unwatched, setup.provisioned = NAMES[:4], frozenset(), NAMES[:3]
    setup.cascades = True
    setup.manual, setup.may_sync, setup.lasts, setup.busy = frozenset(), True, 1200.0, 900.0
    setup.health, setup.hangs = setup.health & frozenset(setup.names), 0.05
    setup.racing = min(setup.racing, 0.3)
    setup.deadly = 0.3 if setup.rates.kill else 0.0
    setup.actors = (setup.actors - AWAY) | {"provisioner", "planner", "builder", "approver"}


CASCADE_SCENARIOS: Mapping[str, Callable[[Setup], None]] = {"cascade": _cascade, "infrastructure": _infrastructure}
