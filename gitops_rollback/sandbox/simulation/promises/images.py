"""Promise 15, third part: an image that comes back can be had from its registry; else hold."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.sandbox.simulation.events import Asked, Event, short
from gitops_rollback.sandbox.simulation.files import images_of
from gitops_rollback.sandbox.simulation.promises.promise import Promise
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.world import World


def check(world: World, event: Event) -> Iterator[str]:
    """What was gone before the tick began, and runs nowhere, is not brought back without a person's word."""
    if not isinstance(event, Asked):
        return
    for update in event.updates if world.setup.registry else ():
        if update.ref == MAIN:
            yield from _gone(world, event, update.new)


def _gone(world: World, event: Asked, sha: str) -> Iterator[str]:
    commit, blobs = world.objects.commits[sha], world.objects.blobs
    running = {image for name in commit.trailers.get("Rollback-Application", ()) for image in _ran(world, event, name)}
    for change in commit.changes:
        before = images_of(blobs[change.old_blob]) if change.old_blob else frozenset()
        after = images_of(blobs[change.new_blob]) if change.new_blob else frozenset()
        for image in sorted(after - before - running):
            since = world.gone.get(image)
            if since is not None and since < event.since_tick:
                yield f"{sha[:8]} brings {image} back, which is gone since {since:%H:%M:%S}"


def _ran(world: World, event: Asked, application: str) -> Iterator[str]:
    """The images of all that the application ran in this tick."""
    name = short(application)
    runs = world.truth.runs(name)
    for ran, later in zip(runs, [*runs[1:], None], strict=True):
        if later is None or later.at >= event.since_tick:
            blob = world.objects.files(ran.revision).get(f"apps/{name}/deployment.yaml")
            yield from images_of(world.objects.blobs[blob]) if blob else ()


PROMISE = Promise("15", "an image that comes back can be had", check)
