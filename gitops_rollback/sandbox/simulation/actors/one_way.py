"""Releases that cannot go back: once the new version has written its data, what ran before crashes on it.

So the rollback itself makes an application fail. Nobody can know that before; only a person may take it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import words_of
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 3.0  # seconds: sooner than any engine applies what was pushed
SHARE = 0.7  # of the rollbacks


class OneWay:
    """Makes what a rollback has brought back fail, as soon as it is pushed."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("one-way")
        self._seen = 0
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for rollback in world.rollbacks[self._seen :]:
            if self._random.random() < SHARE:
                self._spoil(rollback.speaker, rollback.commit.sha)
        self._seen = len(world.rollbacks)
        world.schedule.after(EVERY, self._turn)

    def _spoil(self, name: str, sha: str) -> None:
        world = self._world
        for change in world.objects.commits[sha].changes:
            if change.new_blob is None or not world.truth.owns(name, change.path):
                continue
            for word in sorted(words_of(world.objects.blobs[change.new_blob])):
                world.truth.onset[word] = self._random.uniform(0, 20)
                world.truth.crashes.add(word)
                world.truth.faulty.setdefault(name, set()).add(word)
                world.tell("truth", f"{word} cannot run in {name} any more")


ACTOR = Actor("one-way", OneWay)
