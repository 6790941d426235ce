"""Somebody who comes by now and then, and looks at each open pull request once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.world import World

FIRST = (20.0, 60.0)  # seconds until somebody comes by at all


def visit_each_once(world: World, random: Random, pause: tuple[float, float], visit: Callable[[Pull], None]) -> None:
    """Plan the first coming by. Between two of them are so many seconds, and none is after the world has calmed."""
    seen: set[int] = set()

    def come_by() -> None:
        if world.calm or world.forge is None:
            return
        for pull in [one for one in world.forge.pulls.values() if one.is_open and one.number not in seen]:
            seen.add(pull.number)
            visit(pull)
        world.schedule.after(random.uniform(*pause), come_by)

    world.schedule.after(random.uniform(*FIRST), come_by)
