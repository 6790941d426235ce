"""What runs of an application of Flux, and what does Flux want of it?

The cluster keeps no rendered manifest. But server-side apply writes down which fields each manager owns: those of
Flux's controller, with their present values, are what it applied last (and applies again at each interval).
Source: contracts/flux-kubernetes.md section 2 (labels); Kubernetes docs, Server-Side Apply, "Field management".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gitops_rollback.adapters.engines.flux_objects import other_cluster
from gitops_rollback.adapters.json_node import Node
from gitops_rollback.adapters.kubernetes.applied import READ, wanted
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import ManagedObject

MANAGERS = {"Kustomization": ("kustomize", "kustomize-controller"), "HelmRelease": ("helm", "helm-controller")}


class Lists(Protocol):
    """The one method of the Kubernetes API that is needed."""

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing: ...


def live_objects(
    cluster: Lists, application: ApplicationId, applier: Mapping[str, Any], subject: str
) -> tuple[ManagedObject, ...]:
    """The objects of `READ` that bear the application's labels, in any namespace; a kind that is not served has none.

    Raises: as the API does, for a missing right too: not seeing a scaler is not the same as there being none;
    StalledError where `applier`, the object of the application, applies to another cluster.
    """
    elsewhere = other_cluster(Node(applier).get("spec"))
    if elsewhere:
        said = f"its workloads are on the cluster of the kubeconfig {elsewhere}, into which nobody looks"
        raise StalledError(subject, said, Reason.ENGINE_UNCLEAR)
    label, manager = MANAGERS[application.kind]
    prefix = f"{label}.toolkit.fluxcd.io"
    selector = f"{prefix}/name={application.name},{prefix}/namespace={application.namespace}"
    found: list[ManagedObject] = []
    for resource in READ:
        try:
            items = cluster.list_objects(resource, label_selector=selector).items
        except Unserved:
            continue
        found += [ManagedObject(wanted(one, manager), one) for one in items]
    return tuple(found)
