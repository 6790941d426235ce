"""Is a Secret or a ConfigMap in the cluster whose API we speak to? By its metadata alone.

Without the right to see it nothing is known, and that is said: RBAC knows no right to the metadata of Secrets alone, so
many give none. Source: Kubernetes docs, API concepts, "Metadata-only fetches"; RBAC good practices, "Secrets".
"""

from __future__ import annotations

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.home import is_here
from gitops_rollback.adapters.kubernetes.resources import CONFIG_MAPS, SECRETS
from gitops_rollback.core.errors import RollbackError, TransientError
from gitops_rollback.core.images import Found
from gitops_rollback.core.references import CONFIG_MAP, SECRET, UNCLEAR, Reference, ReferencePresence
from gitops_rollback.core.sync import ApplicationState

RESOURCES = {SECRET: SECRETS, CONFIG_MAP: CONFIG_MAPS}


class ClusterReferences:
    """`ports.References`. Keeps nothing: what was there a minute ago may be gone."""

    def __init__(self, client: Kubernetes) -> None:
        self._client = client

    def look_up(self, application: ApplicationState, reference: Reference) -> ReferencePresence:
        """As the port has it; not known for another cluster's, and without the right."""
        namespace = reference.namespace or application.namespace
        if not is_here(application.destination, self._client.server):
            why = f"{application.destination} is another cluster, into which nobody looks"
            return ReferencePresence(reference, Found.NOT_ASKED, why)
        if namespace in ("", UNCLEAR):
            return ReferencePresence(reference, Found.UNKNOWN, "in which namespace is not known")
        try:
            there = self._client.exists(RESOURCES[reference.kind], namespace, reference.name)
        except TransientError as error:
            return ReferencePresence(reference, Found.NO_ANSWER, error.message)
        except RollbackError as error:
            return ReferencePresence(reference, Found.UNKNOWN, error.message)
        return ReferencePresence(reference, Found.PRESENT if there else Found.MISSING)
