"""Promise 13, first part: no push starts once a replica could read that it must stop."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.stop import CONTROL_PATH, HEAD_PATH
from gitops_rollback.sandbox.simulation.events import Asked, Event
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import CONTROL, MAIN
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """The settings' door by its time, the two in git by what the last fetch held."""
    if not isinstance(event, Asked) or not any(update.ref == MAIN for update in event.updates):
        return
    settings = world.pauses.closed.get("settings")
    if settings is not None and settings < event.since_tick:
        yield f"{event.who} pushes though the settings said stop at {settings:%H:%M:%S}"
    for ref, path in ((CONTROL, CONTROL_PATH), (MAIN, HEAD_PATH)):
        head = event.read.get(ref)
        if head is not None and world.objects.files(head).get(path) in world.pauses.texts:
            yield f"{event.who} pushes though it has read {path}, which stops it"


PROMISE = Promise("13", "stop within one tick, by any of three doors; unreadable means stop", check)
