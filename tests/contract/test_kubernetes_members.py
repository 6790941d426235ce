"""Do replicas hear of each other through one object, and forget those that died? On the sandbox's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.lease import Clocks
from gitops_rollback.adapters.kubernetes.members import ANNOTATION, NAME, KubernetesMembers
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import LEASE, NAMESPACE

LEAST = (Rule(("coordination.k8s.io",), ("leases",), ("get", "create", "update")),)
Join = Callable[..., KubernetesMembers]


@dataclass
class Hands:
    """A clock that a test turns."""

    seconds: float = 0.0
    wall: datetime = field(default_factory=lambda: datetime(2026, 11, 26, tzinfo=UTC))

    def turn(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    made = KubernetesSandbox(ScaledClock(), rules=LEAST)
    made.store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gitops-rollback"}})
    made.start()
    yield made
    made.stop()
    assert made.failures == []


@pytest.fixture
def join(sandbox: KubernetesSandbox, hands: Hands) -> Iterator[Join]:
    clients: list[Kubernetes] = []

    def make(identity: str, installation: str = "shop") -> KubernetesMembers:
        clients.append(Kubernetes(Transport(sandbox.url, None, Fixed.token(sandbox.token)), "gitops-rollback"))
        clocks = Clocks(lambda: hands.seconds, lambda: hands.wall)
        return KubernetesMembers(clients[-1], identity, clocks=clocks, installation=installation)

    yield make
    for client in clients:
        client.close()


def test_with_no_more_than_the_least_rights_they_hear_of_each_other(join: Join, hands: Hands) -> None:
    a, b, c = join("a"), join("b"), join("c")
    for one in (a, b, c, a, b):
        hands.turn(1)
        one.beat()
    assert a.living() == b.living() == c.living() == {"a", "b", "c"}


def test_the_dead_are_forgotten_and_their_words_taken_away(
    sandbox: KubernetesSandbox, join: Join, hands: Hands
) -> None:
    a, b = join("a"), join("b")
    a.beat()
    b.beat()
    for _ in range(4):
        hands.turn(5)
        b.beat()
    assert b.living() == {"b"}
    assert '"a"' not in sandbox.store.get(LEASE, NAME, "gitops-rollback")["metadata"]["annotations"][ANNOTATION]


def test_who_goes_says_so(join: Join) -> None:
    a, b = join("a"), join("b")
    a.beat()
    over = threading.Event()
    over.set()
    a.run(over)
    b.beat()
    assert b.living() == {"b"}


def test_two_installations_in_one_namespace_are_no_replicas_of_each_other(join: Join, hands: Hands) -> None:
    a, b, other = join("a"), join("b"), join("c", "bank")
    for one in (a, b, other, a, b):
        hands.turn(1)
        one.beat()
    assert (a.living(), b.living(), other.living()) == ({"a", "b"}, {"a", "b"}, {"c"})


def test_a_replica_of_an_older_version_says_no_installation_and_may_be_ours(
    sandbox: KubernetesSandbox, join: Join, hands: Hands
) -> None:
    said = {"old": hands.wall.isoformat()}
    metadata = {"name": NAME, "namespace": "gitops-rollback", "annotations": {ANNOTATION: json.dumps(said)}}
    sandbox.store.create(LEASE, {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": {}})
    a = join("a")
    a.beat()
    assert a.living() == {"a", "old"}


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"a": 1}', "[" * 100_000, '"a"'])
def test_what_cannot_be_read_counts_as_nobody_and_is_mended(sandbox: KubernetesSandbox, join: Join, text: str) -> None:
    metadata = {"name": NAME, "namespace": "gitops-rollback", "annotations": {ANNOTATION: text}}
    sandbox.store.create(LEASE, {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": {}})
    a, b = join("a"), join("b")
    a.beat()
    b.beat()
    assert b.living() == {"a", "b"}


def test_without_the_api_it_is_alone_and_nothing_is_raised(sandbox: KubernetesSandbox, join: Join) -> None:
    sandbox.refuse(503, times=None)
    a = join("a")
    a.beat()
    assert a.living() == {"a"}
