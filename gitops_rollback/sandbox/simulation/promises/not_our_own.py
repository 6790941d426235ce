"""Promise 8: our own commits are never reverted by ourselves; what only says that it is ours is not ours."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.core.errors import Reason
from gitops_rollback.sandbox.simulation.events import Event, Rollback, Told, short
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """However the commit is named. Telling people of our own commit needs one that touched the application."""
    if isinstance(event, Told) and event.message.reason == Reason.OUR_OWN_COMMIT.value and not world.forced:
        name = short(event.message.application)
        mine = (world.objects.commits[sha] for sha in world.ours)
        if name in world.setup.names and not any(world.truth.own_paths(name, commit.paths) for commit in mine):
            yield f"people are told that what failed in {name} is our own commit, and there is none of ours in it"
    if isinstance(event, Rollback):
        for sha in event.reverts:
            if sha in world.ours:
                yield f"{event.commit.sha[:8]} takes back {sha[:8]}, a rollback of ours"


PROMISE = Promise("8", "no rollback of a rollback", check)
