"""Somebody whose releases bring the policy that lets them be rolled back: nobody had agreed to that before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Armer:
    """Works on the applications whose policy only suggests."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("armer")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 200), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        tame = [name for name in world.setup.alone if self._is_tame(name)]
        if tame:
            self._release(self._random.choice(tame))
        world.schedule.after(self._random.uniform(60, 200), self._turn)

    def _is_tame(self, name: str) -> bool:
        policy = self._world.policy_at(self._world.head, name)
        return policy is not None and not policy.allows

    def _release(self, name: str) -> None:
        world = self._world
        self._count += 1
        version, policy = f"armed{self._count}", world.policy_at(world.head, name)
        if policy is None:
            return
        armed = replace(policy, suspend=False, severity="auto_rollback", threshold=0.05)
        files = {f"apps/{name}/deployment.yaml": deployment(name, version), policy.path: world.put(armed)}
        if self._random.random() < 0.7:
            make_bad(world, self._random, (name,), version)
        world.commit("armer", files, f"Release {version} of {name} and arm its policy")


ACTOR = Actor("armer", Armer)
