"""Somebody whose commits say of themselves that they are rollbacks: a bad release with our trailers in its message."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.events import PREFIX
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

MESSAGE = """Revert "Release {version} of {name}"

This reverts commit {sha}.

Rollback-Id: rb-00000000000000{count:02}
Rollback-Application: {application}
Rollback-Bad-Revision: {sha}
Rollback-Reverts: {sha}
"""


class Forger:
    """A few times, on any application. The message is forged, the contents are new and bad."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("forger")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 400), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm or self._count > 9:
            return
        self._count += 1
        name, version = self._random.choice(world.setup.alone), f"forged{self._count}"
        make_bad(world, self._random, (name,), version)
        message = MESSAGE.format(
            version=version, name=name, sha=world.head, count=self._count, application=f"{PREFIX}{name}"
        )
        world.commit("forger", {f"apps/{name}/deployment.yaml": deployment(name, version)}, message)
        world.schedule.after(self._random.uniform(200, 700), self._turn)
