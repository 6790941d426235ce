"""Is an object of any kind found as it is now, by the Kubernetes API and by Argo CD, and never by another's name?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sandbox_kubernetes_world import cluster
from test_live_workloads import STATE, deployed

from gitops_rollback.adapters.engines.argocd_found import ArgoCdFound
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.objects import ClusterObjects
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.app.coming_back import ComingBack
from gitops_rollback.core.errors import EngineUnavailable, Reason
from gitops_rollback.core.guards.facts import ChangedFile
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import ManagedObject
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT

HERE = replace(STATE, destination="https://kubernetes.default.svc")
WEB, NOWHERE = RunObject("apps/v1", "Deployment", "", "web"), RunObject("apps/v1", "Deployment", "other", "web")


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as made:
        yield made


@pytest.fixture
def objects(sandbox: KubernetesSandbox) -> Iterator[ClusterObjects]:
    with closing(Kubernetes(Transport(sandbox.url, None, Fixed.token(sandbox.token)), "default")) as client:
        yield ClusterObjects(client)


def test_an_object_is_read_from_the_cluster_by_its_kind_alone(
    sandbox: KubernetesSandbox, objects: ClusterObjects
) -> None:
    assert objects.find(HERE, [WEB]) == {}
    sandbox.store.create(DEPLOYMENT, deployed())
    found = objects.find(HERE, [WEB, NOWHERE])
    assert list(found) == [WEB]
    metadata: Any = found[WEB]["metadata"]
    assert metadata["namespace"] == "shop"


def test_what_cannot_be_seen_is_not_what_is_not_there(objects: ClusterObjects) -> None:
    for version, words in (("v1alpha2", "not served"), ("v1alpha1", "serves no Terraform of infra")):
        with pytest.raises(Unserved, match=words):
            objects.find(HERE, [RunObject(f"infra.contrib.fluxcd.io/{version}", "Terraform", "shop", "db")])
    with pytest.raises(Unserved) as caught:
        objects.find(HERE, [RunObject("apps/v1", "Depoyment", "shop", "web")])
    assert caught.value.reason is Reason.ENGINE_UNCLEAR
    with pytest.raises(EngineUnavailable, match="another cluster"):
        objects.find(STATE, [WEB])


BUDGET = b"apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"


def test_a_version_that_the_api_does_not_serve_is_named_before_a_plan_brings_it_back(objects: ClusterObjects) -> None:
    plan = [ChangedFile("apps/web/budget.yaml", BUDGET.replace(b"v1beta1", b"v1"), BUDGET)]
    elsewhere = replace(STATE, destination="https://other.example")
    assert ComingBack(objects=objects).unserved_by(HERE, plan) == ("PodDisruptionBudget of policy/v1beta1",)
    assert ComingBack(objects=objects).unserved_by(elsewhere, plan) == (), "nobody looks into another cluster"
    assert ComingBack(objects=ArgoCdFound(Shows())).unserved_by(HERE, plan) == ()
    assert objects.serves(HERE, "apps/v1", "Deployment") is True
    assert objects.serves(HERE, "apps/v1", "Depoyment") is False


def test_an_api_that_does_not_answer_serves_nobody_knows_what(
    sandbox: KubernetesSandbox, objects: ClusterObjects
) -> None:
    sandbox.stop()
    assert objects.serves(HERE, "policy/v1beta1", "PodDisruptionBudget") is None


class Shows:
    """An Argo CD that manages these."""

    def __init__(self, *live: dict[str, Any]) -> None:
        self.live = live

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        return tuple(ManagedObject({}, one) for one in self.live)


def test_argo_cd_shows_what_it_manages_whatever_the_version_it_is_served_in() -> None:
    stranger = {**deployed(), "apiVersion": "example.com/v1"}
    found = ArgoCdFound(Shows({}, {"kind": "Deployment"}, stranger, deployed())).find(STATE, [WEB, NOWHERE])
    assert found == {WEB: deployed()}
    newer = replace(WEB, api_version="apps/v2")
    assert list(ArgoCdFound(Shows(deployed())).find(STATE, [newer])) == [newer]


def test_what_argo_cd_does_not_manage_is_read_from_the_cluster_at_hand(
    sandbox: KubernetesSandbox, objects: ClusterObjects
) -> None:
    sandbox.store.create(DEPLOYMENT, deployed())
    found = ArgoCdFound(Shows(), objects)
    assert list(found.find(HERE, [WEB])) == [WEB]
    assert found.find(STATE, [WEB]) == {}, "another cluster is not asked"
    assert found.find(HERE, [replace(WEB, gone=True)]) == {}
