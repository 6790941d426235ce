"""Promise 16, second part: a sync has a key, and is not repeated where the engine has just shown that it was done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.sandbox.simulation.events import Event, SyncAsked
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

SOON = timedelta(seconds=25)  # less than what a sync is given to show an effect


def check(world: World, event: Event) -> Iterator[str]:
    """By what the engine told this very replica last; a jumping clock makes times worthless."""
    if not isinstance(event, SyncAsked) or event.told is None or world.stepped:
        return
    operation = event.told.operation
    if operation is None or not event.identity or operation.info.get(ROLLBACK_ID_INFO) != event.identity:
        return
    last = operation.finished_at or operation.started_at
    if event.at - last < SOON:
        yield f"{event.who} syncs {event.application} again, though it was shown its own sync of {last:%H:%M:%S}"


PROMISE = Promise("16", "no sync is repeated that the engine has shown to be done", check)
