"""One replica's way to Flux: the product's own adapter, over the simulated API; what it tells is written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_past import Past
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.core.deployments import ROLLBACK_ID_INFO
from gitops_rollback.core.sync import ApplicationId, ApplicationState
from gitops_rollback.sandbox.simulation.files import POISON
from gitops_rollback.sandbox.simulation.flux.api import SimApi
from gitops_rollback.sandbox.simulation.flux.cluster import INSTANCE, FluxCluster
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.schedule import START


class SimFlux(Flux):
    """`clock` is the replica's own, `past` what its clone and its journal know."""

    def __init__(
        self, gate: Gate, cluster: FluxCluster, clock: Callable[[], datetime], past: Past, may_sync: bool
    ) -> None:
        api, schedule = SimApi(gate, cluster, may_sync), cluster.schedule
        super().__init__(
            FluxSettings(instance=INSTANCE), api, api, clock, past,
            pause=schedule.sleep, elapsed=lambda: (schedule.now - START).total_seconds(),
        )  # fmt: skip
        self._gate = gate
        self._flux = cluster

    def applications(self) -> tuple[ApplicationState, ...]:
        """As in `ports.Engine`; the poison comes with the others here."""
        states = super().applications()
        for state in states:
            if state.id.name != POISON:
                self._flux.shows(self._gate.who, state.id.name, state)
        return states

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """As in `ports.Engine`."""
        state = super().application(application, project)
        if state is not None:
            self._flux.shows(self._gate.who, application.name, state)
        return state

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """As in `ports.Engine`."""
        self._flux.sync_asked(self._gate.who, application.name, info.get(ROLLBACK_ID_INFO, ""))
        return super().sync(application, project, prune, info)

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """As in `ports.Engine`; the simulation has no streams."""
