"""Whoever looks at pull requests of ours: merges at once, late or when the forge may, in any way, or closes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.core.pull_request import Mergeability, MergeMethod
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

DEEDS = {"merges": 4.0, "schedules": 1.5, "closes": 2.0, "reviews": 2.0, "leaves": 2.0, "bypasses": 1.0}
SOON, LATE = (2.0, 60.0), (120.0, 900.0)


class Reviewer:
    """Decides once about each pull request, and may see another head by the time of the deed."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("reviewer")
        self._seen: set[int] = set()
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or world.forge is None:
            return
        for pull in [one for one in world.forge.pulls.values() if one.number not in self._seen]:
            self._seen.add(pull.number)
            deed = random.choices(list(DEEDS), list(DEEDS.values()))[0]
            seconds = random.uniform(*(SOON if random.random() < 0.6 else LATE))
            world.schedule.after(seconds, partial(self._act, pull, deed))
        world.schedule.after(random.uniform(10, 40), self._turn)

    def _act(self, pull: Pull, deed: str) -> None:
        forge, random = self._world.forge, self._random
        method = random.choice(tuple(MergeMethod))
        message = random.choice(("Put it back", f"{pull.title} (#{pull.number})"))
        if forge is None or self._world.calm or not pull.is_open or deed == "leaves":
            return
        if deed == "closes":
            forge.close(pull, "grace")
        if deed in ("merges", "reviews", "schedules"):
            forge.review(pull, "grace")
        if deed == "schedules":
            forge.schedule_merge(pull, "grace", method, message)
        if deed == "bypasses" or (deed == "merges" and forge.readiness(pull)[0] is Mergeability.READY):
            forge.merge(pull, method, "grace", message)


ACTOR = Actor("reviewer", Reviewer)
