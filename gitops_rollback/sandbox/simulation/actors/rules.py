"""A git server with rules: for a while the branch or the journal refuses pushes, or a ref stays locked."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.remote import JOURNAL, MAIN
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Rules:
    """One rule at a time; people's pushes suffer from it, too."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("rules")
        world.at_calm.append(self._lift)
        world.schedule.after(self._random.uniform(30, 600), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        ref, rule = self._random.choice((MAIN, JOURNAL)), self._random.choice(("refused", "locked"))
        world.refusing = True
        if rule == "refused":
            world.remote.refused[ref] = "protected branch hook declined"
        else:
            world.remote.locked.add(ref)
        world.tell("git server", f"{ref} is {rule}")
        world.schedule.after(self._random.uniform(20, 200), self._lift)
        world.schedule.after(self._random.uniform(300, 900), self._turn)

    def _lift(self) -> None:
        self._world.remote.refused.clear()
        self._world.remote.locked.clear()
        self._world.tell("git server", "has no rules")


ACTOR = Actor("rules", Rules, share=0.25)
