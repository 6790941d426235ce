"""Is a Secret found to be there, or to be gone, by its metadata alone? And is what may not be seen never gone?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sandbox_kubernetes_world import cluster
from test_live_workloads import STATE

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.references import ClusterReferences
from gitops_rollback.adapters.kubernetes.resources import SECRETS
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.wire import Sent
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.images import Found
from gitops_rollback.core.references import UNCLEAR, Reference
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import CONFIG_MAP, SECRET

HERE = replace(STATE, destination="https://kubernetes.default.svc", namespace="shop")
PASSWORD, HOURS = Reference("Secret", "", "password"), Reference("ConfigMap", "shop", "hours")


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as made:
        metadata = {"name": "password", "namespace": "shop"}
        made.store.create(
            SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"a": "c2VjcmV0"}}
        )
        yield made


@pytest.fixture
def wire(sandbox: KubernetesSandbox) -> Transport:
    return Transport(sandbox.url, None, Fixed.token(sandbox.token))


@pytest.fixture
def references(wire: Transport) -> Iterator[ClusterReferences]:
    with closing(Kubernetes(wire, "default")) as client:
        yield ClusterReferences(client)


def test_it_is_there_or_gone_by_the_clusters_own_word(
    sandbox: KubernetesSandbox, references: ClusterReferences
) -> None:
    assert references.look_up(HERE, PASSWORD).found is Found.PRESENT
    assert references.look_up(HERE, HOURS).found is Found.MISSING
    metadata = {"name": "hours", "namespace": "shop"}
    sandbox.store.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}})
    assert references.look_up(HERE, HOURS).found is Found.PRESENT


def test_no_value_of_a_secret_is_sent_to_us(wire: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    send, bodies = Transport.send, list[bytes]()

    def seen(self: Transport, sent: Sent, seconds: float) -> object:
        answer = send(self, sent, seconds)
        bodies.append(answer.body)
        return answer

    monkeypatch.setattr(Transport, "send", seen)
    with closing(Kubernetes(wire, "default")) as client:
        assert ClusterReferences(client).look_up(HERE, PASSWORD).found is Found.PRESENT
    assert len(bodies) == 1
    assert b"c2VjcmV0" not in bodies[0]


def test_a_server_that_answers_with_the_whole_object_is_not_believed(
    wire: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitops_rollback.adapters.kubernetes.client.METADATA_ALONE", "application/json")
    with closing(Kubernetes(wire, "default")) as client, pytest.raises(EngineUnavailable) as caught:
        client.exists(SECRETS, "shop", "password")
    assert "c2VjcmV0" not in str(caught.value)


def test_who_may_not_see_secrets_knows_nothing_of_them(
    sandbox: KubernetesSandbox, references: ClusterReferences
) -> None:
    sandbox.grant(sandbox.token, rules=[Rule(("",), ("configmaps",), ("get",))])
    for name in ("password", "gone"):
        found = references.look_up(HERE, Reference("Secret", "", name))
        assert (found.found, "forbidden" in found.message) == (Found.UNKNOWN, True)
    assert references.look_up(HERE, HOURS).found is Found.MISSING


def test_nobody_looks_into_another_cluster_or_an_unknown_namespace(references: ClusterReferences) -> None:
    assert references.look_up(STATE, PASSWORD).found is Found.NOT_ASKED
    assert references.look_up(HERE, replace(PASSWORD, namespace=UNCLEAR)).found is Found.UNKNOWN
    assert references.look_up(replace(HERE, namespace=""), PASSWORD).found is Found.UNKNOWN


def test_an_api_that_does_not_answer_proves_nothing(sandbox: KubernetesSandbox, references: ClusterReferences) -> None:
    sandbox.stop()
    assert references.look_up(HERE, PASSWORD).found is Found.NO_ANSWER
