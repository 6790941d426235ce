"""An actor: its name, what begins it, and in which share of the ordinary worlds it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World


@dataclass(frozen=True)
class Actor:
    """`begin` plans the first deed in a world. `share` 0: it is only where a scenario puts it."""

    name: str
    begin: Callable[[World, Sequence[Replica]], object]
    share: float = 0.0
