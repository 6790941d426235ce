"""What hides that traffic is gone or that rows are kept: series that vanish, requests that come by another way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.metrics import COUNTED
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 5.0  # seconds
GAP, LEAK = 0.25, 0.2  # after each commit of a plan
FOR_LONG = timedelta(hours=3)


class Unseen:
    """Draws once for each commit of a plan."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("unseen")
        self._seen: set[str] = set()
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for plan in [one for one in world.carried if one.staged]:
            newest = world.plan(plan)[-1].commit.sha
            if newest not in self._seen:
                self._seen.add(newest)
                self._hide(plan.speaker)
        world.schedule.after(EVERY, self._turn)

    def _hide(self, name: str) -> None:
        world, random, said = self._world, self._random, self._random.random()
        lasts = FOR_LONG if random.random() < 0.2 else timedelta(seconds=random.uniform(20, 400))
        if said < GAP:
            kind = random.choice(COUNTED)
            world.store.show(f"{kind} of {name}", "gap", world.now, lasts.total_seconds())
            world.tell("metrics", f"{kind} of {name} vanish for {lasts}")
        elif said < GAP + LEAK:
            world.databases.leaks.setdefault(name, []).append((world.now, world.now + lasts))
            world.tell("truth", f"requests reach {name} by another way for {lasts}")


ACTOR = Actor("unseen", Unseen)
