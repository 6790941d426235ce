"""A zone that fails: three applications turn red, one soon after the other, and no commit is to blame for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

TOGETHER = 3  # applications: just as many as make a mass event of a small repository
APART = 100.0  # seconds at most between the first and the last


class Zone:
    """Fails a few times; the applications elsewhere stay as they are."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("zone")
        world.schedule.after(self._random.uniform(100, 400), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        names = random.sample(world.setup.alone, min(TOGETHER, len(world.setup.alone)))
        names.sort(key=self._age, reverse=True)  # what was just deployed is the last to turn red
        seconds = random.uniform(150, 400)
        for place, name in enumerate(names):
            delay = APART * place / TOGETHER + random.uniform(0, APART / TOGETHER)
            world.store.show(name, "red", world.now + timedelta(seconds=delay), seconds)
        world.tell("zone", f"is out for {seconds:.0f} s: {', '.join(names)} turn red")
        world.schedule.after(random.uniform(500, 900), self._turn)

    def _age(self, name: str) -> timedelta:
        ran = self._world.truth.at(name, self._world.now)
        return self._world.now - ran.at if ran is not None else timedelta(0)


ACTOR = Actor("zone", Zone)
