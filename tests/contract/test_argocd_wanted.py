"""What does Argo CD want of a live object, by what it left at it: the fields that it owns, or kubectl's annotation?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitops_rollback.adapters.engines.argocd_live import live_objects
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.resources import DEPLOYMENTS, Resource
from gitops_rollback.core.errors import StalledError

WANTED = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
A_LABEL = {"f:metadata": {"f:labels": {"f:app.kubernetes.io/instance": {}}}}
A_SPEC = {"f:spec": {"f:replicas": {}}}
APPLICATION = {
    "spec": {"destination": {"server": "https://kubernetes.default.svc"}},
    "status": {"resources": [{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}]},
}


class OneDeployment:
    """A cluster in which `web` runs with five replicas."""

    def __init__(self, entries: list[dict[str, Any]], annotated: bool) -> None:
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(WANTED)} if annotated else {}
        metadata = {"name": "web", "namespace": "shop", "annotations": annotations, "managedFields": entries}
        self.live = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 5}}

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        return Listing("1", (self.live,) if resource == DEPLOYMENTS else ())


def owned(fields: dict[str, Any], operation: str) -> dict[str, Any]:
    return {"manager": "argocd-controller", "operation": operation, "fieldsV1": fields}


@pytest.mark.parametrize(
    ("entries", "annotated", "replicas"),
    [
        ([owned(A_SPEC, "Apply")], False, 5),
        ([owned(A_SPEC, "Apply")], True, 5),  # applied by kubectl once, and by Argo CD since
        ([owned(A_LABEL, "Update")], True, 2),  # adopted: Argo CD wrote its label, and nothing else of it changed
        ([owned(A_SPEC, "Update")], True, 2),
        ([], True, 2),
    ],
)
def test_what_was_applied_last_is_wanted(entries: list[dict[str, Any]], annotated: bool, replicas: int) -> None:
    (found,) = live_objects(OneDeployment(entries, annotated), APPLICATION, "argocd/shop")
    spec = found.desired["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == replicas


@pytest.mark.parametrize("entries", [[], [owned(A_LABEL, "Update")]])
def test_where_neither_tells_it_is_not_known(entries: list[dict[str, Any]]) -> None:
    with pytest.raises(StalledError, match="is not to be read"):
        live_objects(OneDeployment(entries, annotated=False), APPLICATION, "argocd/shop")
