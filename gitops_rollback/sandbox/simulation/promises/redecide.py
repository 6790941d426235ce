"""Promise 3: the first parent of what we push is the head that was read in this very attempt."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import JOURNAL, MAIN
from gitops_rollback.sandbox.simulation.world import World

TRIES = 12


def check(world: World, event: Event) -> Iterator[str]:
    """Not a head from an earlier tick, nor one from before a lost race."""
    if not isinstance(event, Asked):
        return
    update = next((one for one in event.updates if one.ref == MAIN), None)
    if update is None:
        return
    parents = world.objects.commits[update.new].parents
    if parents[:1] != (update.old,):
        yield f"{event.who} builds on {parents[0][:8]}, but says that it read {str(update.old)[:8]}"
    if update.old not in event.heads:
        yield f"{event.who} builds on {str(update.old)[:8]}, which it did not read in this attempt"
    journal = next((one for one in event.updates if one.ref == JOURNAL), None)
    if journal is not None and not _on_read(world, journal.old, event.read.get(JOURNAL)):
        yield f"{event.who} writes the journal on a head that it never read nor wrote"


def _on_read(world: World, old: str | None, read: str | None) -> bool:
    """The journal may have grown by our own entries since the fetch."""
    return old == read or (old is not None and (read is None or world.objects.is_ancestor(read, old)))


PROMISE = Promise("3", "a rejected push fetches and decides anew", check)
