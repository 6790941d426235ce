"""Are the objects of GitOps Promoter found, wherever it runs? Who cannot see any is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sandbox_kubernetes_world import cluster

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.promoters import ClusterPromoters
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import KINDS, Kind

TRANSFER = Kind("promoter.argoproj.io", "v1alpha1", "ChangeTransferPolicy", "changetransferpolicies", custom=True)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[KubernetesSandbox]:
    with cluster(kinds=request.param) as made:
        yield made


def found(sandbox: KubernetesSandbox) -> list[tuple[object, object]]:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, "default")) as client:
        return [(one["kind"], one["spec"]) for one in ClusterPromoters(client).objects()]


@pytest.mark.parametrize("sandbox", [(*KINDS, TRANSFER)], indirect=True, ids=["served"])
def test_those_of_each_namespace_are_found_and_kinds_that_are_not_served_are_none(sandbox: KubernetesSandbox) -> None:
    spec = {"activeBranch": "environment/prod", "proposedBranch": "environment/prod-next"}
    metadata = {"name": "prod", "namespace": "promoter"}
    sandbox.store.create(
        TRANSFER, {"apiVersion": TRANSFER.api_version, "kind": TRANSFER.kind, "metadata": metadata, "spec": spec}
    )

    assert found(sandbox) == [("ChangeTransferPolicy", spec)]
    sandbox.grant(sandbox.token, rules=[Rule(("",), ("pods",), ("get",))])
    assert found(sandbox) == [], "who may not see them is not asked about each plan"


@pytest.mark.parametrize("sandbox", [KINDS], indirect=True, ids=["not served"])
def test_a_cluster_without_these_kinds_has_none(sandbox: KubernetesSandbox) -> None:
    assert found(sandbox) == []
