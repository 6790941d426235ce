"""The sandbox's Flux against the recorded one: the same writes, in the same order, with the same fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sandbox_flux_world import FLUX, REQUESTED_AT, FluxFleet, deployment

from gitops_rollback.sandbox.flux import Timing
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION, Kind

pytestmark = pytest.mark.shared

Json = dict[str, Any]
SHA = re.compile(r"[0-9a-f]{40}")
DURATION = re.compile(r"(in|after) [0-9.]+(?:m[0-9.]+)?m?s")
RECORDED_TIMING = Timing(requeue=5.0)


def facets(body: Json, names: Mapping[str, str]) -> Json:
    """What of an object is compared: times, sizes and digests are left out, commits are named by their order."""

    def plain(value: Any) -> str:
        said = DURATION.sub(r"\1 SOME TIME", value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        return SHA.sub(lambda found: names.get(found[0], "before"), said)

    status = dict(body.get("status") or {})
    conditions = status.pop("conditions", [])
    found = {
        f"condition {one['type']}": plain([one["status"], one["reason"], one["message"], one["observedGeneration"]])
        for one in conditions
    }
    found["order"] = [one["type"] for one in conditions]
    found["shape"] = sorted({name for one in conditions for name in one})
    history = status.pop("history", [])
    if history:
        newest = history[0]
        found["history"] = plain([sorted(newest), newest["lastReconciledStatus"], newest["metadata"]])
    if artifact := status.pop("artifact", None):
        found["artifact"] = plain([sorted(artifact), artifact["revision"]])
    found["asked"] = (body["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")
    found["finalizers"] = body["metadata"].get("finalizers", [])
    return {**found, **{name: plain(value) for name, value in status.items()}}


def writes(bodies: Iterable[Json], names: Mapping[str, str], base: Json | None) -> list[Json]:
    """What each state changes of the one before: the value, or None for what is gone."""
    before, told = facets(base, names) if base else {}, []
    for body in bodies:
        after = facets(body, names)
        keys = sorted(before.keys() | after.keys())
        changed = {key: after.get(key) for key in keys if before.get(key) != after.get(key)}
        told += [changed] if changed else []
        before = after
    return told


class Recording:
    """One recorded story. `pushed` are its commits in their order."""

    def __init__(self, shared: Path, story: str) -> None:
        folder = shared / "recordings" / "flux" / story
        lines = [json.loads(line) for line in (folder / "watch.jsonl").read_text().splitlines()]
        self._lists = [item for line in lines if "list" in line for item in line["list"].get("items") or ()]
        self._events = [line["event"]["object"] for line in lines if "event" in line]
        told = [json.loads(line) for line in (folder / "story.jsonl").read_text().splitlines()]
        self.pushed = [one["sha"] for one in told if "sha" in one]

    def writes(self, kind: Kind, name: str) -> list[Json]:
        def own(body: Json) -> bool:
            return (body.get("kind"), body["metadata"].get("name")) == (kind.kind, name)

        base = next((body for body in self._lists if own(body)), None)
        return writes(filter(own, self._events), _named(self.pushed), base)


def _named(pushed: Iterable[str]) -> dict[str, str]:
    return {sha: f"commit {number}" for number, sha in enumerate(pushed)}


def ours(fleet: FluxFleet, kind: Kind, name: str, since: int, pushed: Iterable[str]) -> list[Json]:
    changes = [change for change in fleet.store.changes(since, kind, FLUX) if change.ref.name == name]
    base = changes[0].before if changes else None
    return writes([change.after for change in changes], _named(pushed), base)


def assert_same(found: list[Json], recorded: list[Json]) -> None:
    for number, (one, other) in enumerate(zip(found, recorded, strict=False)):
        assert one == other, f"write {number}"
    assert len(found) == len(recorded) > 3


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


def land(fleet: FluxFleet, number: int, files: Mapping[str, str | None]) -> str:
    sha = fleet.push(files)
    fleet.request(GIT_REPOSITORY, "fleet", f"rec-{number}")
    return sha


def at_source(fleet: FluxFleet, sha: str) -> bool:
    artifact = fleet.status("fleet", GIT_REPOSITORY)["artifact"]
    return str(artifact["revision"]) == f"main@sha1:{sha}"


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
