"""The sandbox's Flux against the recorded one: the same writes, in the same order, with the same fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_flux_recordings import RECORDED_TIMING, Recording, assert_same, at_source, land, ours
from sandbox_flux_world import FluxFleet, deployment

from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION

pytestmark = pytest.mark.shared


@pytest.fixture
def fleet(tmp_path: Path) -> FluxFleet:
    fleet = FluxFleet(tmp_path, ("shop", "cart", "slow", "dep"), RECORDED_TIMING)
    fleet.source()
    fleet.until(
        lambda: (
            fleet.ready("fleet", GIT_REPOSITORY)[0] == "True" and "artifact" in fleet.status("fleet", GIT_REPOSITORY)
        )
    )
    return fleet


def test_a_failed_health_check_and_the_revert_of_it(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "bad-image-reverted")
    start, path = fleet.store.version, "apps/shop/deployment.yaml"
    fleet.kustomization("shop", retryInterval="20s", timeout="15s", wait=True)
    fleet.until(lambda: fleet.applied("shop", fleet.people.head()))
    before = fleet.store.version
    bad = land(fleet, 1, {path: deployment("shop", "missing")})
    fleet.until(lambda: fleet.ready("shop") == ("False", "HealthCheckFailed"))
    revert = land(fleet, 2, {path: deployment("shop")})
    fleet.until(lambda: fleet.applied("shop", revert))
    pushed = (bad, revert)
    assert_same(ours(fleet, KUSTOMIZATION, "shop", start, pushed), recording.writes(KUSTOMIZATION, "shop"))
    assert_same(ours(fleet, GIT_REPOSITORY, "fleet", before, pushed), recording.writes(GIT_REPOSITORY, "fleet"))


def test_a_health_wait_ignores_the_revert(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "health-wait-ignores-revert")
    start, path = fleet.store.version, "apps/slow/deployment.yaml"
    fleet.kustomization("slow", retryInterval="20s", timeout="40s", wait=True)
    fleet.until(lambda: fleet.applied("slow", fleet.people.head()))
    bad = land(fleet, 3, {path: deployment("slow", "slow")})
    fleet.until(
        lambda: any(
            one["type"] == "Healthy" and one["status"] == "Unknown" for one in fleet.status("slow")["conditions"]
        )
    )
    revert = land(fleet, 4, {path: deployment("slow")})
    fleet.until(lambda: at_source(fleet, revert))
    fleet.request(KUSTOMIZATION, "slow", "rec-5")
    fleet.let_pass(8)
    assert "lastHandledReconcileAt" not in fleet.status("slow")
    fleet.until(lambda: fleet.applied("slow", revert))
    assert_same(ours(fleet, KUSTOMIZATION, "slow", start, (bad, revert)), recording.writes(KUSTOMIZATION, "slow"))


def test_a_suspended_kustomization_acknowledges_and_does_nothing(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "suspended-acknowledges")
    fleet.kustomization("cart")
    fleet.until(lambda: fleet.applied("cart", fleet.people.head()))
    fleet.change("cart", suspend=True)
    start = fleet.store.version
    fleet.let_pass(2)
    pushed = land(fleet, 7, {"apps/cart/deployment.yaml": deployment("cart", "v2")})
    fleet.request(KUSTOMIZATION, "cart", "rec-8")
    fleet.let_pass(3)
    assert not fleet.applied("cart", pushed)
    fleet.change("cart", suspend=False)
    fleet.until(lambda: fleet.applied("cart", pushed))
    assert_same(ours(fleet, KUSTOMIZATION, "cart", start, (pushed,)), recording.writes(KUSTOMIZATION, "cart"))


def test_a_foreign_commit_moves_the_applied_revision_and_not_the_digest(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "monorepo-foreign-commit")
    start = fleet.store.version
    fleet.kustomization("cart")
    fleet.until(lambda: fleet.applied("cart", fleet.people.head()))
    digest = fleet.status("cart")["history"][0]["digest"]
    foreign = land(fleet, 6, {"apps/dep/deployment.yaml": deployment("dep", "v2")})
    fleet.until(lambda: fleet.applied("cart", foreign))
    newest = fleet.status("cart")["history"][0]
    assert (newest["digest"], newest["totalReconciliations"]) == (digest, 2)
    assert_same(ours(fleet, KUSTOMIZATION, "cart", start, (foreign,)), recording.writes(KUSTOMIZATION, "cart"))


def test_a_dependency_is_waited_for(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "depends-on")
    path = "apps/shop/deployment.yaml"
    fleet.kustomization("shop", retryInterval="20s", timeout="15s", wait=True)
    fleet.until(lambda: fleet.applied("shop", fleet.people.head()))
    start = fleet.store.version
    fleet.kustomization("dep", dependsOn=[{"name": "shop"}])
    fleet.until(lambda: fleet.applied("dep", fleet.people.head()))
    bad = land(fleet, 9, {path: deployment("shop", "missing")})
    fleet.until(lambda: fleet.ready("dep") == ("False", "DependencyNotReady"))
    revert = land(fleet, 10, {path: deployment("shop")})
    fleet.until(lambda: fleet.applied("dep", revert))
    assert_same(ours(fleet, KUSTOMIZATION, "dep", start, (bad, revert)), recording.writes(KUSTOMIZATION, "dep"))


def test_a_failed_build_and_the_revert_of_it(fleet: FluxFleet, shared: Path) -> None:
    recording = Recording(shared, "build-failed")
    fleet.kustomization("cart")
    fleet.until(lambda: fleet.applied("cart", fleet.people.head()))
    start = fleet.store.version
    bad = land(fleet, 11, {"apps/cart/broken.yaml": "apiVersion: v1\nkind: {\n"})
    fleet.until(lambda: fleet.ready("cart") == ("False", "BuildFailed"))
    assert fleet.status("cart")["lastAttemptedRevision"].endswith(bad)
    revert = land(fleet, 12, {"apps/cart/broken.yaml": None})
    fleet.until(lambda: fleet.applied("cart", revert))
    found = ours(fleet, KUSTOMIZATION, "cart", start, (bad, revert))
    recorded = recording.writes(KUSTOMIZATION, "cart")
    assert [sorted(one) for one in found] == [sorted(one) for one in recorded]
    reasons = ['"False", "BuildFailed"' in str(one.get("condition Ready")) for one in recorded]
    assert ['"False", "BuildFailed"' in str(one.get("condition Ready")) for one in found] == reasons
