"""Somebody in a hurry, who pushes by hand what an open pull request of ours would bring."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.forge.merging import brought, merged_tree
from gitops_rollback.sandbox.simulation.forge.pulls import OURS, Pull
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

SHARE = 0.2


class Copier:
    """Looks at each pull request once."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("copier")
        self._seen: set[int] = set()
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm or world.forge is None:
            return
        for pull in [one for one in world.forge.pulls.values() if one.is_open and one.number not in self._seen]:
            self._seen.add(pull.number)
            if pull.author == OURS and self._random.random() < SHARE:
                self._copy(pull)
        world.schedule.after(self._random.uniform(10, 90), self._turn)

    def _copy(self, pull: Pull) -> None:
        objects, head = self._world.objects, self._world.head
        if merged_tree(objects, head, pull.head_sha) is None:
            return
        changed = brought(objects, head, pull.head_sha)
        files = {path: objects.blobs[blob] if blob else None for path, blob in changed.items()}
        self._world.commit("copier", files, "Put it back by hand")


ACTOR = Actor("copier", Copier)
