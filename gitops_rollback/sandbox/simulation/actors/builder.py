"""Releases that build on each other: one brings a new API, and what depends on it calls that, sooner or later."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.cloud_files import at_level, database_file
from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.needing import api_file, brings, calls_file, level_of
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6  # of the releases that others build on
BAD_TOO = 0.08  # of those that build on them
FIRST = 1  # the API that is there from the beginning
BEFORE = 0.4  # another release, of what needs it, comes just before
FOLLOWS = 0.7
PATIENT = 0.2  # waits until what it calls is there
FURTHER = 0.75
TOGETHER = 0.08  # one commit changes both
PROVIDED = 0.6  # of the releases change infrastructure, where there is any
CALLS = 0.85  # else it changes, and does not need what is new


class Builder:
    """One release at a time, and all that is built on it within a minute or so."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("builder")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        needed = sorted({one for others in world.needs.values() for one in others})
        if needed and (not any_bad(world) or random.random() < 0.1):
            name = random.choice(needed)
            if random.random() < BEFORE:
                self._ship(random.choice(self._dependants(name)))
            world.schedule.after(random.uniform(1, 60), partial(self._release, name))
        world.schedule.after(random.uniform(90, 200), self._turn)

    def _ship(self, name: str) -> None:
        """What needs nothing new: it stays when others go back, though it may not do without what they brought."""
        version = f"4.{self._next()}"
        files = {f"apps/{name}/deployment.yaml": deployment(name, version), **self._provided(name, version)}
        self._world.commit("builder", files, f"Release {version} of {name}")

    def _release(self, name: str) -> None:
        """A new API; now and then one of those that need it is part of the same commit."""
        world, random = self._world, self._random
        if world.calm:
            return
        version = f"5.{self._next()}"
        if random.random() < BAD:
            make_bad(world, random, (name,), version)
        files = self._new(name, version)
        dependants = self._dependants(name)
        if dependants and random.random() < TOGETHER:
            other = random.choice(dependants)
            level = self._count + FIRST
            files |= {calls_file(other, name): config(f"{other}-{name}", f"api{level}")}
        world.commit("builder", files, f"Release {version} of {name} with a new API")
        self._followed(name, FOLLOWS)

    def _followed(self, name: str, share: float) -> None:
        world, random = self._world, self._random
        for other in self._dependants(name):
            if random.random() < share:
                world.schedule.after(random.uniform(2, 20), partial(self._build_on, other, name))

    def _build_on(self, name: str, needed: str) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        if not self._runs(needed) and random.random() < PATIENT:
            world.schedule.after(random.uniform(5, 20), partial(self._build_on, name, needed))
            return
        version = f"6.{self._next()}"
        if random.random() < BAD_TOO:
            make_bad(world, random, (name,), version)
        level, said = level_of(world.objects, world.head, api_file(needed)), random.random()
        calls = {calls_file(name, needed): config(f"{name}-{needed}", f"api{level}")} if said < CALLS else {}
        files = self._new(name, version) if random.random() < FURTHER else {}
        if calls and random.random() < 0.3:
            world.commit("builder", calls, f"Let {name} call API {level} of {needed}")
            calls = {}
        files = {f"apps/{name}/deployment.yaml": deployment(name, version), **files, **calls}
        files |= self._provided(name, version)
        world.commit("builder", files, f"Release {version} of {name} for {needed}")
        self._followed(name, FURTHER if api_file(name) in files else 0.2)

    def _runs(self, name: str) -> bool:
        """What the branch has of its API is what runs."""
        world, path = self._world, api_file(name)
        there = level_of(world.objects, world.cluster.live(name), path)
        return there == level_of(world.objects, world.head, path)

    def _new(self, name: str, version: str) -> dict[str, bytes]:
        level = self._count + FIRST  # none comes twice, whatever was taken back meanwhile
        files = {f"apps/{name}/deployment.yaml": deployment(name, version), api_file(name): brings(name, level)}
        return files | self._provided(name, version)

    def _provided(self, name: str, version: str) -> dict[str, bytes]:
        """Where there is infrastructure it may change with a release."""
        world, path = self._world, database_file(name)
        text = world.objects.text(world.head, path) if world.cloud is not None else None
        return {path: at_level(text, version)} if text is not None and self._random.random() < PROVIDED else {}

    def _dependants(self, name: str) -> list[str]:
        return sorted(one for one, others in self._world.needs.items() if name in others)

    def _next(self) -> int:
        self._count += 1
        return self._count


ACTOR = Actor("builder", Builder)
