"""Somebody who takes away the slot that is idle: its Pods, or its file, too; some come back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.traffic import BLUE, GREEN_SLOT, slot_of
from gitops_rollback.sandbox.simulation.world import World


class Tidier:
    """Looks at one application after the other."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("tidier")
        world.schedule.after(self._random.uniform(20, 90), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        name = random.choice(world.setup.staged)
        text = world.objects.text(world.head, f"apps/{name}/service.yaml")
        if text is not None and random.random() < 0.25:
            self._take_away(name, GREEN_SLOT if slot_of(text) == BLUE else BLUE)
        world.schedule.after(random.uniform(30, 120), self._turn)

    def _take_away(self, name: str, idle: str) -> None:
        world, workload = self._world, f"{name}-{idle}"
        if self._random.random() < 0.3:
            if world.objects.text(world.head, f"apps/{name}/{idle}.yaml") is not None:
                world.commit("tidier", {f"apps/{name}/{idle}.yaml": None}, f"Remove slot {idle} of {name}")
            return
        world.tell("tidier", f"{workload} has no Pod any more")
        world.slots.away.add(workload)
        if self._random.random() < 0.6:
            world.schedule.after(self._random.uniform(30, 300), partial(world.slots.away.discard, workload))


ACTOR = Actor("tidier", Tidier)
