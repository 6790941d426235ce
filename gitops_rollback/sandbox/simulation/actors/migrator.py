"""Releases that move data: the new code with a Job that moves it forward, and one that moves it back, in the drawer."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.migrating import (
    BACK,
    LIST,
    SERVER,
    code_of,
    job,
    listing,
    server,
    serves,
    version_of,
    wants,
)
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.75
FORGETS = 0.05  # the way back


class Migrator:
    """One application at a time; nobody moves data while the metrics are bad, mostly."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("migrator")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or not world.setup.staged:
            return
        name = random.choice(world.setup.staged)
        quiet = serves(world.objects, name, world.head) and not any_bad(world)
        if quiet or random.random() < 0.05:
            self._release(name)
        world.schedule.after(random.uniform(30, 200), self._turn)

    def _release(self, name: str) -> None:
        """All in one commit, or the Job that moves the data back in one of its own before."""
        world, random, folder = self._world, self._random, f"apps/{name}"
        self._count += 1
        before, version = wants(code_of(world.objects, name, world.head)), version_of(self._count)
        if random.random() < BAD:
            make_bad(world, random, (name,), version)
        forward = f"forward-{self._count}"
        files: dict[str, bytes | None] = {
            f"{folder}/{forward}.yaml": job(name, forward, version, self._count),
            f"{folder}/{LIST}": listing(f"{forward}.yaml"),
            f"{folder}/{SERVER}": server(name, version, serves(world.objects, name, world.head) or 3),
        }
        back: dict[str, bytes | None] = {f"{folder}/{BACK}": job(name, "back", version, before)}
        if random.random() < FORGETS:
            back = {}
        if back and random.random() < 0.3:
            world.commit("migrator", back, f"Write down the way back from {version} of {name}")
            back = {}
        world.commit("migrator", {**files, **back}, f"Release {version} of {name}, which moves data")


ACTOR = Actor("migrator", Migrator)
