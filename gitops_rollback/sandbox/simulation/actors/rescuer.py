"""Somebody who mends a bad release with the next one, and syncs that at once, just when the controller wants to act."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

LOOKS_EVERY = 5.0  # seconds
SOONEST, LATEST = 25.0, 75.0  # seconds from when it hurts; a rollback is pushed about then


class Rescuer:
    """Once for each bad state of an application."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("rescuer")
        self._seen: set[tuple[str, str]] = set()
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for name in world.setup.alone:
            state = world.cluster.live(name)
            if world.truth.is_bad(name, world.now) and (name, state) not in self._seen:
                self._seen.add((name, state))
                world.schedule.after(self._random.uniform(SOONEST, LATEST), partial(self._mend, name))
        world.schedule.after(LOOKS_EVERY, self._turn)

    def _mend(self, name: str) -> None:
        world = self._world
        if world.calm or not world.truth.is_bad(name, world.now):
            return
        version = f"fix{len(self._seen)}"
        files = {
            f"apps/{name}/deployment.yaml": deployment(name, version),
            f"apps/{name}/config.yaml": config(name, version),
        }
        if world.commit("rescuer", files, f"Mend {name} with {version}") == world.head:
            world.cluster.sync(name, {}, "admin")


ACTOR = Actor("rescuer", Rescuer)
