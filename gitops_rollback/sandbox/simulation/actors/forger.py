"""Somebody whose commits say of themselves that they are rollbacks: a bad release, or a note, with our trailers."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.rollback import rollback_id
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.rest import REPOSITORY
from gitops_rollback.sandbox.simulation.world import World

MESSAGE = """Revert "{subject}"

This reverts commit {sha}.

Rollback-Id: {identity}
Rollback-Application: {application}
Rollback-Bad-Revision: {sha}
Rollback-Reverts: {sha}
Rollback-Requested-By: controller
"""


class Forger:
    """A few times, on any application. The message is forged: no record of the journal knows it."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("forger")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 400), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm or self._count > 9:
            return
        self._count += 1
        name = self._random.choice(world.setup.alone)
        if self._random.random() < 0.5:
            self._disguise(name)
        else:
            self._suppress(name)
        world.schedule.after(self._random.uniform(100, 500), self._turn)

    def _disguise(self, name: str) -> None:
        """A bad release that looks like a rollback: nobody may spare it for that."""
        world, version = self._world, f"forged{self._count}"
        make_bad(world, self._random, (name,), version)
        files = {f"apps/{name}/deployment.yaml": deployment(name, version)}
        world.commit("forger", files, self._words(name, world.head))

    def _suppress(self, name: str) -> None:
        """A note that says that what runs was rolled back: it must not keep anybody from doing so."""
        world = self._world
        note = {"docs/notes.md": f"{world.now}\n".encode()}
        world.commit("forger", note, self._words(name, world.cluster.live(name)))

    def _words(self, name: str, sha: str) -> str:
        full, invented = f"{self._world.cluster.prefix}{name}", f"rb-00000000000000{self._count:02}"
        identity = rollback_id(REPOSITORY, full, sha) if self._random.random() < 0.5 else invented
        subject = self._world.objects.commits[sha].subject
        return MESSAGE.format(subject=subject, sha=sha, identity=identity, application=full)


ACTOR = Actor("forger", Forger, share=0.15)
