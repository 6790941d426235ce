"""A base that most applications are overlays of: it changes now and then, and alone, or with one of them, it is bad.

Nothing in the engine's word about an application names the base; only the kustomizations in git do.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import BASE_FILE, config, deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6
WITH_A_RELEASE = 0.3
DISARMING = 0.2
SOME = 0.5  # of the bad ones hurt only some of those that render it


class Base:
    """Commits to the base."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("base")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 300), self._turn)

    def _turn(self) -> None:
        world, random, overlays = self._world, self._random, self._world.setup.overlays
        if world.calm or not overlays:
            return
        self._count += 1
        level = f"base{self._count}"
        files: dict[str, bytes | None] = {BASE_FILE: config("common", level)}
        name = random.choice(overlays)
        if random.random() < BAD:
            hurt = [one for one in overlays if one == name or random.random() < SOME]
            make_bad(world, random, hurt, level)
        if random.random() < WITH_A_RELEASE:
            files[f"apps/{name}/deployment.yaml"] = deployment(name, level)
        policy = world.policy_at(world.head, name)
        if policy is not None and random.random() < DISARMING:
            disarmed = policy.disarmed(random.choice(("suspend", "severity", "threshold")))
            files[disarmed.path] = world.put(disarmed)
        world.commit("developer", files, f"Level {level} of the base")
        world.schedule.after(random.uniform(120, 600), self._turn)


ACTOR = Actor("base", Base)
