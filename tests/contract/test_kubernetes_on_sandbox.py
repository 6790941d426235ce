"""Does the client follow a whole API server through its faults? Against the sandbox's Kubernetes API, no scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sandbox_kubernetes_world import cluster, kustomization

from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Conflict, Missing, Refused, Unserved
from gitops_rollback.adapters.kubernetes.resources import DEPLOYMENTS, Resource
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watching import Reflector, WatchTimes
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import KUSTOMIZATION

KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
NAMESPACE = "flux-system"
PATIENCE = 20.0
TIMES = WatchTimes(first_wait=0.02, longest_wait=0.2)
PAGED = KubernetesSettings(page=3, timeout=timedelta(seconds=10))


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as made:
        for number in range(8):
            put(made, f"app-{number}")
        yield made


@pytest.fixture
def client(sandbox: KubernetesSandbox) -> Iterator[Kubernetes]:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, NAMESPACE, PAGED)) as made:
        yield made


def put(sandbox: KubernetesSandbox, name: str) -> None:
    sandbox.store.create(KUSTOMIZATION, kustomization(name))


def touch(sandbox: KubernetesSandbox, name: str) -> None:
    found = sandbox.store.get(KUSTOMIZATION, name, NAMESPACE)
    found["spec"]["path"] = f"./{time.monotonic_ns()}"
    sandbox.store.replace(KUSTOMIZATION, found)


def versions(sandbox: KubernetesSandbox) -> dict[str, str]:
    objects = sandbox.store.objects(KUSTOMIZATION)
    return {found["metadata"]["name"]: found["metadata"]["resourceVersion"] for found in objects}


def held(reflector: Reflector) -> dict[str, str]:
    objects = reflector.view().objects.values()
    return {found["metadata"]["name"]: found["metadata"]["resourceVersion"] for found in objects}


def until(condition: Callable[[], bool], what: object = "") -> None:
    deadline = time.monotonic() + PATIENCE
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        waiting.wait(0.02)


@contextmanager
def reflecting(sandbox: KubernetesSandbox, client: Kubernetes, times: WatchTimes = TIMES) -> Iterator[Reflector]:
    """A reflector that has listed and watches."""
    reflector = Reflector(client, KUSTOMIZATIONS, lambda _: None, NAMESPACE, times)
    stop = threading.Event()
    thread = threading.Thread(target=reflector.run, args=(stop,), daemon=True)
    thread.start()
    try:
        until(lambda: sandbox.watches == 1)
        yield reflector
    finally:
        sandbox.reset()
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_objects_are_listed_in_pages_read_and_patched(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    listing = client.list_objects(KUSTOMIZATIONS, NAMESPACE)
    assert len(listing.items) == 8
    assert len([one for one in sandbox.requests if "limit=3" in one]) == 3
    patch = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "rb-1"}}}
    patched = client.merge_patch(KUSTOMIZATIONS, NAMESPACE, "app-3", patch)
    found = client.get(KUSTOMIZATIONS, NAMESPACE, "app-3")
    assert found is not None
    assert patched["metadata"]["annotations"] == found["metadata"]["annotations"] == patch["metadata"]["annotations"]
    assert found["metadata"]["generation"] == 1
    managers = {one["manager"] for one in found["metadata"]["managedFields"]}
    assert "gitops-rollback" in managers
    assert client.get(KUSTOMIZATIONS, NAMESPACE, "absent") is None


def test_a_write_on_what_has_changed_meanwhile_is_refused(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    found = client.get(KUSTOMIZATIONS, NAMESPACE, "app-0")
    assert found is not None
    touch(sandbox, "app-0")
    with pytest.raises(Conflict):
        client.replace(KUSTOMIZATIONS, found)
    version = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "spec": {"suspend": True}}
    with pytest.raises(Conflict):
        client.merge_patch(KUSTOMIZATIONS, NAMESPACE, "app-0", version)
    with pytest.raises(Conflict):
        client.create(KUSTOMIZATIONS, kustomization("app-0"))


def test_what_is_not_there_not_served_not_allowed_or_wrong_is_told_apart(
    sandbox: KubernetesSandbox, client: Kubernetes
) -> None:
    with pytest.raises(Missing):
        client.merge_patch(KUSTOMIZATIONS, NAMESPACE, "absent", {"spec": {"suspend": True}})
    with pytest.raises(Unserved):
        client.list_objects(replace(KUSTOMIZATIONS, group="kustomize.example.com"))
    with pytest.raises(Unserved):
        client.get(replace(DEPLOYMENTS, plural="deploymints"), NAMESPACE, "x")
    with pytest.raises(Refused):
        client.merge_patch(KUSTOMIZATIONS, NAMESPACE, "app-0", {"spec": {"interval": "soon"}})
    sandbox.refuse(429, retry_after=4)
    with pytest.raises(ApiUnavailable) as caught:
        client.list_objects(KUSTOMIZATIONS)
    assert caught.value.retry_after == 4
    sandbox.revoke(sandbox.token)
    with pytest.raises(CredentialsRejected):
        client.list_objects(KUSTOMIZATIONS)


def test_pages_that_expired_are_read_anew(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    sandbox.refuse(410, times=2, verbs=("list",))
    assert len(client.list_objects(KUSTOMIZATIONS, NAMESPACE).items) == 8


def test_changes_are_followed(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    with reflecting(sandbox, client) as reflector:
        put(sandbox, "new")
        touch(sandbox, "app-1")
        sandbox.store.delete(KUSTOMIZATION, "app-2", NAMESPACE)
        until(lambda: held(reflector) == versions(sandbox))
        assert (reflector.view().counts.lists, reflector.view().counts.drops) == (1, 0)
        assert not [one for one in reflector.view().objects.values() if "managedFields" in one["metadata"]]


FAULTS = {
    "ended": lambda sandbox: sandbox.end_watches(),
    "cut": lambda sandbox: sandbox.cut_watches(),
    "410-event": lambda sandbox: sandbox.watch_error(410),
    "500-event": lambda sandbox: sandbox.watch_error(500),
    "old-events-again": lambda sandbox: sandbox.jump_back(5),
    "refused-for-a-while": lambda sandbox: (sandbox.refuse(503, 3, verbs=("watch",)), sandbox.cut_watches()),
    "no-lists-for-a-while": lambda sandbox: (sandbox.refuse(500, 3, verbs=("list",)), sandbox.watch_error(410)),
    "lists-of-the-past": lambda sandbox: (sandbox.lag(4, quorum=True), sandbox.watch_error(410)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_nothing_is_missing_and_nothing_too_much(
    sandbox: KubernetesSandbox, client: Kubernetes, fault: str
) -> None:
    with reflecting(sandbox, client) as reflector:
        sandbox.hold_watches(True)
        sandbox.store.delete(KUSTOMIZATION, "app-2", NAMESPACE)
        put(sandbox, "during")
        FAULTS[fault](sandbox)
        sandbox.hold_watches(False)
        if fault == "lists-of-the-past":
            until(lambda: reflector.view().counts.stale > 1, reflector.view())
            assert "app-2" in held(reflector)
            sandbox.reset()
        touch(sandbox, "app-3")
        until(lambda: held(reflector) == versions(sandbox), reflector.view())
        until(lambda: reflector.view().trouble == "")


def test_what_happened_before_the_history_was_compacted_is_found(
    sandbox: KubernetesSandbox, client: Kubernetes
) -> None:
    with reflecting(sandbox, client) as reflector:
        sandbox.hold_watches(True)
        sandbox.store.delete(KUSTOMIZATION, "app-2", NAMESPACE)
        touch(sandbox, "app-1")
        sandbox.cut_watches()
        sandbox.expire()
        sandbox.hold_watches(False)
        until(lambda: held(reflector) == versions(sandbox), reflector.view())


def test_events_that_the_server_lost_are_found_at_the_next_list(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    with reflecting(sandbox, client, replace(TIMES, list_every=0.0)) as reflector:
        sandbox.lose_events(1)
        sandbox.store.delete(KUSTOMIZATION, "app-2", NAMESPACE)
        touch(sandbox, "app-1")
        until(lambda: held(reflector).get("app-1") == versions(sandbox)["app-1"])
        assert "app-2" in held(reflector)
        sandbox.end_watches()
        until(lambda: held(reflector) == versions(sandbox))


def test_a_half_open_watch_is_given_up(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    times = replace(TIMES, shortest=1, longest=1, slack=0.3)
    with reflecting(sandbox, client, times) as reflector:
        sandbox.mute_watches()
        touch(sandbox, "app-1")
        until(lambda: held(reflector) == versions(sandbox))
        assert reflector.view().counts.lists == 1


def test_a_rotated_token_ends_no_watch_for_good(sandbox: KubernetesSandbox, client: Kubernetes) -> None:
    with reflecting(sandbox, client) as reflector:
        sandbox.revoke(sandbox.token)
        sandbox.cut_watches()
        until(lambda: "401" in reflector.view().trouble)
        sandbox.grant(sandbox.token)
        touch(sandbox, "app-1")
        until(lambda: held(reflector) == versions(sandbox))
