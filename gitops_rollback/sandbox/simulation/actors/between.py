"""People who get between two steps of a coordinated rollback: its fields and files, all put back, the next release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.events import Rollback
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.migrating import BACK, LIST, SERVER, listing, serves, with_replicas
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 3.0  # seconds
SHARE = 0.15  # of the commits of a plan
DEEDS = {
    "replicas": 2.0,
    "list": 1.5,
    "put back": 2.0,
    "server": 1.0,
    "job": 1.0,
    "release": 1.5,
    "suspend": 1.0,
    "unrelated": 1.0,
}


class Between:
    """After a commit of a plan, sooner or later."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("between")
        self._seen: set[str] = set()
        self._count = 0
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        for plan in [one for one in world.carried if one.staged]:
            newest = world.plan(plan)[-1].commit.sha
            if newest not in self._seen:
                self._seen.add(newest)
                if random.random() < SHARE:
                    world.schedule.after(random.uniform(1, 90), partial(self._meddle, plan))
        world.schedule.after(EVERY, self._turn)

    def _meddle(self, plan: Rollback) -> None:
        world, name = self._world, plan.speaker
        if world.calm:
            return
        deed = self._random.choices(list(DEEDS), list(DEEDS.values()))[0]
        files = self._files(deed, plan, name)
        if deed == "put back":
            self._put_back(name, files)
        elif files:
            world.commit("between", files, f"Do something about {name}: {deed}")

    def _files(self, deed: str, plan: Rollback, name: str) -> dict[str, bytes | None]:
        """What they write; {} where there is nothing to write it to."""
        world, folder = self._world, f"apps/{name}"
        self._count += 1
        edited = {"replicas": SERVER, "server": SERVER, "job": BACK}.get(deed, LIST)
        path, text = f"{folder}/{edited}", world.objects.text(world.head, f"{folder}/{edited}")
        if deed == "put back":
            return self._as_before(plan, name)
        if deed == "release":
            return self._release(name)
        if deed == "suspend":
            return self._suspended(name)
        if deed == "unrelated" or text is None:
            return {"docs/notes.md": f"between {self._count}\n".encode()}
        if deed == "replicas":
            now = serves(world.objects, name, world.head)
            return {path: with_replicas(text, self._random.choice([one for one in (0, 1, 3) if one != now]))}
        if deed == "list":
            return {path: listing(*self._random.choice(((), ("forward-1.yaml",), (BACK,))))}
        return {path: text + f"# looked at {self._count}\n".encode()}

    def _as_before(self, plan: Rollback, name: str) -> dict[str, bytes | None]:
        """All the files of the application as they were before the bad release."""
        world = self._world
        before = world.objects.commits[plan.reverts[-1]].parents[0]
        then, now = world.objects.files(before), world.objects.files(world.head)
        own = [path for path in {*then, *now} if world.truth.owns(name, path) and then.get(path) != now.get(path)]
        return {path: world.objects.blobs[then[path]] if path in then else None for path in sorted(own)}

    def _put_back(self, name: str, files: dict[str, bytes | None]) -> None:
        world = self._world
        bad = world.truth.inputs(name, world.head)
        if files and world.commit("between", files, f"Put {name} back as it was") == world.head:
            world.taken_back.add((name, bad))

    def _release(self, name: str) -> dict[str, bytes | None]:
        """Of something else of the application, in the very midst of it."""
        version = f"4.{self._count}"
        if self._random.random() < 0.4:
            make_bad(self._world, self._random, (name,), version)
        return {f"apps/{name}/deployment.yaml": deployment(name, version)}

    def _suspended(self, name: str) -> dict[str, bytes | None]:
        world = self._world
        policy = world.policy_at(world.head, name)
        if policy is None:
            return {}
        suspended = policy.disarmed("suspend")
        return {suspended.path: world.put(suspended)}


ACTOR = Actor("between", Between)
