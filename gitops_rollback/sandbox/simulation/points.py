"""Deaths at the named places of the product: before a step has begun, or after it and before anybody acts on it.

A kill at a call of a port strikes between the same effects, but only where calls are. Here each place that the product
names has its turn, in some of the worlds, at one of the first times that it is passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gitops_rollback import crash_points
from gitops_rollback.sandbox.simulation.schedule import Killed
from gitops_rollback.sandbox.simulation.world import World

SOONER_OR_LATER = (1, 1, 1, 2, 4, 9)  # which time


class Points:
    """Who dies where in one world; drawn for each place alone, so that a new one does not move the others."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._passed: Counter[str] = Counter()

    def passed(self, label: str) -> None:
        """A step of the product comes to this place. Raises: Killed."""
        world, process = self._world, self._world.schedule.acting()
        if process is None or not process.alive or world.calm:
            return
        self._passed[label] += 1
        if self._passed[label] == self._turn(label):
            world.tell(process.name, f"is killed {label}")
            process.kill()
            raise Killed(process.name)

    def _turn(self, label: str) -> int:
        """0: never in this world."""
        random, setup = self._world.random(f"dies {label}"), self._world.setup
        dies = random.random() < setup.deadly or label in setup.dies_at
        return random.choice(SOONER_OR_LATER) if dies else 0


@contextmanager
def deadly(world: World) -> Iterator[None]:
    """Until the end of the block processes die at named places, if there is any to die at."""
    if not world.setup.deadly and not world.setup.dies_at:
        yield
        return
    with crash_points.listening(Points(world).passed):
        yield
