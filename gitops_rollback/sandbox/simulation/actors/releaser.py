"""Operators who end holds by their word, by the verb or in the policy, some minutes after a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.verbs import Release
from gitops_rollback.sandbox.simulation.world import World

SHARE = 0.5  # of the holds, which a person ends or tries to
TURNED = 0.2  # of the rollbacks, after which the policy says another word
LOOKS_EVERY = 10.0  # seconds
OTHERWISE = {"hold": "ask", "ask": "hold"}


class Releaser:
    """Looks at each rollback once; what did not work is tried again."""

    def __init__(self, world: World, replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("releaser")
        self._replicas = replicas
        self._seen = self._rollbacks = 0
        if world.setup.automated:
            world.schedule.after(LOOKS_EVERY, self._look)

    def _look(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for hold in world.holds.all[self._seen :]:
            if random.random() < SHARE:
                world.schedule.after(random.uniform(10, 400), partial(self._release, hold.name, 3))
        for rollback in world.rollbacks[self._rollbacks :]:
            if random.random() < TURNED:
                world.schedule.after(random.uniform(10, 300), partial(self._turn_policy, rollback.speaker))
        self._seen, self._rollbacks = len(world.holds.all), len(world.rollbacks)
        world.schedule.after(LOOKS_EVERY, self._look)

    def _release(self, name: str, tries: int) -> None:
        world = self._world
        if world.calm or not tries or not any(one.name == name for one in world.holds.standing()):
            return
        world.said.add(name)
        Release(world, self._random.choice(self._replicas), name)
        world.schedule.after(60, partial(self._release, name, tries - 1))

    def _turn_policy(self, name: str) -> None:
        world = self._world
        policy = world.policy_at(world.head, name)
        if policy is None or policy.automation not in OTHERWISE or world.calm:
            return
        turned = replace(policy, automation=OTHERWISE[policy.automation])
        world.commit("releaser", {turned.path: world.put(turned)}, f"Let {name} {turned.automation}")


ACTOR = Actor("releaser", Releaser)
