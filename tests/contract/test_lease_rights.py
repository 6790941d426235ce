"""What is missing to take a Lease is named before it is needed, verb by verb, and nothing is written by looking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.lease import KubernetesLease
from gitops_rollback.adapters.kubernetes.lease_rights import missing_lease_rights
from gitops_rollback.adapters.kubernetes.members import KubernetesMembers
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.app.checkup import of_lease
from gitops_rollback.app.wiring_kubernetes import Election
from gitops_rollback.core.lease import LeaseTimes, lease_name
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import NAMESPACE

OWN, TOKEN = "gitops-rollback", "less"
NAME = lease_name("shop/config")
VERBS = ("get", "create", "update")


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    made = KubernetesSandbox(ScaledClock())
    made.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}})
    made.start()
    yield made
    made.stop()
    assert made.failures == []


@contextmanager
def client_with(sandbox: KubernetesSandbox, verbs: Sequence[str], namespace: str = OWN) -> Iterator[Kubernetes]:
    rules = [Rule(("coordination.k8s.io",), ("leases",), tuple(verbs))] if verbs else []
    sandbox.grant(TOKEN, "system:serviceaccount:ops:less", rules)
    with closing(Kubernetes(Transport(sandbox.url, None, Fixed.token(TOKEN)), namespace)) as client:
        yield client


@pytest.mark.parametrize("taken", [True, False])
def test_the_documented_verbs_are_enough_and_nothing_is_written(sandbox: KubernetesSandbox, taken: bool) -> None:
    with client_with(sandbox, VERBS) as client:
        if taken:
            KubernetesLease(client, NAME, "a").look()
        before = sandbox.store.version
        assert missing_lease_rights(client, NAME) == ()
    assert sandbox.store.version == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("taken", [True, False])
def test_each_verb_that_is_missing_is_named(sandbox: KubernetesSandbox, verb: str, taken: bool) -> None:
    if taken:
        with client_with(sandbox, VERBS) as client:
            KubernetesLease(client, NAME, "a").look()
    with client_with(sandbox, [one for one in VERBS if one != verb]) as client:
        (found,) = missing_lease_rights(client, NAME)
    assert f"the right to {verb} leases" in found


def test_a_namespace_that_does_not_exist_is_said(sandbox: KubernetesSandbox) -> None:
    with client_with(sandbox, VERBS, "elsewhere") as client:
        (found,) = missing_lease_rights(client, NAME)
    assert "elsewhere" in found


def test_the_checkup_tells_who_can_and_who_cannot_lead(sandbox: KubernetesSandbox) -> None:
    for verbs, well in ((VERBS, True), ((), False)):
        with client_with(sandbox, verbs) as client:
            election = Election(client, "a", LeaseTimes(), KubernetesMembers(client, "a"))
            (finding,) = of_lease(election, "shop/config")
        assert (finding.part, finding.well, bool(finding.remedy)) == ("lease of shop/config", well, not well)
    assert list(of_lease(None, "shop/config")) == []
