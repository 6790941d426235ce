"""Promise 7, of leaders: no push starts after the local renew deadline, which is shorter than the lease."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event
from gitops_rollback.sandbox.simulation.leasing import SKEW, TIMES
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World

LONGEST = TIMES.renew_deadline / (1 - SKEW)  # of true time, for the slowest clock


def check(world: World, event: Event) -> Iterator[str]:
    """By the API's own book: when did the last write of this replica begin that made or kept it the holder?"""
    if not isinstance(event, Asked) or not world.setup.leased:
        return
    begun = world.leases.begun.get(event.who)
    if begun is None:
        yield f"{event.who} pushes and never held the lease"
    elif (age := (event.at - begun).total_seconds()) > LONGEST:
        yield f"{event.who} pushes {age:.0f} s after it last renewed its lease"


PROMISE = Promise("7", "nobody pushes after the renew deadline of its lease", check)
