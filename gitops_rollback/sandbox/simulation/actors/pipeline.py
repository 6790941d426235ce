"""A pipeline that asks the engine for a sync of its applications at each commit, whatever that changes.

So the engine records a deployment for each commit of the repository, and most of them bring an application nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

RUNS = (5.0, 40.0)  # seconds from a commit to its sync
SHARE = 0.7  # of the applications have one


class Pipeline:
    """Looks at the branch every few seconds, as a runner does, and syncs one application after the other."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("pipeline")
        self._synced = {name: world.head for name in world.setup.alone if self._random.random() < SHARE}
        world.schedule.after(self._random.uniform(*RUNS), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for name, done in self._synced.items():
            if done != world.head and world.cluster.sync(name, {}, "ci"):
                self._synced[name] = world.head
        world.schedule.after(self._random.uniform(*RUNS), self._turn)


ACTOR = Actor("pipeline", Pipeline)
