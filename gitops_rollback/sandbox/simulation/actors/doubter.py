"""A person who takes a good release back because the metrics lied for a moment, and lands it again later.

What is released on top of it is bad more often than not. Whether a rollback of that may end in what was once taken back
is for a person to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

UNTIL_DEPLOYED = 150.0  # seconds: longer than between two looks of the engine
LIE = 25.0  # seconds: shorter than any `for`
BAD = 0.7


class Doubter:
    """Works on one application at a time, and gives up where somebody else changes it meanwhile."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("doubter")
        self._count = 0
        world.schedule.after(self._random.uniform(20, 60), self._begin)

    def _begin(self) -> None:
        world = self._world
        if world.calm:
            return
        name = self._random.choice(world.setup.alone)
        before = world.objects.files(world.head).get(self._path(name))
        if before is not None and not world.truth.words(name, world.head):
            old, new = world.objects.blobs[before], deployment(name, self._version())
            self._write(name, new, f"Release the next version of {name}")
            self._later(name, UNTIL_DEPLOYED, lambda: self._doubt(name, old, new))
        world.schedule.after(self._random.uniform(600, 800), self._begin)

    def _doubt(self, name: str, old: bytes, new: bytes) -> None:
        world = self._world
        world.store.show(name, "red", world.now, LIE)
        doubted = world.truth.inputs(name, world.head)
        if self._write(name, old, f"Take the release of {name} back"):
            world.taken_back.add((name, doubted))
        self._later(name, UNTIL_DEPLOYED, lambda: self._land_again(name, new))

    def _land_again(self, name: str, new: bytes) -> None:
        self._write(name, new, f"Land the release of {name} again")
        self._later(name, UNTIL_DEPLOYED, lambda: self._release(name))

    def _release(self, name: str) -> None:
        version = self._version()
        if self._random.random() < BAD:
            make_bad(self._world, self._random, (name,), version)
        self._write(name, deployment(name, version), f"Release {version} of {name}")

    def _write(self, name: str, text: bytes, message: str) -> bool:
        """True if the server took it."""
        return self._world.commit("doubter", {self._path(name): text}, message) == self._world.head

    def _later(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        """Only if the application's files are still as they were left."""
        world, left = self._world, self._world.truth.inputs(name, self._world.head)

        def go_on() -> None:
            if not world.calm and world.truth.inputs(name, world.head) == left:
                act()

        world.schedule.after(seconds + self._random.uniform(0, 60), go_on)

    def _version(self) -> str:
        self._count += 1
        return f"doubt{self._count}"

    @staticmethod
    def _path(name: str) -> str:
        return f"apps/{name}/deployment.yaml"


ACTOR = Actor("doubter", Doubter)
