"""An ApplicationSet: thirty applications that all read one shared file, and an outage while its fault is open.

A bad commit to the file makes all of them red together while the few other applications are quiet: one incident with a
control group. The outage begins soon after such a commit was deployed, or after it was rolled back, when it makes all
others red as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.actors.faults import make_bad
from gitops_rollback.sandbox.simulation.files import FLEET_FILE, fleet_values
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class Fleet:
    """Commits to the shared file now and then."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("fleet")
        self._count = 0
        world.schedule.after(self._random.uniform(60, 240), self._turn)

    def _turn(self) -> None:
        world = self._world
        if world.calm:
            return
        self._count += 1
        version = f"fleet{self._count}"
        if self._random.random() < 0.6:
            make_bad(world, self._random, world.setup.fleet, version)
            if self._random.random() < 0.4:
                self._plan_outage()
        world.commit("developer", {FLEET_FILE: fleet_values(version)}, f"Release {version} of the fleet")
        world.schedule.after(self._random.uniform(300, 900), self._turn)

    def _plan_outage(self) -> None:
        world = self._world
        start = world.now + timedelta(seconds=self._random.uniform(60, 500))
        seconds = self._random.uniform(90, 500)
        world.store.show("", "red", start, seconds)
        world.schedule.at(start, lambda: world.tell("region", f"is out for {seconds:.0f} s: everything is red"))


ACTOR = Actor("fleet", Fleet)
