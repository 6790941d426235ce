"""Releases by weight: a new version behind a small share of the traffic, which is raised until it has all of it."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import any_bad, make_bad
from gitops_rollback.sandbox.simulation.files import deployment
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.traffic import route, weights_of
from gitops_rollback.sandbox.simulation.world import World

BAD = 0.6
SHARES = (10, 50, 80, 90, 100)  # per cent


class Weigher:
    """One application at a time; nobody raises a weight while the metrics are bad, mostly."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("weigher")
        self._count = 0
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        name = random.choice(world.setup.staged)
        text = world.objects.text(world.head, f"apps/{name}/route.yaml")
        if text is not None and (not any_bad(world) or random.random() < 0.1):
            self._release(name, *weights_of(text))
        world.schedule.after(random.uniform(20, 120), self._turn)

    def _release(self, name: str, stable: int, canary: int) -> None:
        world, random, total = self._world, self._random, stable + canary
        if canary == 0 or random.random() < 0.4:
            weight = max(canary, total * random.choice(SHARES) // 100)
            self._bring(name, weight, total)
        elif canary < total:
            higher = [share for share in SHARES if total * share // 100 > canary]
            weight = total * random.choice(higher) // 100
            world.commit("weigher", {_route(name): route(name, weight, total)}, f"Give {weight} of {total} to {name}")
        else:
            self._promote(name, total)

    def _bring(self, name: str, weight: int, total: int) -> None:
        """A new version with the weight in one commit, or in two, of which the second one may be what hurts."""
        world, random = self._world, self._random
        self._count += 1
        version = f"2.{self._count}"
        if random.random() < BAD:
            make_bad(world, random, (name,), version)
        image = {f"apps/{name}/canary.yaml": deployment(name, version)}
        steering = {_route(name): route(name, weight, total)}
        if random.random() < 0.5:
            world.commit("weigher", {**image, **steering}, f"Release {version} of {name} at {weight} of {total}")
        else:
            world.commit("weigher", image, f"Release {version} of {name}")
            world.commit("weigher", steering, f"Give {weight} of {total} to {version} of {name}")

    def _promote(self, name: str, total: int) -> None:
        """What has all of the traffic becomes the stable version."""
        world = self._world
        blob = world.objects.text(world.head, f"apps/{name}/canary.yaml")
        if blob is not None:
            files = {f"apps/{name}/deployment.yaml": blob, _route(name): route(name, 0, total)}
            world.commit("weigher", files, f"Promote {name}")


def _route(name: str) -> str:
    return f"apps/{name}/route.yaml"


ACTOR = Actor("weigher", Weigher)
