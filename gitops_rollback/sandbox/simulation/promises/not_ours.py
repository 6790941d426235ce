"""Promise 11: a trigger that was already firing before the sync does not blame the sync."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.metrics import RED
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

TICK = timedelta(seconds=15)


def check(world: World, event: Event) -> Iterator[str]:
    """The store's word at the last tick before the bad revision's sync began."""
    if not isinstance(event, Rollback):
        return
    name = event.speaker
    begun = world.cluster.began(name, event.bad)
    if begun is None or name in world.setup.health:
        return
    before = begun - timedelta(microseconds=1)
    last = before - timedelta(seconds=before.timestamp() % 15)
    if world.store.value(name, last) == RED:
        yield f"{name} was red at {last:%H:%M:%S}, before {event.bad[:8]} was synced at {begun:%H:%M:%S}"


PROMISE = Promise("11", "what was firing before the sync does not blame the sync", check)
