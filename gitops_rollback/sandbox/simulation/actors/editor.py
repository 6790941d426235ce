"""A policy editor who disarms after a rollback that he calls false, arms again, and sometimes breaks the file."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import PolicyText
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Editor:
    """Works on one policy at a time."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("editor")
        self._seen = 0
        world.schedule.after(60, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        if len(world.rollbacks) > self._seen:
            self._seen = len(world.rollbacks)
            self._disarm(world.rollbacks[-1].applications[0])
        elif self._random.random() < 0.15:
            self._disarm(self._random.choice(world.setup.names))
        world.schedule.after(self._random.uniform(30, 120), self._turn)

    def _disarm(self, name: str) -> None:
        world = self._world
        policy = world.policy_at(world.head, name)
        if policy is None or policy.suspend:
            return
        if self._random.random() < 0.2:
            text = policy.text.replace(b"threshold:", b"treshold:")
            world.commit("editor", {policy.path: text}, f"Tune the policy of {name}")
        else:
            how = self._random.choice(("suspend", "severity", "threshold"))
            world.commit("editor", {policy.path: world.put(policy.disarmed(how))}, f"Disarm {name} ({how})")
        world.schedule.after(self._random.uniform(120, 600), lambda: self._arm(policy))

    def _arm(self, policy: PolicyText) -> None:
        if not self._world.calm:
            self._world.commit("editor", {policy.path: self._world.put(policy)}, f"Arm {policy.name} again")


ACTOR = Actor("editor", Editor, share=0.25)
