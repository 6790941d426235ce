"""Makes the one client of the Kubernetes API that all who need it share, from the settings."""

from __future__ import annotations

from gitops_rollback.adapters.kubernetes.client import Kubernetes, connect
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.app.origins import is_loopback
from gitops_rollback.app.settings import KubernetesAccess, Settings
from gitops_rollback.core.errors import SettingsInvalid


def kubernetes_of(settings: Settings) -> Kubernetes | None:
    """The client, or None where nothing of the settings needs one; nothing is asked of the API yet.

    Raises: SettingsInvalid, also if the extra is not installed; CredentialsRejected for an unusable token.
    """
    if not settings.uses_kubernetes:
        return None
    access = settings.kubernetes or KubernetesAccess()
    client = connect(
        KubernetesSettings(
            kubeconfig=access.kubeconfig,
            context=access.context,
            namespace=access.own_namespace,
            timeout=access.request_timeout,
        )
    )
    if settings.clock is not None and not is_loopback(client.server):
        client.close()
        raise SettingsInvalid(client.subject, "scaled time is for demos: every origin must be loopback")
    return client


def watched_namespaces(settings: Settings) -> tuple[str, ...]:
    """The namespaces that may be looked into; () are all."""
    return settings.kubernetes.namespaces if settings.kubernetes is not None else ()
