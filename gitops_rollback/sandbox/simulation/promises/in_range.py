"""Promise 6: a suspect was really deployed to that application in that range, and changes its inputs."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Event, Rollback
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the engine really put into the cluster, whatever anybody saw of it."""
    if not isinstance(event, Rollback):
        return
    name, objects = event.applications[0], world.objects
    ran = {one.revision for one in world.truth.runs(name)}
    if event.bad not in ran and (name, event.bad) not in world.cluster.begun:
        yield f"{event.bad[:8]} was never deployed to {name}"
    if event.restores not in ran:
        yield f"{event.restores[:8]}, which is to come back, never ran in {name}"
    for sha in event.reverts:
        if not objects.is_ancestor(sha, event.bad) or objects.is_ancestor(sha, event.restores):
            yield f"{sha[:8]} lies outside of ({event.restores[:8]}, {event.bad[:8]}]"
        if not any(change.path.startswith(f"apps/{name}/") for change in objects.commits[sha].changes):
            yield f"{sha[:8]} changes no file of {name}"
    if not event.reverts:
        yield f"{event.commit.sha[:8]} reverts nothing"


PROMISE = Promise("6", "a suspect was really deployed in that range, and changes the application's inputs", check)
