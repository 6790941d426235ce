"""A team whose images Flux writes into git by itself: it pushes good and bad ones to the registry, and nothing else.

After a rollback it publishes the next version, some time later; now and then it takes a bad one out of the registry,
and somebody suspends an automation or a policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import config
from gitops_rollback.sandbox.simulation.flux.cluster import FluxCluster
from gitops_rollback.sandbox.simulation.flux.images import Images
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

KINDS = {"good": 2.0, "bad": 3.0, "config": 0.7, "bad config": 0.7, "suspend": 0.4, "suspend policy": 0.3}
NEXT = 0.7  # of the rollbacks, after which the team publishes something newer
BAD_AGAIN = 0.25  # of those
WITHDRAWN = 0.15  # of the rollbacks, after which the bad image is taken out of the registry
LEFT_ALONE = 0.2  # of what is suspended nobody resumes
LOOKS_EVERY = 10.0  # seconds


class Publisher:
    """Owns the registry and the automations of the world; in a world without any there is nothing to do."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("publisher")
        self._count = self._seen = 0
        self._names = world.setup.automated
        if not self._names or not isinstance(world.cluster, FluxCluster):
            return
        self._images = world.images = Images(world.cluster, self._names, world.random("images"))
        world.schedule.after(self._random.uniform(10, 60), self._turn)
        world.schedule.after(LOOKS_EVERY, self._look)

    def _turn(self) -> None:
        if self._world.calm:
            return
        kind = self._random.choices(list(KINDS), list(KINDS.values()))[0]
        self._act(kind, self._random.choice(self._names))
        self._world.schedule.after(self._random.uniform(90, 400), self._turn)

    def _act(self, kind: str, name: str) -> None:
        if kind == "suspend":
            self._suspend(name)
        elif kind == "suspend policy":
            self._world.tell("publisher", f"somebody suspends the policy {name}")
            self._images.suspend_policy(name, True)
        elif "config" in kind:
            self._configure(name, kind == "bad config")
        else:
            self._publish(name, kind == "bad")

    def _publish(self, name: str, bad: bool) -> None:
        if self._world.calm:
            return
        self._count += 1
        tag = f"1.{self._count}.0"
        if bad:
            make_bad(self._world, self._random, (name,), tag)
        self._world.tell("publisher", f"pushes {name}:{tag} to the registry")
        self._images.publish(name, tag)

    def _configure(self, name: str, bad: bool) -> None:
        self._count += 1
        level = f"level{self._count}"
        if bad:
            make_bad(self._world, self._random, (name,), level)
        self._world.commit("developer", {f"apps/{name}/config.yaml": config(name, level)}, f"Change {name}")

    def _suspend(self, name: str) -> None:
        automation = self._images.automations[name]
        self._world.tell("publisher", f"somebody suspends the automation {automation}")
        self._images.suspend(automation, True)
        if self._random.random() >= LEFT_ALONE:
            again = partial(self._images.suspend, automation, False)
            self._world.schedule.after(self._random.uniform(20, 400), again)

    def _look(self) -> None:
        """What was rolled back is mended, or taken away; or nobody minds."""
        world, random = self._world, self._random
        if world.calm:
            return
        for rollback in world.rollbacks[self._seen :]:
            name = rollback.speaker
            if name not in self._names:
                continue
            if random.random() < NEXT:
                publish = partial(self._publish, name, random.random() < BAD_AGAIN)
                world.schedule.after(random.uniform(20, 400), publish)
            newest = self._images.selected[name][-1][1]
            if random.random() < WITHDRAWN and newest in world.truth.faulty.get(name, ()):
                world.tell("publisher", f"takes {name}:{newest} out of the registry")
                self._images.withdraw(name, newest)
        self._seen = len(world.rollbacks)
        world.schedule.after(LOOKS_EVERY, self._look)


ACTOR = Actor("publisher", Publisher)
