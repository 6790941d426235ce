"""What Jobs do besides completing: fail, never end, lose rows, be cleaned away, or have run before under the name."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.sandbox.simulation.actors.actor import Actor
from gitops_rollback.sandbox.simulation.databases import COMPLETES, FAILS, FATES
from gitops_rollback.sandbox.simulation.replica import Replica
from gitops_rollback.sandbox.simulation.world import World

SHARE = 0.45  # of the Jobs that move data back
FORWARD_FAILS = 0.05


class JobTrouble:
    """Draws once for each Job that begins."""

    def __init__(self, world: World, _replicas: Sequence[Replica]) -> None:
        self._random = world.random("job-trouble")
        world.databases.fate = self._fate

    def _fate(self, _application: str, job: str) -> str:
        random = self._random
        if not job.endswith("-back"):
            return FAILS if random.random() < FORWARD_FAILS else COMPLETES
        return random.choice(FATES[1:]) if random.random() < SHARE else COMPLETES


ACTOR = Actor("job-trouble", JobTrouble)
