"""Makes the engines for Argo CD from the settings: by REST, and by its objects."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.argocd_settings import ArgoCdSettings
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.app.settings import ArgoCD, Settings
from gitops_rollback.app.wiring_kubernetes import watched_namespaces
from gitops_rollback.ports import Clock, Engine

LOOK_EVERY = timedelta(seconds=1)  # of policy time, while a comparison is waited for
SHORTEST_LOOK = timedelta(milliseconds=50)


def argocd_of(settings: Settings, client: Kubernetes | None, clock: Clock) -> tuple[Engine, ...]:
    """Each Argo CD that the settings name. Raises: SettingsInvalid for an address or CA file that is unusable."""
    by_rest = tuple(_by_rest(settings, engine, clock) for engine in settings.argocd)
    named = settings.argocd_objects
    if named is None or not named.enabled or client is None:
        return by_rest
    cluster = WatchedCluster(client, namespaces=watched_namespaces(settings))
    look_every = max(SHORTEST_LOOK, timedelta(seconds=clock.real_seconds(LOOK_EVERY)))
    engine = ArgoCdObjectsSettings(
        named.instance, look_every=look_every, server=client.server, if_installed=settings.engines_found
    )
    return (*by_rest, ArgoCdObjects(engine, cluster, cluster, clock.now))


def _by_rest(settings: Settings, engine: ArgoCD, clock: Clock) -> ArgoCd:
    token = engine.token.get_secret_value() if engine.token else ""
    return ArgoCd(
        ArgoCdSettings(
            server=engine.server,
            token=lambda: token,
            instance=engine.instance,
            ca_file=Path(engine.ca_file) if engine.ca_file else None,
            insecure_http_allowed=settings.allow_http,
        ),
        clock.now,
    )
