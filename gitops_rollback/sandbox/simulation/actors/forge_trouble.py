"""A forge that is away for some minutes, or that refuses our token for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class ForgeTrouble:
    """One trouble at a time; in a calm world there is none."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("forge-trouble")
        world.at_calm.append(self._over)
        world.schedule.after(self._random.uniform(60, 900), self._turn)

    def _turn(self) -> None:
        world, forge, random = self._world, self._world.forge, self._random
        if world.calm or forge is None:
            return
        until = world.now + timedelta(seconds=random.uniform(20, 300))
        if random.random() < 0.7:
            forge.down_until = until
            world.tell("forge", "is away")
        else:
            forge.denied_until = until
            world.tell("forge", "refuses the controllers' token")
        world.schedule.after(random.uniform(400, 900), self._turn)

    def _over(self) -> None:
        if self._world.forge is not None:
            self._world.forge.down_until = self._world.forge.denied_until = self._world.now


ACTOR = Actor("forge-trouble", ForgeTrouble)
