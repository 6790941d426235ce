"""Releases by slot: a new version goes into the idle slot, and the traffic is switched to it."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.traffic import BLUE, GREEN_SLOT, service, slot_of
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6


class Switcher:
    """One application at a time."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("switcher")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        name = random.choice(world.setup.staged)
        text = world.objects.text(world.head, f"apps/{name}/service.yaml")
        if text is not None and (not any_bad(world) or random.random() < 0.1):
            self._release(name, GREEN_SLOT if slot_of(text) == BLUE else BLUE)
        world.schedule.after(random.uniform(30, 180), self._turn)

    def _release(self, name: str, idle: str) -> None:
        """The slot and the switch in one commit, or in two; now and then the active slot is changed in its place."""
        world, random = self._world, self._random
        self._count += 1
        version, said = f"2.{self._count}", random.random()
        if random.random() < BAD:
            make_bad(world, random, (name,), version)
        slot = (GREEN_SLOT if idle == BLUE else BLUE) if said > 0.85 else idle
        files = {f"apps/{name}/{slot}.yaml": deployment(f"{name}-{slot}", version)}
        switch = {f"apps/{name}/service.yaml": service(name, idle)}
        world.slots.away.discard(f"{name}-{slot}")
        if said > 0.85:
            world.commit("switcher", files, f"Release {version} of {name} in the slot that is active")
        elif said < 0.5:
            world.commit("switcher", {**files, **switch}, f"Release {version} of {name} in slot {slot}, and switch")
        else:
            world.commit("switcher", files, f"Release {version} of {name} in slot {slot}")
            world.commit("switcher", switch, f"Switch {name} to slot {slot}")


ACTOR = Actor("switcher", Switcher)
