"""An Argo CD that restarts, and a person who turns auto-sync on and off and syncs by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.engine import ArgoCluster
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


class EngineTrouble:
    """One deed every few minutes; in a world without Argo CD there is none."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._world = world
        self._random = world.random("engine-trouble")
        if not isinstance(world.cluster, ArgoCluster):
            return
        self._argo = world.cluster
        world.schedule.after(self._random.uniform(30, 200), self._turn)

    def _turn(self) -> None:
        world, random = self._world, self._random
        if world.calm:
            return
        name, deed = random.choice(world.setup.names), random.choice(("restart", "auto-sync", "sync", "terminate"))
        world.tell("engine", f"{deed} {name if deed != 'restart' else ''}")
        if deed == "restart":
            world.cluster.down_until = world.now + timedelta(seconds=random.uniform(10, 120))
        elif deed == "auto-sync":
            self._argo.set_auto_sync(name, not self._argo.apps[name].state.auto_sync)
        elif deed == "sync":
            world.cluster.sync(name, {}, "admin")
        else:
            self._argo.terminate(name)
        world.schedule.after(random.uniform(60, 300), self._turn)


ACTOR = Actor("engine-trouble", EngineTrouble, share=0.25)
