"""What the sandbox's Flux and its cluster do where no recording was made: Pods, pruning, sources that fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_flux_world import FLUX, FluxFleet, deployment

from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, GIT_REPOSITORY, KUSTOMIZATION, POD, REPLICA_SET

PATH = "apps/shop/deployment.yaml"


@pytest.fixture
def fleet(tmp_path: Path) -> FluxFleet:
    fleet = FluxFleet(tmp_path, ("shop", "cart"))
    fleet.source()
    fleet.kustomization("shop")
    fleet.until(lambda: fleet.applied("shop", fleet.people.head()))
    fleet.let_pass(30)
    return fleet


def land(fleet: FluxFleet, files: dict[str, str | None]) -> None:
    sha = fleet.push(files)
    fleet.request(GIT_REPOSITORY, "fleet", sha)
    fleet.until(lambda: fleet.applied("shop", sha))


def waiting(fleet: FluxFleet) -> dict[str, int]:
    """The restarts of the Pods that wait, by why they do."""
    found = {}
    for one in fleet.store.objects(POD):
        container = one["status"]["containerStatuses"][0]
        if "waiting" in container["state"]:
            found[container["state"]["waiting"]["reason"]] = container["restartCount"]
    return found


def available(fleet: FluxFleet) -> int:
    status = fleet.store.get(DEPLOYMENT, "shop", "fleet")["status"]
    return int(status.get("availableReplicas", 0))


def test_a_release_rolls_out_and_the_old_pods_go(fleet: FluxFleet) -> None:
    land(fleet, {PATH: deployment("shop", "v2")})
    fleet.let_pass(30)
    assert [one["spec"]["containers"][0]["image"] for one in fleet.store.objects(POD)] == ["registry.example/shop:v2"]
    status = fleet.store.get(DEPLOYMENT, "shop", "fleet")["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (1, 1, 1)
    assert [one["spec"]["replicas"] for one in fleet.store.objects(REPLICA_SET)].count(0) == 1


@pytest.mark.parametrize(("tag", "reason"), [("v2-crash", "CrashLoopBackOff"), ("v2-missing", "ImagePullBackOff")])
def test_pods_that_do_not_come_up_leave_the_old_ones_until_the_revert(fleet: FluxFleet, tag: str, reason: str) -> None:
    land(fleet, {PATH: deployment("shop", tag)})
    fleet.let_pass(120)
    restarts = waiting(fleet)[reason]
    assert (restarts > 1) == ("crash" in tag)
    assert available(fleet) == 1
    land(fleet, {PATH: deployment("shop")})
    fleet.let_pass(600)
    assert (waiting(fleet), available(fleet), len(fleet.store.objects(POD))) == ({}, 1, 1)
    revisions = [
        one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for one in fleet.store.objects(REPLICA_SET)
    ]
    assert sorted(revisions) == ["2", "3"]


def test_a_rollout_that_stands_still_passes_its_progress_deadline(fleet: FluxFleet) -> None:
    land(fleet, {PATH: deployment("shop", "v2-slow")})
    fleet.let_pass(900)
    conditions = fleet.store.get(DEPLOYMENT, "shop", "fleet")["status"]["conditions"]
    assert {one["type"]: one["reason"] for one in conditions}["Progressing"] == "ProgressDeadlineExceeded"


def test_what_a_commit_removes_is_pruned(fleet: FluxFleet) -> None:
    land(fleet, {"apps/shop/other.yaml": deployment("other")})
    fleet.let_pass(30)
    assert len(fleet.store.objects(POD)) == 2
    land(fleet, {"apps/shop/other.yaml": None})
    assert [one["metadata"]["name"] for one in fleet.store.objects(DEPLOYMENT)] == ["shop"]
    assert len(fleet.store.objects(POD)) == 1


def test_a_deleted_kustomization_takes_what_it_applied(fleet: FluxFleet) -> None:
    fleet.store.delete(KUSTOMIZATION, "shop", FLUX)
    fleet.until(lambda: fleet.store.find(KUSTOMIZATION, "shop", FLUX) is None)
    assert fleet.store.objects(DEPLOYMENT) == []


def test_a_source_that_cannot_be_fetched_keeps_its_artifact(fleet: FluxFleet) -> None:
    before = fleet.status("fleet", GIT_REPOSITORY)["artifact"]
    fleet.store.change(GIT_REPOSITORY, "fleet", FLUX, lambda body: body["spec"].update(ref={"branch": "gone"}))
    fleet.until(lambda: fleet.ready("fleet", GIT_REPOSITORY) == ("False", "GitOperationFailed"))
    assert fleet.status("fleet", GIT_REPOSITORY)["artifact"] == before


def test_a_path_that_is_not_there_attempts_nothing(fleet: FluxFleet) -> None:
    fleet.kustomization("lost", path="./apps/lost")
    fleet.until(lambda: fleet.ready("lost") == ("False", "ArtifactFailed"))
    assert "lastAttemptedRevision" not in fleet.status("lost")
