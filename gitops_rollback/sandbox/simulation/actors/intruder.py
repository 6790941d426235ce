"""Somebody who pushes to the branch of a pull request of ours: another file, or his own idea of the way back."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.forge.site import HEADS
from gitops_rollback.sandbox.simulation.forge.visiting import visit_each_once
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

COMES_BY = (2.0, 40.0)  # seconds
SHARE = 0.4


class Intruder:
    """Looks at each pull request once."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("intruder")
        visit_each_once(world, self._random, COMES_BY, self._visit)

    def _visit(self, pull: Pull) -> None:
        if not pull.fork and self._random.random() < SHARE:
            self._push(pull)

    def _push(self, pull: Pull) -> None:
        world, ref = self._world, HEADS + pull.head
        name = self._random.choice(world.setup.alone)
        files: dict[str, bytes | None] = {f"apps/{name}/deployment.yaml": deployment(name, "9.9")}
        if self._random.random() < 0.5:
            files = {"docs/intruder.md": f"{world.now}\n".encode()}
        old = world.remote.refs[ref]
        tree = world.objects.with_files(old, files)
        sha = world.objects.commit(tree, (old,), PERSON, "While we are at it", world.now)
        world.tell("intruder", f"pushes {sha[:8]} to {pull.head}")
        world.remote.receive("intruder", (RefUpdate(ref, sha, old),))


ACTOR = Actor("intruder", Intruder)
