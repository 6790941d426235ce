"""Promise 1: a push moves the branch from the head that was read to its descendant."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event
from gitops_rollback.sandbox.simulation.forge.site import HEADS
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import CONTROL, JOURNAL, MAIN
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """Judged before the server does: what it would refuse must not even be tried."""
    if not isinstance(event, Asked):
        return
    for update in event.updates:
        if update.ref not in (MAIN, JOURNAL) and not _by_pull_request(world, update.ref):
            yield f"{event.who} pushes to {update.ref}"
        if update.old is None and update.ref in event.read:
            yield f"{event.who} creates {update.ref}, which it had read"
        if update.old is not None and not world.objects.is_ancestor(update.old, update.new):
            yield f"{event.who} pushes {update.new[:8]}, which does not descend from {update.old[:8]}"


def _by_pull_request(world: World, ref: str) -> bool:
    """Where there is a forge: a branch of ours, that of a pull request, and where people's pauses are written."""
    heads = {HEADS + one.head for one in world.forge.pulls.values()} if world.forge is not None else set()
    return world.forge is not None and (ref.startswith(f"{HEADS}gitops-rollback/") or ref in (CONTROL, *heads))


PROMISE = Promise("1", "a push moves the branch from the head that was read to its descendant", check)
