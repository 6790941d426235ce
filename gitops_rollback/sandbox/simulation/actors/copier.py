"""Somebody in a hurry, who pushes by hand what an open pull request of ours would bring."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.forge.merging import brought, merged_tree
from gitops_rollback.sandbox.simulation.forge.pulls import OURS, Pull
from gitops_rollback.sandbox.simulation.forge.visiting import visit_each_once
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

COMES_BY = (10.0, 90.0)  # seconds
SHARE = 0.2


class Copier:
    """Looks at each pull request once."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("copier")
        visit_each_once(world, self._random, COMES_BY, self._visit)

    def _visit(self, pull: Pull) -> None:
        if pull.author == OURS and self._random.random() < SHARE:
            self._copy(pull)

    def _copy(self, pull: Pull) -> None:
        objects, head = self._world.objects, self._world.head
        if merged_tree(objects, head, pull.head_sha) is None:
            return
        changed = brought(objects, head, pull.head_sha)
        files = {path: objects.blobs[blob] if blob else None for path, blob in changed.items()}
        self._world.commit("copier", files, "Put it back by hand")


ACTOR = Actor("copier", Copier)
