"""A person who sees that an application is bad and puts its files back by hand."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Reverter:
    """Looks about once a minute; slow or quick, as the seed says."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("reverter")
        self._patience = self._random.uniform(20, 400)
        world.schedule.after(60, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for name in world.setup.names:
            since = world.truth.bad_since(name, world.now)
            waited = (world.now - since).total_seconds() if since else 0.0
            if waited > self._patience and world.truth.words(name, world.head) and self._random.random() < 0.5:
                self._put_back(name)
        world.schedule.after(self._random.uniform(30, 90), self._turn)

    def _put_back(self, name: str) -> None:
        world = self._world
        owns = world.truth.owns
        now = {path: blob for path, blob in world.objects.files(world.head).items() if owns(name, path)}
        for commit in world.objects.first_parents(world.head):
            if not world.truth.words(name, commit.sha):
                then = world.objects.files(commit.sha)
                files: dict[str, bytes | None] = {path: None for path in now if path not in then}
                files |= {path: world.objects.blobs[blob] for path, blob in then.items() if owns(name, path)}
                bad = world.truth.inputs(name, world.head)
                if world.commit("reverter", files, f"Put {name} back as it was") == world.head:
                    world.taken_back.add((name, bad))
                return


ACTOR = Actor("reverter", Reverter, share=0.25)
