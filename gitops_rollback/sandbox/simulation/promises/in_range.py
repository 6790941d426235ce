"""Promise 6: a suspect was really deployed to that application in that range, and changes its inputs."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event, Rollback, short
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """By what the engine really put into the cluster, whatever anybody saw of it; already when it is about to push."""
    if isinstance(event, Asked):
        yield from _asked(world, event)
    if not isinstance(event, Rollback):
        return
    objects = world.objects
    # In an incident the application that speaks for all need not be the first in order.
    speakers = [name for name in event.applications if world.cluster.ran(name, event.bad)]
    if not speakers:
        yield _never(event.bad, event.applications)
        return
    if not any(world.cluster.ran(name, event.restores) for name in speakers):
        yield f"{event.restores[:8]}, which is to come back, never ran in {', '.join(speakers)}"
    for sha in event.reverts:
        if not objects.is_ancestor(sha, event.bad) or objects.is_ancestor(sha, event.restores):
            yield f"{sha[:8]} lies outside of ({event.restores[:8]}, {event.bad[:8]}]"
        if not any(world.truth.own_paths(name, objects.commits[sha].paths) for name in speakers):
            yield f"{sha[:8]} changes no file of {', '.join(speakers)}"
    if not event.reverts:
        yield f"{event.commit.sha[:8]} reverts nothing"


def _asked(world: World, event: Asked) -> Iterator[str]:
    update = next((one for one in event.updates if one.ref == MAIN), None)
    if update is None:
        return
    said = world.objects.commits[update.new].trailers
    names = tuple(short(name) for name in said.get("Rollback-Application", ()))
    for bad in said.get("Rollback-Bad-Revision", ()):
        if not any(world.cluster.ran(name, bad) for name in names):
            yield _never(bad, names)


def _never(bad: str, names: tuple[str, ...]) -> str:
    return f"{bad[:8]} was never deployed to {', '.join(names)}"


PROMISE = Promise("6", "a suspect was really deployed in that range, and changes the application's inputs", check)
