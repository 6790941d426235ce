"""What metrics do besides telling the truth: a regional outage, gaps and NaN, a source that is down, flaps, lies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

FRESH = timedelta(seconds=90)


class Outage:
    """Everything is red at once, for minutes, and no commit is to blame."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        random = world.random("outage")
        start = world.now + timedelta(seconds=random.uniform(100, 1200))
        seconds = random.uniform(90, 500)
        world.store.show("", "red", start, seconds)
        world.schedule.at(start, lambda: world.tell("region", f"is out for {seconds:.0f} s: everything is red"))


class Gaps:
    """Series vanish or turn NaN, and the store does not answer for a while."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("gaps")
        world.schedule.after(self._random.uniform(10, 200), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        shows = self._random.choice(("gap", "nan", "down"))
        service = self._random.choice(("", *world.setup.names))
        seconds = self._random.choice((20.0, 60.0, 200.0, 600.0))
        if shows == "down":
            world.store.down.append((world.now, world.now + timedelta(seconds=seconds)))
        else:
            world.store.show(service, shows, world.now, seconds)
        world.tell("metrics", f"{shows} of {service or 'everything'} for {seconds:.0f} s")
        world.schedule.after(self._random.uniform(60, 400), self._turn)


class Scrapes:
    """The series of an application vanish or turn NaN for a while when its Pods are new, or have begun to fail."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("scrapes")
        world.schedule.after(self._random.uniform(10, 40), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        for name in world.setup.names:
            if self._is_shaky(name) and self._random.random() < 0.5:
                shows = self._random.choice(("gap", "nan"))
                world.store.show(name, shows, world.now, self._random.uniform(20, 100))
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _is_shaky(self, name: str) -> bool:
        ran, now = self._world.truth.at(name, self._world.now), self._world.now
        if ran is None:
            return False
        return now - ran.at < FRESH or (ran.bad_from is not None and timedelta(0) <= now - ran.bad_from < FRESH)


class Flapper:
    """Short red moments of what is well, and short green ones of what is not: never as long as a `for`."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("flapper")
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        service = self._random.choice(world.setup.names)
        shows = self._random.choice(("red", "red", "green"))
        world.store.show(service, shows, world.now, self._random.uniform(5, 25))
        world.schedule.after(self._random.uniform(40, 90), self._turn)


class Liar:
    """The series of an application that was just deployed turn red for minutes, though nothing is wrong with it."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("liar")
        world.schedule.after(self._random.uniform(10, 60), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        fresh = [name for name in world.setup.names if self._is_fresh(name)]
        if fresh and self._random.random() < 0.5:
            name, seconds = self._random.choice(fresh), self._random.uniform(100, 300)
            world.store.show(name, "red", world.now, seconds)
            world.tell("metrics", f"lie about {name} for {seconds:.0f} s: it is well")
        world.schedule.after(self._random.uniform(20, 60), self._turn)

    def _is_fresh(self, name: str) -> bool:
        ran = self._world.truth.at(name, self._world.now)
        return ran is not None and ran.bad_from is None and self._world.now - ran.at < FRESH


OUTAGE = Actor("outage", Outage, share=0.25)
GAPS = Actor("gaps", Gaps, share=0.25)
SCRAPES = Actor("scrapes", Scrapes, share=0.15)
FLAPPER = Actor("flapper", Flapper, share=0.25)
LIAR = Actor("liar", Liar, share=0.15)
