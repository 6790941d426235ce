"""Promise 8: our own commits are never reverted by ourselves."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """However the commit is named in the trailers."""
    if isinstance(event, Rollback):
        for sha in event.reverts:
            if sha in world.ours:
                yield f"{event.commit.sha[:8]} takes back {sha[:8]}, a rollback of ours"


PROMISE = Promise("8", "no rollback of a rollback", check)
