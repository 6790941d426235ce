"""A person who answers plans that wait for a word: yes, no, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.verbs import Approve, Reject
from gitops_rollback.sandbox.simulation.world import World

ANSWERS = {"yes": 4.0, "no": 1.5, "": 3.0}


class Approver:
    """Looks at each plan once, some time after it came."""

    def __init__(self, world: World, replicas: Sequence[Replica]) -> None:
        self._world = world
        self._replicas = replicas
        self._random = world.random("approver")
        self._seen: set[str] = set()
        world.schedule.after(self._random.uniform(30, 90), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for identity, record in [*world.records.items()]:
            if record["phase"] == "AwaitingApproval" and identity not in self._seen:
                self._seen.add(identity)
                answer = random.choices(list(ANSWERS), list(ANSWERS.values()))[0]
                applications = record["applications"]
                name = applications[0] if isinstance(applications, list) else ""
                if answer == "yes":
                    Approve(world, self._replicas[0], name, identity)
                elif answer == "no":
                    Reject(world, self._replicas[0], identity)
        world.schedule.after(random.uniform(15, 90), self._turn)


ACTOR = Actor("approver", Approver)
