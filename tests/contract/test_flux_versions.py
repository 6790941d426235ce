"""A Flux that serves some kinds in older versions only is read and asked all the same."""

from __future__ import annotations

import threading
from typing import Any

from flux_cluster import FakeChanges, FakeCluster, flux_for, in_the_way
from flux_objects_made import (
    applied,
    entry,
    git_repository,
    helm_chart,
    helm_release,
    helm_repository,
    made,
    snapshot,
)

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.core.sync import ApplicationId

CART = ApplicationId("flux", "Kustomization", "flux-system", "cart")
BILL = ApplicationId("flux", "HelmRelease", "flux-system", "bill")
HISTORY = [entry("1", "a", "09:00:00", "09:00:00")]
FLUX_2_2 = {
    *("helmreleases.v2", "helmcharts.v1", "helmrepositories.v1", "buckets.v1", "ocirepositories.v1"),
    *("externalartifacts", "imageupdateautomations.v1", "imageupdateautomations.v1beta2", "imagepolicies.v1"),
}


def old_cluster(*objects: tuple[str, dict[str, Any]]) -> FakeCluster:
    cluster = FakeCluster(unserved=set(FLUX_2_2))
    releases = helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:00")], owner="cart")
    for plural, value in (
        ("gitrepositories", git_repository()),
        ("kustomizations", applied("a", HISTORY)),
        ("helmreleases", releases),
        ("helmcharts", helm_chart("1.0.0")),
        ("helmrepositories", helm_repository()),
        *objects,
    ):
        cluster.put(plural, value)
    return cluster


def test_releases_are_seen_in_the_version_that_is_served() -> None:
    cluster = old_cluster()
    engine = flux_for(cluster)
    assert {one.id for one in engine.applications()} == {CART, BILL}
    assert engine.probe() == ()
    cluster.unserved = set()  # upgraded meanwhile
    assert {one.id for one in engine.applications()} == {CART, BILL}


def test_an_automation_in_an_old_version_is_found_with_its_image() -> None:
    git = {"checkout": {"ref": {"branch": "main"}}, "push": {"branch": "main"}}
    spec = {"sourceRef": {"kind": "GitRepository", "name": "fleet"}, "git": git, "update": {"path": "./apps"}}
    status = {"observedPolicies": {"cart": {"name": "reg.example/cart", "tag": "v1"}}}
    cluster = old_cluster(
        ("imageupdateautomations", made("ImageUpdateAutomation", "images", {"interval": "1m", **spec}, status)),
        ("imagepolicies", made("ImagePolicy", "cart", {}, {"latestImage": "reg.example/cart:v2"})),
    )
    state = next(one for one in flux_for(cluster).applications() if one.id == CART)
    assert "cart=reg.example/cart:v2" in in_the_way(state)["ImageAutomation"]


def test_an_oci_source_in_its_old_version_is_told_from_one_that_is_not_there() -> None:
    source = {"kind": "OCIRepository", "name": "bundle"}
    cluster = old_cluster(
        ("kustomizations", applied("a", HISTORY, sourceRef=source)),
        ("ocirepositories", made("OCIRepository", "bundle", {"url": "oci://reg.example/bundle"}, {})),
    )
    state = flux_for(cluster).application(CART, "flux-system")
    assert state is not None
    assert set(in_the_way(state)) == {"NotGit"}


def test_each_kind_is_watched_in_the_version_that_is_served() -> None:
    changes, stop = FakeChanges(), threading.Event()
    stop.set()
    Flux(FluxSettings(), old_cluster(), changes).watch(lambda _: None, stop)
    assert changes.followed["helmreleases"] == "v2beta2"
    assert changes.followed["ocirepositories"] == "v1beta2"
    assert changes.followed["gitrepositories"] == "v1"
    assert changes.followed["externalartifacts"] == "v1"


def test_what_is_served_in_no_version_is_not_looked_for_in_all_at_each_look() -> None:
    cluster = old_cluster()
    cluster.unserved |= {"imageupdateautomations", "imagepolicies"}
    engine = flux_for(cluster)
    engine.applications()
    before = cluster.refused
    engine.applications()
    assert cluster.refused - before == 3  # once for each of the three kinds that are not there
