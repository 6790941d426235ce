"""People who get between two steps of a plan: the same field, a new release, the whole put back, a mere comment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.events import Rollback
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.traffic import (
    BLUE,
    FLAG,
    FLAGS,
    GREEN_SLOT,
    OFF,
    ON,
    OTHER_FLAG,
    SLOTS,
    WEIGHTS,
    flags,
    flags_of,
    route,
    service,
    slot_of,
    steering,
    weights_of,
)
from gitops_rollback.sandbox.simulation.world import World

EVERY = 3.0  # seconds
SHARE = 0.15  # of the commits of a plan
DEEDS = {"field": 4.0, "put back": 2.0, "release": 2.0, "comment": 1.0, "unrelated": 2.0}


class Meddler:
    """After a commit of a plan, sooner or later."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("meddler")
        self._seen: set[str] = set()
        self._count = 0
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        plans = [one for one in world.rollbacks if one.staged and one.applications[0] in world.setup.staged]
        for plan in plans:
            newest = world.plan(plan)[-1].commit.sha
            if newest not in self._seen:
                self._seen.add(newest)
                if random.random() < SHARE:
                    world.schedule.after(random.uniform(1, 60), partial(self._meddle, plan))
        world.schedule.after(EVERY, self._turn)

    def _meddle(self, plan: Rollback) -> None:
        world, random, name = self._world, self._random, plan.applications[0]
        path = steering(world.setup.strategy, name)[0]
        text = world.objects.text(world.head, path)
        if world.calm or text is None:
            return
        deed = random.choices(list(DEEDS), list(DEEDS.values()))[0]
        if deed == "field":
            world.commit("meddler", {path: self._otherwise(name, text)}, f"Steer {name} by hand")
        elif deed == "put back":
            self._put_back(plan, name)
        elif deed == "release":
            self._release(name)
        elif deed == "comment":
            world.commit("meddler", {path: text + f"# seen {self._next()}\n".encode()}, f"Comment on {name}")
        else:
            world.commit("meddler", {"docs/notes.md": f"meddled {self._next()}\n".encode()}, "Note something")

    def _otherwise(self, name: str, text: bytes) -> bytes:
        """The same field with some other value."""
        random, kind = self._random, self._world.setup.strategy
        if kind == WEIGHTS:
            total = sum(weights_of(text))
            return route(name, random.randrange(total + 1), total)
        if kind == SLOTS:
            return service(name, GREEN_SLOT if slot_of(text) == BLUE else BLUE)
        assert kind == FLAGS
        now = flags_of(text)
        if random.random() < 0.3:
            return flags(name, now[FLAG], OFF if now[OTHER_FLAG] == ON else ON)
        return flags(name, OFF if now[FLAG] == ON else ON, now[OTHER_FLAG])

    def _put_back(self, plan: Rollback, name: str) -> None:
        """All files of the application as before the oldest culprit."""
        world = self._world
        before = world.objects.commits[plan.reverts[-1]].parents[0]
        then, now = world.objects.files(before), world.objects.files(world.head)
        own = [path for path in {*then, *now} if world.truth.owns(name, path) and then.get(path) != now.get(path)]
        files = {path: world.objects.blobs[then[path]] if path in then else None for path in sorted(own)}
        bad = world.truth.inputs(name, world.head)
        if files and world.commit("meddler", files, f"Put {name} back as it was") == world.head:
            world.taken_back.add((name, bad))

    def _release(self, name: str) -> None:
        """The next one, in the very midst of it."""
        version = f"4.{self._next()}"
        if self._random.random() < 0.4:
            make_bad(self._world, self._random, (name,), version)
        files = {f"apps/{name}/deployment.yaml": deployment(name, version)}
        self._world.commit("meddler", files, f"Release {version} of {name}")

    def _next(self) -> int:
        self._count += 1
        return self._count


ACTOR = Actor("meddler", Meddler)
