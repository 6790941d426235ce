"""A person who syncs by hand what nothing syncs by itself: several commits at a time, while more are pushed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Syncer:
    """Every few minutes one application after another."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("syncer")
        for name in sorted(world.setup.manual):
            world.schedule.after(self._random.uniform(30, 200), partial(self._turn, name))

    def _turn(self, name: str) -> None:
        world = self._world
        if world.calm:
            return
        live = world.cluster.live(name)
        if world.truth.inputs(name, world.head) != world.truth.inputs(name, live):
            world.cluster.sync(name, {}, "admin")
        world.schedule.after(self._random.uniform(120, 300), partial(self._turn, name))


ACTOR = Actor("syncer", Syncer)
