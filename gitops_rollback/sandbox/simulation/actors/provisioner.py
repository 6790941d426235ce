"""Releases that bring infrastructure: another value, a queue, code, an environment that is torn down and made again."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.cloud_files import (
    at_level,
    code,
    code_file,
    database,
    database_file,
    destroys,
    is_manual,
    queue,
    queue_file,
)
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6
KINDS = {
    "value": 6.0,
    "queue value": 2.0,
    "add queue": 1.5,
    "remove queue": 0.5,
    "code": 1.5,
    "mixed": 1.0,
    "tear": 1.5,
}
WITH_A_RELEASE = 0.4


class Provisioner:
    """One application at a time; nobody changes what does badly, mostly."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("provisioner")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        if not any_bad(world) or random.random() < 0.1:
            torn = [one for one in world.setup.provisioned if self._is_torn(one)]
            name = random.choice(torn or world.setup.provisioned)
            self._count += 1
            level = f"infra{self._count}"
            files = self._files(name, level)
            if files and random.random() < BAD:
                make_bad(world, random, (name,), level)
            if files and random.random() < WITH_A_RELEASE:
                files[f"apps/{name}/deployment.yaml"] = deployment(name, level)
            if files:
                world.commit("provisioner", files, f"Provide {level} for {name}")
        world.schedule.after(random.uniform(40, 200), self._turn)

    def _is_torn(self, name: str) -> bool:
        return destroys(self._world.objects.text(self._world.head, database_file(name)))

    def _files(self, name: str, level: str) -> dict[str, bytes | None]:
        world, random = self._world, self._random
        kind = random.choices(list(KINDS), list(KINDS.values()))[0]
        now, there = (world.objects.text(world.head, path) for path in (database_file(name), queue_file(name)))
        if now is None:
            return {}
        if kind == "tear" or destroys(now):
            # What was torn down comes back with the next release, which may be the bad one.
            approve = "" if is_manual(now) else "auto"
            return {database_file(name): database(name, level, approve, destroy=not destroys(now))}
        if kind == "queue value" and there is not None:
            return {queue_file(name): at_level(there, level)}
        if kind == "add queue" and there is None:
            return {queue_file(name): queue(name, level)}
        if kind == "remove queue" and there is not None:
            return {queue_file(name): None, database_file(name): at_level(now, level)}
        if kind == "mixed" and there is not None:
            return {code_file(name): code(name, level), queue_file(name): at_level(there, level)}
        if kind in ("code", "mixed"):
            return {code_file(name): code(name, level, more=random.random() < 0.5)}
        return {database_file(name): at_level(now, level)}


ACTOR = Actor("provisioner", Provisioner)
