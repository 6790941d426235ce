"""Are the objects of Argo CD Image Updater found beside an Application? Who cannot see any is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sandbox_kubernetes_world import cluster
from test_live_workloads import STATE

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.image_updaters import ClusterImageUpdaters
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import KINDS, Kind

UPDATER = Kind("argocd-image-updater.argoproj.io", "v1alpha1", "ImageUpdater", "imageupdaters", custom=True)
WEB = replace(STATE, id=ApplicationId("default", "Application", "argocd", "web"))


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[KubernetesSandbox]:
    with cluster(kinds=request.param) as made:
        yield made


def beside(sandbox: KubernetesSandbox) -> list[object]:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, "default")) as client:
        return [one["metadata"] for one in ClusterImageUpdaters(client).beside(WEB)]


@pytest.mark.parametrize("sandbox", [(*KINDS, UPDATER)], indirect=True, ids=["served"])
def test_those_of_the_applications_namespace_are_found(sandbox: KubernetesSandbox) -> None:
    for namespace in ("argocd", "other"):
        spec = {"applicationRefs": [{"namePattern": "*", "images": []}]}
        metadata = {"name": f"in-{namespace}", "namespace": namespace}
        sandbox.store.create(
            UPDATER, {"apiVersion": UPDATER.api_version, "kind": UPDATER.kind, "metadata": metadata, "spec": spec}
        )

    assert [one["name"] for one in beside(sandbox) if isinstance(one, dict)] == ["in-argocd"]


@pytest.mark.parametrize("sandbox", [KINDS], indirect=True, ids=["not served"])
def test_a_cluster_without_that_kind_has_none(sandbox: KubernetesSandbox) -> None:
    assert beside(sandbox) == []


@pytest.mark.parametrize("sandbox", [(*KINDS, UPDATER)], indirect=True, ids=["not allowed"])
def test_who_may_not_see_them_is_not_asked_about_each_plan(sandbox: KubernetesSandbox) -> None:
    sandbox.grant(sandbox.token, rules=[Rule(("",), ("pods",), ("get",))])

    assert beside(sandbox) == []
