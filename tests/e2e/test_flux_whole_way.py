"""`run` with Flux alone: the whole way as real processes, over a Kubernetes API, git over HTTP and a Prometheus."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from flux_world import KUSTOMIZATION, SERVICE, FluxWorld, flux_policy, flux_world

from gitops_rollback.sandbox.argocd import ArgoCdSandbox
from gitops_rollback.sandbox.kubernetes.kinds import EVENT


def requests(world: FluxWorld) -> list[str]:
    """What the controller wrote into the cluster besides its own Leases and Events, by plural and name.

    What it only asked whether it may is no write.
    """
    paths = [write.path for write in world.kubernetes.writes if "dryRun=All" not in write.path]
    paths = [path for path in paths if "/leases" not in path and "/events" not in path]
    return ["/".join(path.partition("?")[0].split("/")[-2:]) for path in paths]


def said(world: FluxWorld) -> list[str]:
    """What was done, as the Events on the Kustomization tell it, in no order."""
    events = world.kubernetes.store.objects(EVENT, "flux-system")
    return sorted(one["action"] for one in events if one["involvedObject"]["name"] == SERVICE)


def test_a_bad_release_is_found_reverted_reconciled_and_verified(tmp_path: Path) -> None:
    with flux_world(tmp_path) as world:
        world.run()
        bad = world.release()
        world.until(lambda: world.applied() == bad, "the release is applied")
        world.until(lambda: world.telling.is_done("verified"), "verified")
        (revert,) = world.telling.reverts()
        message = world.people.git("log", "-1", "--format=%B", revert)
        assert f"This reverts commit {bad}." in message
        assert f"Rollback-Application: flux/Kustomization/flux-system/{SERVICE}" in message
        assert world.applied() == revert
        (record,) = world.telling.records()
        assert (record["engine"], record["badRevision"], record["outcome"]) == ("flux", bad, "verified")
        world.until(lambda: "Verified" in said(world), "its object tells")
        assert said(world) == ["Started", "Verified"]
        assert set(requests(world)) == {"gitrepositories/config", f"kustomizations/{SERVICE}"}
        assert "suspend" not in world.kubernetes.store.get(KUSTOMIZATION, SERVICE, "flux-system")["spec"]


def test_a_controller_that_dies_after_the_push_is_replaced_and_nothing_happens_twice(tmp_path: Path) -> None:
    with flux_world(tmp_path) as world:
        world.run()
        bad = world.release()
        world.until(lambda: bool(world.telling.reverts()), "reverted")
        world.kill()
        world.run()
        world.until(lambda: world.telling.is_done("verified"), "verified")
        assert len(world.telling.reverts()) == 1
        (record,) = world.telling.records()
        assert (record["badRevision"], record["outcome"]) == (bad, "verified")


def test_what_a_person_suspended_is_left_to_a_person(tmp_path: Path) -> None:
    with flux_world(tmp_path) as world:
        world.run()
        bad = world.release()
        world.until(lambda: world.applied() == bad, "the release is applied")
        world.suspend()
        world.until(lambda: world.telling.has_decided("SuspendedApplication"), "a person is asked")
        (record,) = world.telling.records()
        assert record["phase"] == "AwaitingApproval"
        (guard,) = [one for one in record["guards"] if one["guard"] == "branch-is-lever"]
        assert "flux resume kustomization checkout-api -n flux-system" in guard["remedy"]
        assert (world.telling.reverts(), requests(world)) == ([], [])
        assert world.kubernetes.store.get(KUSTOMIZATION, SERVICE, "flux-system")["spec"]["suspend"] is True


def test_a_health_wait_that_ignores_the_revert_is_paged_and_waited_for(tmp_path: Path) -> None:
    with flux_world(tmp_path, waits=True) as world:
        world.run()
        world.release("1.42.0-crash")
        world.until(lambda: any(one["reason"] == "HealthWait" for one in world.telling.records()), "it is held up")
        (record,) = world.telling.records()
        assert record["phase"] == "Syncing"
        assert "CancelHealthCheckOnNewRevision" in record["message"]
        (revert,) = world.telling.reverts()
        assert world.applied() != revert
        began = next(one for one in world.status()["conditions"] if one["type"] == "Reconciling")["lastTransitionTime"]
        assert record["times"]["heldUntil"] > began
        world.until(lambda: world.telling.is_done("verified"), "verified after the wait")
        assert world.applied() == revert
        assert requests(world).count(f"kustomizations/{SERVICE}") <= 3


def test_a_no_holds_though_a_foreign_commit_and_a_restart_came_after_it(tmp_path: Path) -> None:
    """Flux names what runs by the newest commit of the repository; the journal knows which one it was."""
    asking = flux_policy().replace("severity: auto_rollback", "severity: page_and_suggest")
    with flux_world(tmp_path, policy=asking) as world:
        world.run()
        bad = world.release()
        world.until(lambda: bool(world.telling.records()), "a person is asked")
        (record,) = world.telling.records()
        assert record["badRevision"] == bad
        rejected = world.verb("reject", record["id"], "--reason", "we fix it forward")
        assert rejected.returncode == 0, rejected.stderr
        foreign = world.people.push("Read me", {"README.md": "More.\n"}, world.clock.now())
        world.receive()
        world.until(lambda: world.applied() == foreign, "the foreign commit is applied")
        world.kill()
        world.run()
        world.let_pass(timedelta(minutes=4))
        assert [one["id"] for one in world.telling.records()] == [record["id"]]


def test_the_verbs_work_with_flux_as_they_do_with_argo_cd(tmp_path: Path) -> None:
    asking = flux_policy().replace("severity: auto_rollback", "severity: page_and_suggest")
    with flux_world(tmp_path, policy=asking) as world:
        bad = world.release()
        world.until(lambda: world.applied() == bad, "the release is applied")
        plan = world.verb("plan", SERVICE, "-o", "json")
        assert plan.returncode == 0, plan.stdout + plan.stderr
        assert bad in plan.stdout
        done = world.verb("rollback", SERVICE, "--reason", "it fails", "--yes", "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        (record,) = world.telling.records()
        assert (record["outcome"], world.applied()) == ("verified", world.telling.reverts()[0])
        for verb in (("get",), ("status", record["id"]), ("explain", record["id"])):
            shown = world.verb(*verb)
            assert shown.returncode == 0, shown.stderr
            assert f"Kustomization/flux-system/{SERVICE}" in shown.stdout


def test_flux_and_argo_cd_are_watched_side_by_side(tmp_path: Path) -> None:
    with flux_world(tmp_path) as world:
        argocd = ArgoCdSandbox(world.bare, f"{world.git.url}/shop/config.git", (), world.clock)
        argocd.start()
        try:
            world.run(ARGOCD_SERVER=argocd.url, ARGOCD_AUTH_TOKEN=argocd.token)
            world.release()
            world.until(lambda: world.telling.is_done("verified"), "verified")
        finally:
            argocd.stop()
        assert [line for line in world.said() if line["level"] == "error"] == []
