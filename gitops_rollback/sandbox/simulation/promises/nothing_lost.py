"""Promise 2: every commit that was reachable before an update of ours is reachable after it."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import Accepted
from gitops_rollback.sandbox.simulation.world import OURS, World


def check(world: World, event: Event) -> Iterator[str]:
    """By the sets of what a head reaches."""
    if not isinstance(event, Accepted) or event.old is None or not event.who.startswith(OURS):
        return
    before, after = world.objects.reach(event.old), world.objects.reach(event.new)
    if before & ~after:
        yield f"{event.who} moved {event.ref} from {event.old[:8]} to {event.new[:8]} and lost commits"


PROMISE = Promise("2", "every commit reachable before is reachable after", check)
