"""Colleagues whose commits conflict: they change the very file that a bad commit changed, and merge old branches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import config
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World


class Colleague:
    """Quick enough to land between a bad commit and its rollback."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("colleague")
        self._count = 0
        world.schedule.after(self._random.uniform(20, 100), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        bad = [name for name in world.setup.alone if world.truth.words(name, world.head)]
        if bad and self._random.random() < 0.4:
            self._change_the_same_file(self._random.choice(bad))
        elif self._random.random() < 0.25:
            self._merge_an_old_branch(self._random.choice(world.setup.alone))
        world.schedule.after(self._random.uniform(15, 90), self._turn)

    def _change_the_same_file(self, name: str) -> None:
        """The fault stays: only a comment is added."""
        world, path = self._world, f"apps/{name}/deployment.yaml"
        blob = world.objects.files(world.head).get(path)
        if blob is not None:
            text = world.objects.blobs[blob] + f"# reviewed {self._next()}\n".encode()
            world.commit("colleague", {path: text}, f"Say that {name} was reviewed")

    def _merge_an_old_branch(self, name: str) -> None:
        """Two commits on a branch that left some commits ago; where both sides changed the file, the branch wins."""
        world, objects = self._world, self._world.objects
        head = world.head
        fork = self._random.choice(list(islice(objects.first_parents(head), 5))).sha
        level, path = f"branch{self._next()}", f"apps/{name}/config.yaml"
        if self._random.random() < 0.4:
            make_bad(world, self._random, (name,), level)
        first = objects.with_files(fork, {path: config(name, f"{level}-draft")})
        draft = objects.commit(first, (fork,), PERSON, f"Draft a level of {name}", world.now)
        files = {path: config(name, level)}
        side = objects.commit(objects.with_files(draft, files), (draft,), PERSON, f"Set a level of {name}", world.now)
        message = f"Merge branch 'topic-{self._count}'"
        sha = objects.commit(objects.with_files(head, files), (head, side), PERSON, message, world.now)
        outcome = world.remote.receive("colleague", (RefUpdate(MAIN, sha, head),))[MAIN]
        world.tell("colleague", f"merges {sha[:8]}, which left at {fork[:8]}: {outcome.value}")

    def _next(self) -> int:
        self._count += 1
        return self._count


ACTOR = Actor("colleague", Colleague, share=0.15)
