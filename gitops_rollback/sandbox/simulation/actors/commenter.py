"""People who write commands on pull requests: with the right and without, on old heads, in quotes, and edited after."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.forge.site import PEOPLE, ForgeSite
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

WORDS = {"approve": 4.0, "old": 1.5, "quoted": 1.0, "edited": 1.0, "reject": 1.0, "pause": 0.5, "plan": 1.0}
WRITERS = {"ada": 3.0, "grace": 2.0, "mallory": 2.0, "nobody-knows": 0.5}


class Commenter:
    """Each turn one word on one open pull request."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("commenter")
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm or world.forge is None:
            return
        pulls = [one for one in world.forge.pulls.values() if one.is_open]
        if pulls and random.random() < 0.6:
            by = random.choices(list(WRITERS), list(WRITERS.values()))[0]
            self._say(world.forge, random.choice(pulls), by)
        world.schedule.after(random.uniform(15, 120), self._turn)

    def _say(self, forge: ForgeSite, pull: Pull, by: str) -> None:
        word = self._random.choices(list(WORDS), list(WORDS.values()))[0]
        head = forge.head_of(pull)
        if word == "approve":
            if by in PEOPLE and PEOPLE[by].may_write:
                forge.approved.add((pull.number, head))
            forge.say(pull, by, f"/rollback approve {head}")
        elif word == "old":
            parents = self._world.objects.commits[head].parents
            forge.say(pull, by, f"/rollback approve {parents[0]}")
        elif word == "quoted":
            forge.say(pull, by, f"> /rollback approve {head}")
        elif word == "edited":
            comment = forge.say(pull, by, "looks fine to me")
            self._world.schedule.after(
                self._random.uniform(1, 40), lambda: forge.edit(pull, comment, f"/rollback approve {head}")
            )
        else:
            forge.say(pull, by, {"pause": "/rollback pause 2m", "plan": "/rollback plan"}.get(word, "/rollback reject"))


ACTOR = Actor("commenter", Commenter)
