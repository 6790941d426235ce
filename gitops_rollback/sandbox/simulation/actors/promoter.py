"""A promoter: what runs in production is written by something that writes it again. Four habits, one to a world.

*copy* copies a value from a staging directory to production in one commit, and again when production differs; *merge*
brings a release by the merge of a long-lived branch; *hydrate* is a bot that writes the rendered file after each commit
to its source; *render* is one commit that rewrites the rendered files of many applications.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import config, deployment
from gitops_rollback.sandbox.simulation.remote import MAIN
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import PERSON, World

BOT = "promoter[bot] <promoter@example.com>"
RENDERED = b"# generated from src/, do not edit\n"
BAD = 0.4  # of the releases


class Promoter:
    """Has one habit, and works on one application; whoever renders works on all of them."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("promoter")
        habits: Mapping[str, Callable[[], None]] = {
            "copy": self._copy,
            "merge": self._merge,
            "hydrate": self._hydrate,
            "render": self._render,
        }
        self._habit = world.setup.habit or self._random.choice(sorted(habits))
        self._act = habits[self._habit]
        self._name = self._random.choice(world.setup.alone)
        self._count = 0
        self._side = ""  # the tip of the branch that is merged
        world.tell("promoter", f"has the habit {self._habit}, of {self._name}")
        world.schedule.after(self._random.uniform(30, 200), self._turn)

    def _turn(self) -> None:
        if self._world.calm:
            return
        self._act()
        self._world.schedule.after(self._random.uniform(60, 240), self._turn)

    def _copy(self) -> None:
        world, name = self._world, self._name
        staging, production = f"staging/{name}/deployment.yaml", f"apps/{name}/deployment.yaml"
        files = world.objects.files(world.head)
        if staging in files and files[staging] != files.get(production):
            text = world.objects.blobs[files[staging]]
            world.commit("promoter", {production: text}, f"Promote {name} to production", BOT)
        else:
            world.commit("promoter", {staging: self._release()}, f"Try the next release of {name}")

    def _merge(self) -> None:
        world, name = self._world, self._name
        path, head = f"apps/{name}/deployment.yaml", world.head
        files = {path: self._release()}
        before = self._side or head
        tree = world.objects.with_files(before, files)
        self._side = world.objects.commit(tree, (before,), PERSON, f"Release {name}", world.now)
        merged = world.objects.with_files(head, files)
        sha = world.objects.commit(merged, (head, self._side), BOT, "Merge branch 'staging'", world.now)
        outcome = world.remote.receive("promoter", (RefUpdate(MAIN, sha, head),))[MAIN]
        world.tell("promoter", f"merges the branch staging as {sha[:8]}: {outcome.value}")

    def _hydrate(self) -> None:
        world, name = self._world, self._name
        text = self._release()
        world.commit("developer", {f"src/{name}.yaml": text}, f"Change the source of {name}")
        world.schedule.after(self._random.uniform(3, 30), self._render_source)

    def _render_source(self) -> None:
        world, name = self._world, self._name
        blob = world.objects.files(world.head).get(f"src/{name}.yaml")
        if blob is not None and not world.calm:
            text = RENDERED + world.objects.blobs[blob]
            world.commit("promoter", {f"apps/{name}/deployment.yaml": text}, f"Render {name}", BOT)

    def _render(self) -> None:
        world = self._world
        names, level = world.setup.alone, self._next("level")
        files = {f"apps/{name}/config.yaml": RENDERED + config(name, level) for name in names}
        if self._random.random() < BAD:
            make_bad(world, self._random, self._random.sample(names, self._random.choice((1, len(names)))), level)
        world.commit("promoter", files, "Render all applications", BOT)

    def _release(self) -> bytes:
        version = self._next("p")
        if self._random.random() < BAD:
            make_bad(self._world, self._random, (self._name,), version)
        return deployment(self._name, version)

    def _next(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"


ACTOR = Actor("promoter", Promoter, share=0.15)
