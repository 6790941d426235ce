"""What the engine for Flux asks of the cluster, in which order, and what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flux_cluster import REQUESTED_AT, Clock, FakeChanges, FakeCluster, flux_for, in_the_way
from flux_objects_made import (
    applied,
    condition,
    entry,
    failed,
    git_repository,
    helm_chart,
    helm_release,
    helm_repository,
    made,
    not_fetching,
    snapshot,
    waiting,
)

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.core.deployments import contains_our_operation
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, StalledError
from gitops_rollback.core.sync import ApplicationId

CART = ApplicationId("flux", "Kustomization", "flux-system", "cart")
BILL = ApplicationId("flux", "HelmRelease", "flux-system", "bill")
INFO = {"rollback-id": "rb-0123456789abcdef"}
HISTORY = [entry("1", "a", "09:00:00", "09:00:00")]


def cluster_with(*objects: tuple[str, dict[str, Any]], answering: bool = True) -> FakeCluster:
    """`answering`: whatever is asked acknowledges at once, as Flux does, a suspended object included."""
    cluster = FakeCluster()
    for plural, value in (("gitrepositories", git_repository()), *objects):
        cluster.put(plural, value)

    def acknowledge(*key: str) -> None:
        found = cluster.objects[key[0], key[1], key[2]]
        found.setdefault("status", {})["lastHandledReconcileAt"] = found["metadata"]["annotations"][REQUESTED_AT]

    cluster.answer = acknowledge if answering else None
    return cluster


def asked(cluster: FakeCluster) -> list[str]:
    return [f"{plural}/{name}" for plural, name, _ in cluster.patches]


def annotations(patch: Mapping[str, Any]) -> dict[str, str]:
    return dict(patch["metadata"]["annotations"])


def test_a_sync_asks_the_source_and_then_what_applies_it() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    assert flux_for(cluster).sync(CART, "flux-system", True, INFO)
    assert asked(cluster) == ["gitrepositories/fleet", "kustomizations/cart"]
    tokens = [annotations(patch)[REQUESTED_AT] for _, _, patch in cluster.patches]
    assert all(token.startswith("rb-0123456789abcdef/2026-11-23T") for token in tokens)
    assert all(
        list(patch) == ["metadata"] and list(patch["metadata"]) == ["annotations"] for _, _, patch in cluster.patches
    )


def test_our_request_is_recognised_and_keeps_it_busy_until_it_is_answered() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    engine = flux_for(cluster)
    engine.sync(CART, "flux-system", True, INFO)
    state = engine.application(CART, "flux-system")
    assert state is not None
    assert contains_our_operation(state, INFO["rollback-id"])
    assert not state.busy
    cluster.objects["kustomizations", "flux-system", "cart"]["status"]["lastHandledReconcileAt"] = "before"
    state = engine.application(CART, "flux-system")
    assert state is not None
    assert state.busy


def test_the_applier_is_not_asked_before_the_source_has_answered() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)), answering=False)
    engine = flux_for(cluster, handled_within=timedelta(milliseconds=30))
    with pytest.raises(EngineUnavailable, match="no answer within"):
        engine.sync(CART, "flux-system", True, INFO)
    assert asked(cluster) == ["gitrepositories/fleet"]


def test_an_answer_to_a_token_that_somebody_else_wrote_over_ours_is_one() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)), answering=False)

    def overwrite(*key: str) -> None:
        cluster.objects[key[0], key[1], key[2]].setdefault("status", {})["lastHandledReconcileAt"] = "a receiver's"

    cluster.answer = overwrite
    assert flux_for(cluster).sync(CART, "flux-system", True, INFO)


def test_asking_again_soon_writes_nothing_and_later_it_does() -> None:
    cluster, clock = cluster_with(("kustomizations", applied("a", HISTORY))), Clock()
    engine = flux_for(cluster, clock)
    for _ in range(20):
        engine.sync(CART, "flux-system", True, INFO)
        clock.now += timedelta(seconds=2)
    assert len(cluster.patches) == 2
    clock.now += timedelta(seconds=60)
    engine.sync(CART, "flux-system", True, INFO)
    assert len(cluster.patches) == 4


def test_what_was_not_answered_yet_is_not_asked_again_by_a_new_process_either() -> None:
    cluster, clock = cluster_with(("kustomizations", waiting("b", "a", HISTORY, "09:05:00")), answering=False), Clock()
    flux_for(cluster, clock).terminate(CART, "flux-system")
    clock.now += timedelta(minutes=30)
    flux_for(cluster, clock).terminate(CART, "flux-system")
    assert len(cluster.patches) == 2


def test_what_it_depends_on_is_asked_first_and_what_is_suspended_is_left_alone() -> None:
    needs = {"cart": ["infra", "held"], "infra": ["crds", "cart"], "crds": [], "held": []}
    objects = [
        ("kustomizations", applied("a", HISTORY, name=name, dependsOn=[{"name": one} for one in others],
                                   **({"suspend": True} if name == "held" else {})))
        for name, others in needs.items()
    ]  # fmt: skip
    cluster = cluster_with(*objects)
    flux_for(cluster).sync(CART, "flux-system", True, INFO)
    assert asked(cluster) == [
        "gitrepositories/fleet",
        "kustomizations/crds",
        "kustomizations/infra",
        "kustomizations/cart",
    ]


def test_another_rollback_asks_for_itself() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    engine = flux_for(cluster)
    engine.sync(CART, "flux-system", True, INFO)
    engine.sync(CART, "flux-system", True, {"rollback-id": "rb-ffff"})
    assert len(cluster.patches) == 4


def locked_down() -> dict[str, Any]:
    """Applied once; now its controller allows no source of another namespace."""
    found = failed("AccessDenied", "a", "a", HISTORY, "09:00:00")
    denied = "can't access 'GitRepository/flux-system/fleet', cross-namespace references have been blocked"
    found["status"]["conditions"] = [
        condition("Stalled", "True", "AccessDenied", denied),
        condition("Ready", "False", "AccessDenied", denied),
    ]
    return found


@pytest.mark.parametrize(
    ("objects", "reason", "words"),
    [
        (
            [("kustomizations", applied("a", HISTORY, suspend=True))],
            Reason.SUSPENDED_APPLICATION,
            "Kustomization flux-system/cart is suspended",
        ),
        (
            [("kustomizations", applied("a", HISTORY)), ("gitrepositories", git_repository(suspend=True))],
            Reason.SUSPENDED_SOURCE,
            "GitRepository flux-system/fleet is suspended",
        ),
        (
            [("kustomizations", applied("a", HISTORY)), ("gitrepositories", git_repository(ref={"tag": "v1"}))],
            Reason.PINNED_SOURCE,
            "follows refs/tags/v1 and no branch",
        ),
        (
            [
                ("kustomizations", applied("a", HISTORY, dependsOn=[{"name": "infra"}])),
                ("kustomizations", {**failed("BuildFailed", "b", "a", HISTORY, "09:00:00"), "metadata": {
                    "name": "infra", "namespace": "flux-system", "generation": 1}}),
            ],
            Reason.DEPENDENCY_BLOCKS,
            "Kustomization flux-system/infra is not ready",
        ),
        (
            [("kustomizations", locked_down())],
            Reason.SOURCE_MISSING,
            "may not read its source: can't access 'GitRepository/flux-system/fleet'",
        ),
        (
            [("kustomizations", applied("a", HISTORY)), ("gitrepositories", git_repository(verify={"mode": "HEAD"}))],
            Reason.SIGNED_COMMITS_ONLY,
            "only commits signed",
        ),
        (
            [("kustomizations", applied("a", HISTORY)), ("gitrepositories", not_fetching("no route to host"))],
            Reason.SOURCE_NOT_READY,
            "GitRepository flux-system/fleet cannot fetch: GitOperationFailed: no route to host",
        ),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_said_before_and_never_lifted(
    objects: list[tuple[str, dict[str, Any]]], reason: Reason, words: str
) -> None:
    cluster = cluster_with(*objects)
    engine = flux_for(cluster)
    (found,) = engine.obstacles(CART, "flux-system")
    assert (found.reason, words in found.message) == (reason, True)
    if reason in (Reason.DEPENDENCY_BLOCKS, Reason.SIGNED_COMMITS_ONLY, Reason.SOURCE_NOT_READY):
        assert engine.sync(CART, "flux-system", True, INFO)  # it may pass, and to be asked may help
        return
    with pytest.raises(StalledError, match=words) as refused:
        engine.sync(CART, "flux-system", True, INFO)
    assert refused.value.reason is reason
    engine.terminate(CART, "flux-system")
    assert cluster.patches == []


def test_where_nothing_is_in_the_way_nothing_is_told() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    assert flux_for(cluster).obstacles(CART, "flux-system") == ()


def test_what_is_brought_by_a_suspended_kustomization_is_held_too() -> None:
    cluster = helm_cluster()
    cluster.put("kustomizations", applied("a", HISTORY, name="apps", suspend=True))
    (found,) = flux_for(cluster).obstacles(BILL, "flux-system")
    assert (found.reason, found.remedy) == (Reason.SUSPENDED_SOURCE, "`flux resume kustomization apps -n flux-system`")


def test_a_suspended_chart_is_in_the_way_of_another_version() -> None:
    cluster = helm_cluster()
    cluster.put("helmcharts", helm_chart("1.0.0", suspend=True))
    engine = flux_for(cluster)
    (found,) = engine.obstacles(BILL, "flux-system")
    assert (found.reason, found.remedy) == (
        Reason.SUSPENDED_SOURCE,
        "`flux resume source chart flux-system-bill -n flux-system`",
    )
    state = engine.application(BILL, "flux-system")
    assert state is not None
    assert not state.auto_sync


def test_a_release_that_depends_on_one_that_waits_for_a_failed_one_is_told_of_that() -> None:
    cluster = helm_cluster()
    cluster.put("helmreleases", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")], dependsOn=[{"name": "db"}]))
    waits = condition("Ready", "False", "DependencyNotReady", "unable to get 'flux-system/disk' dependency")
    for name, ready, needs in (
        ("db", waits, [{"name": "disk"}]),
        ("disk", condition("Ready", "False", "UpgradeFailed", "no space"), []),
    ):
        release = helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")], dependsOn=needs)
        release["metadata"] = {**release["metadata"], "name": name, "uid": name}
        release["status"]["conditions"] = [ready]
        cluster.put("helmreleases", release)
    flux = flux_for(cluster)
    needed = {str(one.id): one.needs for one in flux.applications()}[str(BILL)]
    assert [(one.kind, one.namespace, one.name) for one in needed] == [("HelmRelease", "flux-system", "db")]
    (found,) = flux.obstacles(BILL, "flux-system")
    assert (found.reason, "HelmRelease flux-system/disk is not ready" in found.message) == (
        Reason.DEPENDENCY_BLOCKS,
        True,
    )


def test_a_wait_cannot_be_ended_but_is_told_once_that_there_is_something_newer() -> None:
    cluster = cluster_with(("kustomizations", waiting("b", "a", HISTORY, "09:05:00")), answering=False)
    engine = flux_for(cluster)
    for _ in range(5):
        engine.terminate(CART, "flux-system")
    assert asked(cluster) == ["gitrepositories/fleet", "kustomizations/cart"]


def test_a_refresh_asks_the_source_alone() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    flux_for(cluster).refresh(CART, "flux-system")
    assert asked(cluster) == ["gitrepositories/fleet"]


def helm_cluster(stalled: bool = False) -> FakeCluster:
    release = helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")])
    if stalled:
        release["status"]["conditions"].append({"type": "Stalled", "status": "True", "reason": "RetriesExceeded"})
    return cluster_with(
        ("helmrepositories", helm_repository()),
        ("helmcharts", helm_chart("1.0.0")),
        ("kustomizations", applied("a", HISTORY, name="apps")),
        ("helmreleases", release),
    )


def test_a_release_is_asked_after_its_repository_and_its_kustomization_and_no_registry_is() -> None:
    cluster = helm_cluster()
    flux_for(cluster).sync(BILL, "flux-system", True, INFO)
    assert asked(cluster) == ["gitrepositories/fleet", "kustomizations/apps", "helmreleases/bill"]


def test_each_object_around_an_application_is_read_once() -> None:
    cluster = helm_cluster()
    engine = flux_for(cluster)
    engine.applications()
    cluster.reads.clear()
    engine.application(BILL, "flux-system")
    assert sorted(cluster.reads) == [
        "gitrepositories/fleet",
        "helmcharts/flux-system-bill",
        "helmreleases/bill",
        "helmrepositories/charts",
        "kustomizations/apps",
    ]


def test_a_release_is_read_after_what_brings_it_so_that_it_never_looks_older_than_that() -> None:
    cluster = helm_cluster()
    engine = flux_for(cluster)
    engine.applications()
    cluster.reads.clear()
    engine.application(BILL, "flux-system")
    assert cluster.reads.index("kustomizations/apps") < cluster.reads.index("helmreleases/bill")
    assert cluster.reads.index("helmcharts/flux-system-bill") < cluster.reads.index("helmreleases/bill")


def test_a_kind_that_is_not_served_for_a_moment_is_no_application_that_is_gone() -> None:
    cluster = helm_cluster()
    engine = flux_for(cluster)
    engine.applications()
    cluster.unserved = {"helmreleases"}
    with pytest.raises(StalledError):
        engine.application(BILL, "flux-system")


@pytest.mark.parametrize("stalled", [True, False])
def test_only_a_stalled_release_begins_its_tries_anew(stalled: bool) -> None:
    cluster = helm_cluster(stalled)
    flux_for(cluster).sync(BILL, "flux-system", True, INFO)
    last = annotations(cluster.patches[-1][2])
    assert ("reconcile.fluxcd.io/resetAt" in last) is stalled
    assert not stalled or last["reconcile.fluxcd.io/resetAt"] == last[REQUESTED_AT]


# Reading


def test_a_single_application_is_read_anew_with_its_source() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    engine = flux_for(cluster)
    engine.applications()
    cluster.put("gitrepositories", git_repository("b"))
    cluster.put("kustomizations", applied("a", HISTORY, suspend=True))
    state = engine.application(CART, "flux-system")
    assert state is not None
    assert state.sync.value == "OutOfSync"
    assert "SuspendedApplication" in in_the_way(state)


def test_what_is_gone_is_none() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    engine = flux_for(cluster)
    engine.applications()
    cluster.objects.pop(("kustomizations", "flux-system", "cart"))
    assert engine.application(CART, "flux-system") is None
    with pytest.raises(EngineUnavailable, match="gone"):
        engine.sync(CART, "flux-system", True, INFO)


def test_kinds_that_are_not_installed_are_no_trouble_and_no_flux_at_all_is() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    cluster.unserved = {"helmreleases", "helmcharts", "imageupdateautomations", "imagepolicies", "externalartifacts"}
    engine = flux_for(cluster)
    assert [one.id for one in engine.applications()] == [CART]
    assert engine.probe() == ()
    cluster.unserved.add("kustomizations")
    assert "Flux is not installed" in engine.probe()[0]
    with pytest.raises(StalledError):
        engine.applications()


def test_lost_rights_are_an_error_and_not_an_empty_list() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    engine = flux_for(cluster)
    cluster.refuses["imageupdateautomations"] = CredentialsRejected("a fake", "403")
    assert len(engine.applications()) == 1
    assert "list imageupdateautomations" in engine.probe()[0]
    for plural in ("kustomizations", "gitrepositories", "helmreleases"):
        cluster.refuses = {plural: CredentialsRejected("a fake", "403")}
        with pytest.raises(CredentialsRejected):
            engine.applications()
        assert engine.probe()


def test_a_change_of_a_source_wakes_what_it_feeds_and_a_change_of_an_applier_itself() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    other = {"kind": "GitRepository", "name": "another"}
    cluster.put("kustomizations", applied("a", HISTORY, name="far", sourceRef=other))
    engine = flux_for(cluster)
    engine.applications()
    changes = FakeChanges(
        {"gitrepositories": [git_repository("b")], "kustomizations": [applied("b", HISTORY, name="x")]}
    )
    engine = Flux(engine._settings, cluster, changes, Clock())
    engine.applications()
    woken: set[str] = set()
    both, stop = threading.Event(), threading.Event()

    def wake(application: ApplicationId) -> None:
        woken.add(application.name)
        if {"cart", "x"} <= woken:
            both.set()

    thread = threading.Thread(target=engine.watch, args=(wake, stop))
    thread.start()
    assert both.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert woken == {"cart", "x"}


def test_what_is_wanted_of_a_workload_are_the_fields_that_flux_owns() -> None:
    containers = [{"name": "app", "image": "cart:v2", "resources": {}}, {"name": "injected", "image": "mesh:1"}]
    fields = {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:name": {}, "f:image": {}}}}}
        },
    }
    live = made(
        "Deployment",
        "cart",
        {"replicas": 7, "template": {"spec": {"containers": containers}}},
        {"readyReplicas": 7},
        labels={"app": "cart", "seen": "yes"},
        managedFields=[
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields},
            {"manager": "kustomize-controller", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "hpa", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ],
    )
    cluster = cluster_with(("deployments", live), ("kustomizations", applied("a", HISTORY)))
    found = flux_for(cluster).live_objects(CART, "flux-system")
    assert [one.desired for one in found] == [
        {
            "kind": "Deployment",
            "metadata": {"labels": {"app": "cart"}, "name": "cart", "namespace": "flux-system"},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "cart:v2"}]}}},
        }
    ]
    assert cluster.selectors[0] == (
        "kustomize.toolkit.fluxcd.io/name=cart,kustomize.toolkit.fluxcd.io/namespace=flux-system"
    )


def test_a_scaler_that_may_not_be_seen_is_not_taken_for_none() -> None:
    cluster = cluster_with(("kustomizations", applied("a", HISTORY)))
    cluster.unserved = {"scaledobjects", "rollouts"}
    assert flux_for(cluster).live_objects(CART, "flux-system") == ()
    cluster.refuses = {"horizontalpodautoscalers": CredentialsRejected("a fake", "403")}
    with pytest.raises(CredentialsRejected):
        flux_for(cluster).live_objects(CART, "flux-system")


@pytest.mark.parametrize("reference", ["secretRef", "configMapRef"])
@pytest.mark.parametrize("kind", ["Kustomization", "HelmRelease"])
def test_workloads_of_another_cluster_are_no_empty_list(kind: str, reference: str) -> None:
    elsewhere = {"kubeConfig": {reference: {"name": "eu-2"}}}
    cluster = cluster_with(
        ("kustomizations", applied("a", HISTORY, **elsewhere)),
        ("helmreleases", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:00")], owner="", **elsewhere)),
    )
    engine, application = flux_for(cluster), CART if kind == "Kustomization" else BILL
    state = engine.application(application, "flux-system")
    assert state is not None
    assert state.destination == "kubeconfig eu-2"
    with pytest.raises(StalledError, match="eu-2"):
        engine.live_objects(application, "flux-system")


def test_what_runs_of_an_application_that_is_gone_is_no_empty_list() -> None:
    with pytest.raises(EngineUnavailable, match="it is gone"):
        flux_for(cluster_with()).live_objects(CART, "flux-system")
