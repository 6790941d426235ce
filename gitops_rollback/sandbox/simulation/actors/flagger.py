"""Releases behind a flag: a feature that waits, and the commit that switches it on; a neighbour's flag beside it."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.traffic import FLAG, OFF, ON, OTHER_FLAG, flags, flags_of
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6


class Flagger:
    """One application at a time."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("flagger")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        name = random.choice(world.setup.staged)
        text = world.objects.text(world.head, f"apps/{name}/flags.yaml")
        if text is not None and (not any_bad(world) or random.random() < 0.1):
            self._release(name, flags_of(text))
        world.schedule.after(random.uniform(20, 150), self._turn)

    def _release(self, name: str, now: dict[str, str]) -> None:
        world, random = self._world, self._random
        path = f"apps/{name}/flags.yaml"
        if random.random() < 0.25:
            other = OFF if now[OTHER_FLAG] == ON else ON
            world.commit("flagger", {path: flags(name, now[FLAG], other)}, f"Turn the other flag of {name} {other}")
            return
        self._count += 1
        level = f"feature{self._count}"
        if random.random() < BAD:
            make_bad(world, random, (name,), level)
        files = {f"apps/{name}/feature.yaml": config(f"{name}-feature", level)}
        if random.random() < 0.3:
            files[f"apps/{name}/deployment.yaml"] = deployment(name, f"3.{self._count}")
        # Now and then both flags are turned by the same commit.
        other = ON if random.random() < 0.3 else now[OTHER_FLAG]
        switch = {path: flags(name, ON, other)}
        if random.random() < 0.5:
            world.commit("flagger", {**files, **switch}, f"Release {level} of {name}, and turn it on")
        else:
            world.commit("flagger", files, f"Release {level} of {name}")
            world.commit("flagger", switch, f"Turn on {level} of {name}")


ACTOR = Actor("flagger", Flagger)
