"""A fault whose cause is elsewhere: it lasts after most rollbacks, which do not help, and ends by itself much later."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

LOOKS_EVERY = 2.0  # seconds
SHARE = 0.7
SHORTEST, LONGEST = 400.0, 900.0  # seconds; a rollback is verified for five minutes


class Elsewhere:
    """Once for each rollback that lands."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("elsewhere")
        self._seen: set[str] = set()
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for landed in [one for one in world.carried if one.commit.sha not in self._seen]:
            self._seen.add(landed.commit.sha)
            if self._random.random() < SHARE:
                seconds = self._random.uniform(SHORTEST, LONGEST)
                for name in sorted(set(landed.applications) & set(world.setup.names)):
                    world.store.show(name, "red", world.now, seconds)
                    world.tell("metrics", f"{name} stays red for {seconds:.0f} s: the cause is elsewhere")
        world.schedule.after(LOOKS_EVERY, self._turn)


ACTOR = Actor("elsewhere", Elsewhere)
