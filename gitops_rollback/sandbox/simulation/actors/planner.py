"""People around the runs of infrastructure: they let plans run that wait, or do not, and plan a destruction by hand."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.cloud_files import at_level
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

APPROVES = 0.35  # of the plans that wait, at each look
CHANGES = 0.1  # what our newest commit changed, by hand, while its run is open


class Planner:
    """Looks every minute or so."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("planner")
        self._count = 0
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or world.cloud is None:
            return
        for thing in world.cloud.things.values():
            run = thing.open
            if run is not None and run.pending and random.random() < APPROVES:
                world.cloud.approve(thing)
            elif run is not None and world.rollbacks and random.random() < CHANGES:
                self._change(thing.path)
        world.schedule.after(random.uniform(20, 90), self._turn)

    def _change(self, path: str) -> None:
        world, text = self._world, self._world.objects.text(self._world.head, path)
        if text is not None and path in world.rollbacks[-1].commit.paths:
            self._count += 1
            world.commit("planner", {path: at_level(text, f"hand{self._count}")}, f"Set {path} by hand")


ACTOR = Actor("planner", Planner)
