"""Which verb on which resource is missing, and what would make a revert late? Tried on the sandbox's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flux_cluster import FakeCluster, flux_for
from flux_objects_made import applied, entry, git_repository, helm_release, made, snapshot
from sandbox_kubernetes_world import cluster
from test_flux_on_sandbox import NAMESPACE, put

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.applied import READ as RUNS
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION

FLUX_GROUPS = tuple(f"{one}.toolkit.fluxcd.io" for one in ("source", "kustomize", "helm", "image"))
HISTORY = [entry("1", "a", "09:00:00", "09:00:00")]
READ = ("get", "list", "watch")
LESS = "less"


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as found:
        put(found, GIT_REPOSITORY, git_repository())
        put(found, KUSTOMIZATION, applied("a", HISTORY))
        yield found


@contextmanager
def engine_with(sandbox: KubernetesSandbox, rules: Sequence[Rule], namespaces: Sequence[str] = ()) -> Iterator[Flux]:
    sandbox.grant(LESS, "system:serviceaccount:ops:less", rules)
    wire = Transport(sandbox.url, None, Fixed.token(LESS))
    with closing(Kubernetes(wire, NAMESPACE, KubernetesSettings(timeout=timedelta(seconds=20)))) as client:
        watched = WatchedCluster(client, namespaces=namespaces)
        yield Flux(FluxSettings(), watched, watched)


def rules(*verbs: str, but: str = "", only: str = "*") -> list[Rule]:
    """All of Flux's resources with these verbs, and what runs to list; `but` may not be seen at all."""
    flux = [Rule(FLUX_GROUPS, (one,), verbs, (only,)) for one in PLURALS if one != but]
    return flux + [Rule((one.group,), (one.plural,), ("get", "list"), (only,)) for one in RUNS if one.plural != but]


PLURALS = (
    *("gitrepositories", "ocirepositories", "buckets", "helmrepositories", "helmcharts", "externalartifacts"),
    *("kustomizations", "helmreleases", "imageupdateautomations", "imagepolicies"),
)


def test_the_documented_rights_are_enough_and_nothing_is_changed_by_trying(sandbox: KubernetesSandbox) -> None:
    before = sandbox.store.get(KUSTOMIZATION, "cart", NAMESPACE)["metadata"]
    with engine_with(sandbox, rules(*READ, "patch")) as engine:
        assert engine.probe() == ()
    assert sandbox.store.get(KUSTOMIZATION, "cart", NAMESPACE)["metadata"] == before


@pytest.mark.parametrize("plural", PLURALS)
def test_a_resource_that_may_not_be_listed_is_named(sandbox: KubernetesSandbox, plural: str) -> None:
    with engine_with(sandbox, rules(*READ, "patch", but=plural)) as engine:
        (found,) = engine.probe()
    assert f"the right to list {plural}." in found


@pytest.mark.parametrize("plural", ["deployments", "scaledobjects", "poddisruptionbudgets"])
def test_what_runs_and_may_not_be_listed_is_named_for_the_guards(sandbox: KubernetesSandbox, plural: str) -> None:
    with engine_with(sandbox, rules(*READ, "patch", but=plural)) as engine:
        (found,) = engine.probe()
        with pytest.raises(CredentialsRejected):
            engine.live_objects(ApplicationId("flux", "Kustomization", NAMESPACE, "cart"), "")
    assert f"the right to list {plural}." in found
    assert "a person is asked" in found


def test_rights_to_watch_and_to_patch_are_named_each_with_its_resource(sandbox: KubernetesSandbox) -> None:
    with engine_with(sandbox, rules("get", "list")) as engine:
        found = engine.probe()
    for verb, plural in (("patch", "kustomizations"), ("patch", "gitrepositories"), ("watch", "kustomizations")):
        assert [f"the right to {verb} {plural}." in line for line in found].count(True) == 1
    assert not any("to list" in line for line in found)


def test_rights_in_the_named_namespaces_are_enough(sandbox: KubernetesSandbox) -> None:
    with engine_with(sandbox, rules(*READ, "patch", only=NAMESPACE), (NAMESPACE,)) as engine:
        assert engine.probe() == ()
        assert [one.id.name for one in engine.applications()] == ["cart"]


# Health waits


def advised(*objects: dict[str, Any]) -> tuple[str, ...]:
    fake = FakeCluster()
    plurals = {"Kustomization": "kustomizations", "HelmRelease": "helmreleases", "Deployment": "deployments"}
    for one in objects:
        fake.put(plurals[one["kind"]], one)
    return flux_for(fake).advice()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"wait": True, "interval": "60m"}, "up to 59m30s", id="no-time-out-waits-for-the-interval"),
        pytest.param({"wait": True, "interval": "60m", "timeout": "20m"}, "up to 20m", id="its-time-out"),
        pytest.param({"healthChecks": [{"kind": "Deployment"}], "timeout": "6m"}, "up to 6m", id="checks"),
        pytest.param({"wait": True, "timeout": "3m"}, "", id="short"),
        pytest.param({"wait": True, "interval": "10s"}, "", id="never-less-than-half-a-minute"),
        pytest.param({"interval": "60m"}, "", id="it-does-not-wait"),
    ],
)
def test_long_health_waits_are_named_with_what_ends_them_sooner(spec: dict[str, Any], words: str) -> None:
    found = advised(applied("a", HISTORY, **spec))
    assert bool(found) is bool(words)
    if words:
        assert f"flux-system/cart {words})" in found[0]
        assert "kustomize-controller with --feature-gates=CancelHealthCheckOnNewRevision=true" in found[0]


def test_where_the_gate_is_seen_to_be_on_nothing_is_advised() -> None:
    slow = applied("a", HISTORY, wait=True, interval="60m")
    args = ["--feature-gates=CancelHealthCheckOnNewRevision=true"]
    spec = {"template": {"spec": {"containers": [{"name": "manager", "args": args}]}}}
    assert advised(slow, made("Deployment", "kustomize-controller", spec, {})) == ()


def test_slow_releases_are_named_too() -> None:
    release: Callable[..., dict[str, Any]] = helm_release
    slow = release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")], timeout="15m")
    assert "helm-controller" in advised(slow)[0]
    assert advised(release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")])) == ()
