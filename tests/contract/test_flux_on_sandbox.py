"""The engine for Flux over a real client and real HTTP, against the sandbox's Kubernetes API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from flux_objects_made import applied, entry, git_repository
from sandbox_kubernetes_world import cluster

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_access import REQUIRED
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.adapters.kubernetes.watching import WatchTimes
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind

NAMESPACE = "flux-system"
CART = ApplicationId("flux", "Kustomization", NAMESPACE, "cart")
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
PATIENCE = timedelta(seconds=30)


def put(sandbox: KubernetesSandbox, kind: Kind, value: dict[str, Any]) -> None:
    """Create the object, and write its status as its controller does."""
    metadata = {name: value["metadata"][name] for name in ("name", "namespace")}
    api_version = f"{kind.group}/{kind.version}"
    sandbox.store.create(
        kind, {"apiVersion": api_version, "kind": kind.kind, "metadata": metadata, "spec": value["spec"]}
    )
    write_status(sandbox, kind, metadata["name"], value["status"])


def write_status(sandbox: KubernetesSandbox, kind: Kind, name: str, status: dict[str, Any]) -> None:
    def write(body: dict[str, Any]) -> None:
        body["status"] = {**(body.get("status") or {}), **status}

    sandbox.store.change(kind, name, NAMESPACE, write, By("a controller", status=True))


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as made:
        put(made, GIT_REPOSITORY, git_repository())
        put(made, KUSTOMIZATION, applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
        yield made


@pytest.fixture
def engine(sandbox: KubernetesSandbox) -> Iterator[Flux]:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, NAMESPACE, KubernetesSettings(timeout=timedelta(seconds=20)))) as client:
        watched = WatchedCluster(client, WatchTimes(first_wait=0.02, longest_wait=0.2))
        settings = FluxSettings(look_every=timedelta(milliseconds=20), handled_within=PATIENCE)
        yield Flux(settings, watched, watched)


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(PATIENCE / timedelta(milliseconds=20))):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come true in time")


def requested(sandbox: KubernetesSandbox, kind: Kind, name: str) -> str:
    found = sandbox.store.get(kind, name, NAMESPACE)
    return str((found["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


def test_it_lists_reads_and_has_the_rights_that_it_needs(engine: Flux) -> None:
    assert [one.id for one in engine.applications()] == [CART]
    assert engine.application(CART, NAMESPACE) is not None
    assert engine.application(ApplicationId("flux", "Kustomization", NAMESPACE, "none"), NAMESPACE) is None
    assert engine.probe() == ()


def test_the_applier_is_asked_once_the_source_has_answered(sandbox: KubernetesSandbox, engine: Flux) -> None:
    args = (CART, NAMESPACE, True, {"rollback-id": "rb-1234"})
    thread = threading.Thread(target=engine.sync, args=args, daemon=True)
    thread.start()
    until(lambda: requested(sandbox, GIT_REPOSITORY, "fleet").startswith("rb-1234/"))
    assert requested(sandbox, KUSTOMIZATION, "cart") == ""
    token = requested(sandbox, GIT_REPOSITORY, "fleet")
    write_status(sandbox, GIT_REPOSITORY, "fleet", {"lastHandledReconcileAt": token})
    until(lambda: requested(sandbox, KUSTOMIZATION, "cart") == token)
    thread.join(PATIENCE.total_seconds())
    assert not thread.is_alive()
    spec = sandbox.store.get(KUSTOMIZATION, "cart", NAMESPACE)["spec"]
    assert "suspend" not in spec
    assert sandbox.failures == []


def required_lists(sandbox: KubernetesSandbox) -> list[str]:
    """Lists so far of what must be there; image automations are few, and asked for at each look."""
    return [one for one in sandbox.requests if "?limit" in one and "/image.toolkit" not in one]


def test_while_it_watches_lists_cost_no_request_and_changes_wake(sandbox: KubernetesSandbox, engine: Flux) -> None:
    woken: list[ApplicationId] = []
    stop = threading.Event()
    thread = threading.Thread(target=engine.watch, args=(woken.append, stop))
    thread.start()
    try:
        until(lambda: CART in woken)
        woken.clear()
        sandbox.store.change(KUSTOMIZATION, "cart", NAMESPACE, lambda body: body["spec"].update(suspend=True))
        until(lambda: CART in woken)
        until(lambda: sandbox.watches == len(REQUIRED))
        engine.applications()
        lists = required_lists(sandbox)
        until(lambda: not engine.applications()[0].auto_sync)
        assert required_lists(sandbox) == lists
        woken.clear()
        write_status(sandbox, GIT_REPOSITORY, "fleet", {"lastHandledReconcileAt": "x"})
        until(lambda: CART in woken)
    finally:
        stop.set()
        thread.join(PATIENCE.total_seconds())
    assert not thread.is_alive()


def test_what_a_silent_watch_holds_is_not_shown(sandbox: KubernetesSandbox) -> None:
    """A half-open connection says nothing for minutes; a release in that time must be seen all the same."""
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, NAMESPACE, KubernetesSettings(timeout=timedelta(seconds=20)))) as client:
        watched = WatchedCluster(client, WatchTimes(first_wait=0.02, believed=0.3))
        flux = Flux(FluxSettings(look_every=timedelta(milliseconds=20)), watched, watched)
        stop = threading.Event()
        thread = threading.Thread(target=flux.watch, args=(lambda _: None, stop))
        thread.start()
        try:
            until(lambda: sandbox.watches > 1)
            sandbox.mute_watches()
            sandbox.store.change(KUSTOMIZATION, "cart", NAMESPACE, lambda body: body["spec"].update(suspend=True))
            until(lambda: not flux.applications()[0].auto_sync)
        finally:
            stop.set()
            thread.join(PATIENCE.total_seconds())
        assert not thread.is_alive()


def test_in_named_namespaces_alone_it_asks_and_watches_nothing_else(sandbox: KubernetesSandbox) -> None:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    with closing(Kubernetes(wire, NAMESPACE, KubernetesSettings(timeout=timedelta(seconds=20)))) as client:
        watched = WatchedCluster(client, WatchTimes(first_wait=0.02), namespaces=(NAMESPACE, "shop"))
        flux = Flux(FluxSettings(look_every=timedelta(milliseconds=20)), watched, watched)
        stop = threading.Event()
        woken: list[ApplicationId] = []
        thread = threading.Thread(target=flux.watch, args=(woken.append, stop))
        thread.start()
        try:
            until(lambda: CART in woken)
            assert [one.id for one in flux.applications()] == [CART]
        finally:
            stop.set()
            thread.join(PATIENCE.total_seconds())
        assert not thread.is_alive()
    asked = [one for one in sandbox.requests if "/kustomizations" in one]
    assert {one.split("/namespaces/")[1].split("/")[0] for one in asked} == {NAMESPACE, "shop"}
