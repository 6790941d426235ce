"""Worlds whose policies name strategies: rollbacks of several commits, and whoever gets between two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitops_rollback.sandbox.simulation.setup import NAMES, Setup
from gitops_rollback.sandbox.simulation.traffic import FLAGS, MIGRATION, SLOTS, WEIGHTS

AWAY = {"clock", "forcer", "promoter", "outage", "gaps", "liar", "forger", "editor", "base"}


def _staged(setup: Setup, strategy: str, releaser: str) -> None:
    """Four of five applications steer their traffic; there are crashes at the places that the product names."""
    setup.names, setup.unwatched = NAMES[:5], frozenset()
    setup.strategy, setup.staged = strategy, setup.names[:4]
    setup.manual, setup.health = setup.manual & set(setup.names[4:]), setup.health & set(setup.names)
    setup.busy, setup.may_sync, setup.lasts = 1500.0, True, 1500.0
    setup.actors -= {"stopper"} if setup.racing else frozenset()  # a pause of minutes leaves room for no plan
    setup.racing = min(setup.racing, 0.3)
    setup.deadly = 0.3 if setup.rates.kill else 0.0
    setup.actors = (setup.actors - AWAY) | {releaser, "meddler"}


def _weights(setup: Setup) -> None:
    """Releases get their traffic by weight; some old versions cannot take it back, some new ones fail altogether."""
    _staged(setup, WEIGHTS, "weigher")
    setup.actors |= {"strain"}


def _slots(setup: Setup) -> None:
    """Releases go into the idle slot, which is then switched to; the old one may be gone when it is wanted back."""
    _staged(setup, SLOTS, "switcher")
    setup.actors |= {"tidier"}


def _flags(setup: Setup) -> None:
    """Features wait behind a flag, and are switched on with a release or after it."""
    _staged(setup, FLAGS, "flagger")


def _migration(setup: Setup) -> None:
    """Releases move data. A person lets the way back begin; Pods, Jobs and metrics do not do as they should."""
    _staged(setup, MIGRATION, "migrator")
    setup.names, setup.staged, setup.lasts = NAMES[:3], NAMES[:2], 1300.0
    setup.manual, setup.health = setup.manual & set(setup.names[2:]), setup.health & set(setup.names)
    setup.actors = (setup.actors | {"on-call", "job-trouble", "unseen", "between"}) - {"meddler"}


STRATEGY_SCENARIOS: Mapping[str, Callable[[Setup], None]] = {
    "weights": _weights,
    "slots": _slots,
    "flags": _flags,
    "migration": _migration,
}
