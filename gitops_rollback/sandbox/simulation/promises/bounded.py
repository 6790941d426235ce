"""Promise 20: a tick's calls, and what is written to the remote, have limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gitops_rollback.sandbox.simulation.events import Event, Ticked
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, Accepted
from gitops_rollback.sandbox.simulation.world import World

CALLS = 60  # of one application within one tick, all retries included
WRITES = 20  # of one application within ten minutes
SPAN = timedelta(minutes=10)


def check(world: World, event: Event) -> Iterator[str]:
    """Generous: a loop that runs away is far beyond it."""
    count = len(world.setup.names) + 1
    if isinstance(event, Ticked) and event.calls > CALLS * count:
        yield f"{event.who} made {event.calls} calls in one tick"
    if isinstance(event, Accepted) and event.ref == JOURNAL:
        world.writes.append(event.at)
        while event.at - world.writes[0] > SPAN:
            world.writes.popleft()
        if len(world.writes) > WRITES * count:
            yield f"the journal was written {len(world.writes)} times in ten minutes"


PROMISE = Promise("20", "calls and writes are bounded", check)
