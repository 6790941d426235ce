"""An image updater that writes the newest tag back, whoever took it away, again and again."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

BOT = "image-updater[bot] <bot@example.com>"
TIMES = 4


class Updater:
    """Sees each rollback of a deployment's file some time later, and undoes it."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("updater")
        self._left = TIMES
        world.schedule.after(30, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for rollback in world.rollbacks:
            for change in rollback.commit.changes:
                stands = world.objects.files(world.head).get(change.path) == change.new_blob
                if self._left and stands and change.old_blob and change.path.endswith("deployment.yaml"):
                    self._left -= 1
                    files = {change.path: world.objects.blobs[change.old_blob]}
                    world.commit("updater", files, f"Update the image in {change.path}", BOT)
        world.schedule.after(self._random.uniform(20, 120), self._turn)


ACTOR = Actor("updater", Updater, share=0.25)
