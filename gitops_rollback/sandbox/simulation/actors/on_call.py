"""Somebody on call who reads plans that wait: mostly a yes, sometimes a no, and now and then a stop half way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.verbs import Abort, Approve, Reject
from gitops_rollback.sandbox.simulation.world import World

EVERY = 5.0  # seconds
YES, NO = 0.85, 0.07
STOPS = 0.04  # after each step
TRIES = 4


class OnCall:
    """Looks at each plan once; what did not work is tried again."""

    def __init__(self, world: World, replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("on-call")
        self._replicas = replicas
        self._seen: set[str] = set()
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for identity, record in [*world.records.items()]:
            if record["phase"] == "AwaitingApproval" and identity not in self._seen:
                self._seen.add(identity)
                said, later = random.random(), random.uniform(5, 120)
                if said < YES:
                    world.schedule.after(later, partial(self._approve, identity, TRIES))
                elif said < YES + NO:
                    world.schedule.after(later, partial(self._reject, identity))
        for one in world.carried:
            newest, identity = world.plan(one)[-1].commit.sha, one.commit.trailers["Rollback-Id"][0]
            if newest not in self._seen:
                self._seen.add(newest)
                if random.random() < STOPS:
                    world.schedule.after(random.uniform(1, 40), partial(self._abort, identity))
        world.schedule.after(EVERY, self._turn)

    def _approve(self, identity: str, tries: int) -> None:
        world, record = self._world, self._world.records[identity]
        if world.calm or not tries or record["phase"] != "AwaitingApproval":
            return
        world.yes.add(identity)
        name = str(record["applications"][0]) if isinstance(record["applications"], list) else ""
        Approve(world, self._random.choice(self._replicas), name, identity)
        world.schedule.after(self._random.uniform(20, 60), partial(self._approve, identity, tries - 1))

    def _reject(self, identity: str) -> None:
        if not self._world.calm:
            Reject(self._world, self._random.choice(self._replicas), identity)

    def _abort(self, identity: str) -> None:
        if not self._world.calm:
            Abort(self._world, self._random.choice(self._replicas), identity)


ACTOR = Actor("on-call", OnCall)
