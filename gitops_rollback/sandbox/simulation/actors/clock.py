"""A clock that jumps: a replica's idea of the time goes forward or back, by seconds or an hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Clock:
    """Jumps a few times, and is right again when it is calm."""

    def __init__(self, world: World, replicas: Sequence[Replica]) -> None:
        self._world = world
        self._replicas = replicas
        self._random = world.random("clock")
        world.at_calm.append(self._right)
        world.schedule.after(self._random.uniform(60, 400), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        world.stepped = True
        replica = self._random.choice(self._replicas)
        self._set(replica, timedelta(seconds=self._random.choice((-3600, -60, -5, 0, 5, 60, 3600))))
        world.tell(replica.who, f"has a clock that is off by {replica.clock.offset.total_seconds():.0f} s")
        world.schedule.after(self._random.uniform(60, 500), self._turn)

    def _right(self) -> None:
        for replica in self._replicas:
            self._set(replica, timedelta(0))

    def _set(self, replica: Replica, offset: timedelta) -> None:
        replica.clock.offset = offset
        self._world.clocks.setdefault(replica.who, []).append((self._world.now, offset))


ACTOR = Actor("clock", Clock, share=0.1)
