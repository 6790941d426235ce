"""What runs of an application, where only the Kubernetes API can be asked?

An Application names its objects and holds none of them, neither as desired nor as live. What runs is read from the
cluster, if that is the one that we speak to; what Argo CD wants of it is what it applied last, which it leaves at the
object: kubectl's annotation, or with server-side apply the fields that it owns. Where one of both is not to be had the
answer is an error: a workload that nobody can see is not one that is well.
Source: contracts/argocd.md sections 5 and 13; gitops-engine pkg/utils/kube (apply as kubectl does), common/common.go
(ArgoCDSSAManager).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.adapters.kubernetes.applied import READ, wanted
from gitops_rollback.adapters.kubernetes.cache import LAST_APPLIED
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.home import is_here
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import EngineUnavailable, Reason, StalledError
from gitops_rollback.ports import ManagedObject

MANAGER = "argocd-controller"
KINDS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Rollout": "rollouts",
    "Job": "jobs",
    "CronJob": "cronjobs",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "ScaledObject": "scaledobjects",
    "PodDisruptionBudget": "poddisruptionbudgets",
}
RESOURCES = {(resource.group, resource.plural): resource for resource in READ}


class Lists(Protocol):
    """The one method of the Kubernetes API that is needed."""

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing: ...


def live_objects(
    cluster: Lists, application: Mapping[str, Any], subject: str, server: str = ""
) -> tuple[ManagedObject, ...]:
    """Those of `status.resources` that the guards ask about (`READ`), as they are; what is not there is left out.

    `server` is the address of the API that `cluster` speaks to.

    Raises: as the API does; StalledError for workloads of another cluster, and for those of which is unknown what Argo
    CD wants; EngineUnavailable while the status cannot be read or is not there yet.
    """
    root = Node(application)
    destination = root.get("spec", "destination")
    if not is_here(destination.get("server").text() or destination.get("name").text(), server):
        said = "its workloads are on another cluster, and an Application alone does not show them"
        raise StalledError(subject, said, Reason.ENGINE_UNCLEAR)
    if not isinstance(root.get("status", "resources").value, list):
        raise EngineUnavailable(subject, "its status does not name its objects yet")
    named = _named(root.get("status", "resources"))
    if root.faults:
        raise EngineUnavailable(subject, f"its status cannot be read: {root.faults[0]}")
    found = []
    for (resource, namespace), names in named.items():
        try:
            items = cluster.list_objects(resource, namespace).items
        except Unserved:
            continue
        found += [ManagedObject(_wanted(one, subject), one) for one in items if one["metadata"]["name"] in names]
    return tuple(found)


def _named(resources: Node) -> dict[tuple[Resource, str], set[str]]:
    """Names by kind and namespace, hooks left out, so that each needs one list only."""
    found: dict[tuple[Resource, str], set[str]] = {}
    for item in resources.items():
        for resource in _resource_of(item):
            found.setdefault((resource, item.get("namespace").text()), set()).add(item.get("name").text())
    return found


def _resource_of(item: Node) -> Iterator[Resource]:
    plural = KINDS.get(item.get("kind").text(), "")
    resource = RESOURCES.get((item.get("group").text(), plural))
    if resource is not None and not item.get("hook").flag():
        yield resource


def _wanted(live: Mapping[str, Any], subject: str) -> Mapping[str, object]:
    """By server-side apply what it owns, else the annotation: an object that was adopted it owns by a label alone."""
    applied = wanted(live, MANAGER, by_apply=True)
    if applied:
        return applied
    text = Node(live).get("metadata", "annotations").pairs().get(LAST_APPLIED, "")
    try:
        value = load(text.encode()) if text else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        name = f"{live.get('kind')} {live['metadata'].get('namespace')}/{live['metadata']['name']}"
        raise StalledError(subject, f"what Argo CD applied as {name} is not to be read", Reason.ENGINE_UNCLEAR)
    return value
