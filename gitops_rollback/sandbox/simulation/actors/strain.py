"""What goes wrong while traffic goes back: the old version cannot take it, or the new one fails altogether."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 5.0  # seconds
WEAK, HARD = 0.4, 0.2
FOR_LONG = timedelta(hours=3)


class Strain:
    """Draws once for each plan, just after its first commit, or a little later."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("strain")
        self._seen = 0
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for rollback in [one for one in world.rollbacks[self._seen :] if one.staged]:
            name, said, start = rollback.applications[0], random.random(), world.now
            start += timedelta(seconds=random.uniform(1, 30))
            if said < WEAK:
                lasts = FOR_LONG if random.random() < 0.3 else timedelta(seconds=random.uniform(60, 600))
                share = random.choice((0.0, 0.3, 0.8))
                world.store.weak.setdefault(name, []).append((start, start + lasts, share))
                world.tell("truth", f"{name} cannot take more than {share:.0%} back from {start:%H:%M:%S} on")
            elif said < WEAK + HARD:
                world.store.hard.setdefault(name, []).append((start, start + timedelta(minutes=10)))
                world.tell("truth", f"{name} fails harder from {start:%H:%M:%S} on")
        self._seen = len(world.rollbacks)
        world.schedule.after(EVERY, self._turn)


ACTOR = Actor("strain", Strain)
