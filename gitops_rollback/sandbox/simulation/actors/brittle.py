"""What breaks by a rollback: an application that its commits leave as it is cannot live with what it now depends on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.needing import FOR_LONG, Broke
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

EVERY = 5.0  # seconds
SHARE = 0.6  # of those that need what went back


class Brittle:
    """Looks at each rollback once its last commit runs."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("brittle")
        self._seen: set[str] = set()
        world.schedule.after(EVERY, self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for rollback in world.rollbacks:
            last = world.plan(rollback)[-1].commit.sha
            names = [one for one in rollback.applications if one in world.setup.names]
            runs = names and all(world.objects.is_ancestor(last, world.cluster.live(one)) for one in names)
            if runs and rollback.commit.sha not in self._seen:
                self._seen.add(rollback.commit.sha)
                for name in self._untouched(rollback.commit.sha, names):
                    if self._random.random() < SHARE:
                        self._break(name, rollback.commit.sha)
        world.schedule.after(EVERY, self._turn)

    def _untouched(self, sha: str, names: Sequence[str]) -> list[str]:
        """Those that need one of them, and that no commit of the plan changes."""
        world = self._world
        plan = next(one for one in world.rollbacks if one.commit.sha == sha)
        paths = [path for one in world.plan(plan) for path in one.commit.paths]
        return sorted(
            one for one, others in world.needs.items() if set(others) & set(names)
            and not world.truth.own_paths(one, paths)
        )  # fmt: skip

    def _break(self, name: str, sha: str) -> None:
        world, random = self._world, self._random
        plan = next(one for one in world.rollbacks if one.commit.sha == sha)
        start = world.now + timedelta(seconds=random.uniform(5, 60))
        seconds = random.choice((300.0, FOR_LONG))
        world.store.show(name, "red", start, seconds)
        world.broke.append(Broke(start, name, plan, seconds))
        world.tell("truth", f"{name} does badly without what {sha[:8]} took back, from {start:%H:%M:%S} on")


ACTOR = Actor("brittle", Brittle)
