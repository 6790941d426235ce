"""Somebody who may force a push, and takes commits away from the branch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Forcer:
    """Once, if there is something to take away."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("forcer")
        world.schedule.after(self._random.uniform(200, 1300), self._act)

    def _act(self) -> None:
        world = self._world
        line = list(islice(world.objects.first_parents(world.head), 4))
        if world.calm or len(line) < 3:
            return
        back = self._random.choice(line[1:])
        world.forced = True
        world.tell("forcer", f"moves the branch back to {back.sha[:8]}")
        world.remote.force("forcer", MAIN, back.sha)


ACTOR = Actor("forcer", Forcer, share=0.06)
