"""A developer who ships on as soon as a rollback has landed: a bad release on top of what is not verified yet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

LOOKS_EVERY = 5.0  # seconds
SOONEST, LATEST = 5.0, 60.0  # seconds from the rollback's landing


class Hasty:
    """Once for each rollback that lands."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("hasty")
        self._seen: set[str] = set()
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for landed in world.carried:
            if landed.commit.sha not in self._seen:
                self._seen.add(landed.commit.sha)
                for name in set(landed.applications) & set(world.setup.alone):
                    world.schedule.after(self._random.uniform(SOONEST, LATEST), partial(self._ship, name))
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _ship(self, name: str) -> None:
        world = self._world
        if world.calm:
            return
        version = f"hasty{len(self._seen)}"
        make_bad(world, self._random, (name,), version)
        files: dict[str, bytes | None] = {f"apps/{name}/deployment.yaml": deployment(name, version)}
        world.commit("hasty", files, f"Ship {version} of {name}")


ACTOR = Actor("hasty", Hasty)
