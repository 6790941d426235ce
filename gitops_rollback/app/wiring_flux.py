"""Makes the engine for Flux from the settings."""

from __future__ import annotations

from datetime import timedelta

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.app.past import GitPast
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.wiring_kubernetes import watched_namespaces
from gitops_rollback.ports import Clock

LOOK_EVERY = timedelta(seconds=1)  # of policy time, while a source has not answered yet
SHORTEST_LOOK = timedelta(milliseconds=50)


def flux_of(settings: Settings, client: Kubernetes | None, clock: Clock, past: GitPast) -> tuple[Flux, ...]:
    """The Flux of the cluster that `client` speaks to; none where the settings do not want it."""
    if settings.flux is None or not settings.flux.enabled or client is None:
        return ()
    cluster = WatchedCluster(client, namespaces=watched_namespaces(settings))
    engine = FluxSettings(
        instance=settings.flux.instance,
        if_installed=settings.engines_found,
        look_every=max(SHORTEST_LOOK, timedelta(seconds=clock.real_seconds(LOOK_EVERY))),
    )
    return (Flux(engine, cluster, cluster, clock.now, past),)
