"""Which engine does a replica reach in this world?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gitops_rollback.adapters.engines.flux_past import Past
from gitops_rollback.ports import Engine
from gitops_rollback.sandbox.simulation.engine import ArgoCluster
from gitops_rollback.sandbox.simulation.engine_port import SimArgo
from gitops_rollback.sandbox.simulation.flux.cluster import FluxCluster
from gitops_rollback.sandbox.simulation.flux.port import SimFlux
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.world import World


def engine_of(world: World, gate: Gate, clock: Callable[[], datetime], past: Past) -> Engine:
    """One process's way to the world's engine; its memory dies with the process. Raises: TypeError."""
    cluster, may_sync = world.cluster, world.setup.may_sync
    if isinstance(cluster, FluxCluster):
        return SimFlux(gate, cluster, clock, past, may_sync)
    if isinstance(cluster, ArgoCluster):
        return SimArgo(gate, cluster, clock, may_sync)
    raise TypeError(f"nobody knows the way to a {type(cluster).__name__}")
