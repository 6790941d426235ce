"""The workloads of a simulated cluster that a strategy asks about: is the slot that takes over there, and ready?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.objects import Objects


@dataclass
class Slots:
    """`away` are workloads that have no ready Pod, whatever git says. `told` is what a replica heard last of one."""

    objects: Objects
    live: Callable[[str], str]  # application -> the revision that it runs
    away: set[str] = field(default_factory=set)
    told: dict[tuple[str, str], tuple[datetime, bool]] = field(default_factory=dict)

    def is_there(self, application: str, workload: str) -> bool:
        """What runs has it."""
        slot = workload.removeprefix(f"{application}-")
        return self.objects.entry(self.live(application), f"apps/{application}/{slot}.yaml") is not None

    def is_ready(self, application: str, workload: str) -> bool:
        """It could take the traffic."""
        return self.is_there(application, workload) and workload not in self.away


@dataclass(frozen=True)
class SimWorkloads:
    """One replica's way to them."""

    gate: Gate
    slots: Slots
    now: Callable[[], datetime]

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """As in `ports.Workloads`."""
        struck = self.gate.enter("workloads.read")
        name = application.id.name
        there, ready = self.slots.is_there(name, workload.name), self.slots.is_ready(name, workload.name)
        self.gate.leave("workloads.read")
        if struck:
            raise EngineUnavailable(application.id.short, "its workloads cannot be seen")
        self.slots.told[self.gate.who, workload.name] = self.now(), ready
        return WorkloadFacts(_deployment(workload, 2 if ready else 0) if there else None)


def _deployment(workload: Workload, available: int) -> dict[str, object]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": workload.name, "namespace": workload.namespace, "generation": 1},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": available,
            "readyReplicas": available,
        },
    }
