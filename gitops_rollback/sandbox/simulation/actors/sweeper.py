"""A registry's retention: what an application ran before is thrown away, some time after something else runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import images_of
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

LOOKS_EVERY = 5.0  # seconds
SHARE = 0.6  # of the deployments, after which what ran before goes
LATEST = 120.0  # seconds; a rollback is pushed within them


class Sweeper:
    """Once for each state that an application runs."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("sweeper")
        self._seen: dict[str, int] = {}
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for name in world.setup.alone:
            ran = len(world.truth.runs(name))
            if ran > self._seen.get(name, 1) and self._random.random() < SHARE:
                world.schedule.after(self._random.uniform(0, LATEST), partial(self._sweep, name))
            self._seen[name] = ran
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _sweep(self, name: str) -> None:
        """All images that it ever ran but the one that runs now; what is wanted again is pushed again."""
        world = self._world
        if world.calm:
            return
        *before, now = world.truth.runs(name)
        kept = self._images(name, now.revision)
        for image in sorted({image for ran in before for image in self._images(name, ran.revision)} - kept):
            if image not in world.gone:
                world.gone[image] = world.now
                world.tell("sweeper", f"throws {image} away")

    def _images(self, name: str, revision: str) -> frozenset[str]:
        world = self._world
        blob = world.objects.files(revision).get(f"apps/{name}/deployment.yaml")
        return images_of(world.objects.blobs[blob]) if blob else frozenset()


ACTOR = Actor("sweeper", Sweeper)
