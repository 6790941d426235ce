"""What is concluded from each state that real Flux controllers went through in seven stories, in their order.

The default tests run on excerpts (some steps in between are left out); beside the recordings the whole of them is fed.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flux_cluster import BEGAN, SAMPLES, FakeCluster, Look, flux_for, recorded_events, replay

from gitops_rollback.adapters.engines.flux_kustomization import read_kustomization
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.deployments import deployments, distinct, remembered, watched
from gitops_rollback.core.sync import ApplicationId, DeploymentRecord, Health, SyncStatus

WINDOW = timedelta(minutes=30)
BAD_SLOW = "d2887f6cf19cab59b807deba4101b6872f63c6b0"

# (story, kind, application, deployments in turn)
STORIES = [
    ("health-wait-ignores-revert", "Kustomization", "slow", ["0e17549@27:02", "d2887f6@27:08", "bb8fce1@27:48"]),
    ("monorepo-foreign-commit", "Kustomization", "cart", ["bb8fce1@27:56"]),
    ("suspended-acknowledges", "Kustomization", "cart", ["2fec092@27:56", "b260369@28:06"]),
    ("depends-on", "Kustomization", "dep", ["b260369@28:10"]),
    (
        "depends-on",
        "Kustomization",
        "shop",
        ["4386911@26:21", "b260369@26:52", "a16855b@28:12", "6bb4a39@28:42"],
    ),
    ("build-failed", "Kustomization", "cart", ["2fec092@27:56", "6bb4a39@28:06"]),
    (
        "helm-release-remediated",
        "HelmRelease",
        "bill",
        ["bf76e27@28:54", "a0007f8@29:00", "8d53f0a@29:23"],
    ),
]
WHOLE = [*STORIES, ("bad-image-reverted", "Kustomization", "shop", ["3b34657@26:17", "4386911@26:22", "0e17549@26:53"])]
NAMES = [f"{story}-{app}" for story, _, app, _ in STORIES]


def sample(story: str) -> Path:
    return SAMPLES / f"{story}.jsonl"


def told(record: DeploymentRecord) -> str:
    return f"{record.revisions[0][:7]}@{record.started_at:%M:%S}"


def seen_in_turn(looks: list[Look]) -> list[str]:
    """Each deployment as revision@start, in the order in which it was first told."""
    return list(dict.fromkeys(told(record) for look in looks for record in deployments(look.state)))


def at(second: float) -> datetime:
    return BEGAN + timedelta(seconds=second)


@pytest.mark.parametrize(("story", "kind", "app", "expected"), STORIES, ids=NAMES)
def test_these_deployments_are_concluded_and_no_others(story: str, kind: str, app: str, expected: list[str]) -> None:
    assert seen_in_turn(replay(sample(story), kind, app)) == expected


@pytest.mark.parametrize(("story", "kind", "app", "expected"), WHOLE, ids=[*NAMES, "bad-image"])
def test_the_whole_recording_tells_the_same(shared: Path, story: str, kind: str, app: str, expected: list[str]) -> None:
    path = shared / "recordings" / "flux" / story / "watch.jsonl"
    assert seen_in_turn(replay(path, kind, app, between=[20, 30, 40, 70, 80, 90, 135, 145, 178])) == expected


@pytest.mark.parametrize(("story", "kind", "app", "expected"), STORIES, ids=NAMES)
def test_every_recorded_state_is_well_formed(story: str, kind: str, app: str, expected: list[str]) -> None:
    assert {look.state.malformed for look in replay(sample(story), kind, app)} == {""}


@pytest.mark.parametrize(("story", "kind", "app", "expected"), STORIES, ids=NAMES)
def test_what_is_remembered_of_all_looks_is_what_happened(story: str, kind: str, app: str, expected: list[str]) -> None:
    known: tuple[DeploymentRecord, ...] = ()
    for look in replay(sample(story), kind, app):
        known = remembered(known, look.state)
    revisions = [told(record).partition("@")[0] for record in distinct(known)]
    assert revisions == [one.partition("@")[0] for one in expected]


# The wait for health


def test_a_lasting_wait_for_health_is_a_deployment_before_any_outcome_is_told() -> None:
    looks = replay(sample("health-wait-ignores-revert"), "Kustomization", "slow", between=[65, 75, 95])
    waiting = [look for look in looks if look.t in (65, 75, 95)]
    assert [told(deployments(look.state)[-1]) for look in waiting] == [
        "0e17549@27:02",
        "d2887f6@27:08",
        "d2887f6@27:08",
    ]
    event = watched(waiting[-1].state, waiting[-1].now, WINDOW)
    assert event is not None
    assert event.record.deployed_at is None
    assert event.previous is not None
    assert told(event.previous) == "0e17549@27:02"


def test_a_wait_that_ignores_the_revert_says_until_when() -> None:
    looks = replay(sample("health-wait-ignores-revert"), "Kustomization", "slow", between=[75])
    waiting = [look.state for look in looks if 57.6 < look.t < 97.7]
    operations = [state.operation for state in waiting if state.operation is not None]
    assert len(operations) == len(waiting) > 3
    ends = {operation.ends_by for operation in operations}
    assert ends == {datetime.fromisoformat("2026-11-23T08:27:48Z")}
    assert all("until 08:27:48Z" in operation.message for operation in operations)


def test_while_it_waits_for_the_bad_revision_the_way_is_to_be_freed_and_nothing_has_converged() -> None:
    revert = "bb8fce1c0aae2d38b8ac3d0f4a81562ce9a15e44"
    looks = replay(sample("health-wait-ignores-revert"), "Kustomization", "slow", between=[75, 95])
    for look in [look for look in looks if 59.78 < look.t < 97.7]:
        assert not converged(look.state, lambda one: one == revert, at(59.78))[0]
        blockage = blocked_by(look.state, {BAD_SLOW})
        assert blockage is not None
        assert blockage.terminate
        assert "until 08:27:48Z" in blockage.message


# (story, kind, application, revert, second of the push, second of the first converged state)
REVERTS = [
    ("health-wait-ignores-revert", "Kustomization", "slow", "bb8fce1c0aae2d38b8ac3d0f4a81562ce9a15e44", 59.78, 102.959),
    ("depends-on", "Kustomization", "dep", "6bb4a39daba32152a08967e6d9db37bc6ddebd19", 121.456, 156.899),
    ("depends-on", "Kustomization", "shop", "6bb4a39daba32152a08967e6d9db37bc6ddebd19", 121.456, 156.728),
    ("build-failed", "Kustomization", "cart", "bf76e2756018df44b767628e6aa4b4826c849e30", 159.656, 160.41),
    ("helm-release-remediated", "HelmRelease", "bill", "8d53f0a3093bd3d92d6241fa025c711f26f8d0fc", 191.881, 192.768),
]


@pytest.mark.parametrize(
    ("story", "kind", "app", "revert", "pushed", "first"), REVERTS, ids=[f"{one[0]}-{one[2]}" for one in REVERTS]
)
def test_the_first_converged_state_is_the_one_that_tells_the_revert_in_all_its_parts(
    story: str, kind: str, app: str, revert: str, pushed: float, first: float
) -> None:
    looks = replay(sample(story), kind, app)
    done = [look.t for look in looks if converged(look.state, lambda one: one == revert, at(pushed))[0]]
    assert done
    assert done[0] == pytest.approx(first)
    assert [look.t for look in looks if failed_fast(look.state, lambda one: one == revert, at(pushed))] == []


# One commit of a monorepo, and a restart


def test_a_foreign_commit_moves_what_is_compared_and_deploys_nothing() -> None:
    looks = replay(sample("monorepo-foreign-commit"), "Kustomization", "cart")
    last = looks[-1].state
    assert last.sync_revisions == ("2fec0929a99ec73fec1e1ee9ece24d9765e35a86",)
    assert [told(record) for record in deployments(last)] == ["bb8fce1@27:56"]
    assert last.sync is SyncStatus.SYNCED
    assert converged(last, lambda one: one.startswith("2fec092"), at(107.3))[0]


def test_a_success_that_is_written_in_part_is_still_under_way() -> None:
    looks = replay(sample("monorepo-foreign-commit"), "Kustomization", "cart")
    halves = [look for look in looks if look.t in (106.639, 107.226)]
    assert [look.state.busy for look in halves] == [True, True]


@pytest.mark.parametrize(("story", "kind", "app", "expected"), STORIES, ids=NAMES)
def test_whoever_starts_at_any_moment_takes_nothing_old_for_new(
    story: str, kind: str, app: str, expected: list[str]
) -> None:
    """A first sight is a baseline: its newest deployment began when one that was really seen began, or before."""
    truth = replay(sample(story), kind, app)
    starts = {told(record).partition("@")[2] for look in truth for record in deployments(look.state)}
    cluster = FakeCluster()
    for t, _, plural, value in recorded_events(sample(story)):
        cluster.put(plural, value)
        states = flux_for(cluster, lambda t=t: at(t)).applications()
        found = [record for one in states if one.id.name == app for record in deployments(one)]
        newest = f"{found[-1].started_at:%M:%S}" if found else ""
        assert not newest or newest in starts or newest < max(starts)


# Suspended, blocked, failed


def test_a_suspended_one_answers_the_request_and_is_neither_synced_nor_new() -> None:
    looks = replay(sample("suspended-acknowledges"), "Kustomization", "cart")
    held = [look for look in looks if look.says("SuspendedApplication")]
    answered = [look for look in held if look.t > 112.86]
    assert answered
    assert not any(look.state.operation_requested for look in answered)
    assert {look.state.auto_sync for look in held} == {False}
    for look in answered:
        assert not converged(look.state, lambda one: one.startswith("b260369"), at(112.8))[0]
        assert [told(record) for record in deployments(look.state)] == ["2fec092@27:56"]


def test_a_dependency_that_fails_is_named_as_what_blocks() -> None:
    looks = replay(sample("depends-on"), "Kustomization", "dep")
    said = [look.says("DependencyBlocks") for look in looks if look.says("DependencyBlocks")]
    assert said
    assert "Kustomization flux-system/shop is not ready" in said[0]
    assert "timeout waiting for: [Deployment/fleet/shop" in said[0]
    assert not looks[-1].says("DependencyBlocks")


def test_a_dependency_that_is_only_behind_blocks_nothing_for_good() -> None:
    looks = replay(sample("depends-on"), "Kustomization", "dep")
    behind = [look for look in looks if "revision is not up to date" in look.says("DependencyNotReady")]
    assert behind
    assert not any(look.says("DependencyBlocks") for look in behind)
    assert {look.state.sync for look in behind} == {SyncStatus.OUT_OF_SYNC}


def test_what_cannot_be_built_is_no_deployment_and_fails_only_the_revision_that_it_is() -> None:
    looks = replay(sample("build-failed"), "Kustomization", "cart")
    failed = [look for look in looks if look.says("SyncError")]
    assert failed
    state = failed[0].state
    assert state.sync is SyncStatus.UNKNOWN
    assert state.health is Health.HEALTHY
    assert state.sync_revisions == ("b34c8449553da2a68a3dcc290bd128737c1dc9b3",)
    assert failed_fast(state, lambda one: one.startswith("b34c844"), at(158.9)) is not None
    assert failed_fast(state, lambda one: one.startswith("bf76e27"), at(158.9)) is None


def test_a_failed_health_check_names_the_object_that_is_not_healthy() -> None:
    looks = replay(sample("health-wait-ignores-revert"), "Kustomization", "slow")
    failed = next(look.state for look in looks if look.state.health is Health.DEGRADED)
    assert [(one.key, one.health) for one in failed.resources] == [("apps/Deployment/fleet/slow", "Progressing")]


def test_the_longest_wait_for_health_is_the_one_that_the_controller_says() -> None:
    """`timeout: 15s` is waited for half a minute."""
    told: dict[str, set[timedelta | None]] = {}
    for story in ("health-wait-ignores-revert", "depends-on"):
        for _, _, plural, value in recorded_events(sample(story)):
            said = re.search(r"Running health checks for .* with a timeout of (\w+)", str(value.get("status")))
            if plural == "kustomizations" and said is not None:
                told.setdefault(said.group(1), set()).add(read_kustomization(value).health_wait)
    assert told == {"30s": {timedelta(seconds=30)}, "40s": {timedelta(seconds=40)}}


# Helm


def test_what_flux_took_back_by_itself_is_told_apart_from_a_deployment_of_git() -> None:
    looks = replay(sample("helm-release-remediated"), "HelmRelease", "bill")
    records = looks[-1].state.history
    assert [(told(one), one.initiated_by, one.history_id) for one in records] == [
        ("bf76e27@28:54", "automated", 1),
        ("a0007f8@29:00", "automated", 2),
        ("bf76e27@29:16", "engine-remediation", 3),
        ("8d53f0a@29:23", "automated", 4),
    ]
    assert [one.deployed_at is None for one in records] == [False, True, False, False]
    assert [told(one) for one in deployments(looks[-1].state)] == ["bf76e27@28:54", "a0007f8@29:00", "8d53f0a@29:23"]


def test_a_flux_that_names_no_actions_is_told_apart_by_its_condition(tmp_path: Path) -> None:
    older = tmp_path / "watch.jsonl"
    older.write_text(re.sub(r'"action":"[a-z]+",', "", sample("helm-release-remediated").read_text()))
    records = replay(older, "HelmRelease", "bill")[-1].state.history
    expected = replay(sample("helm-release-remediated"), "HelmRelease", "bill")[-1].state.history
    assert [(told(one), one.initiated_by) for one in records] == [(told(one), one.initiated_by) for one in expected]


def test_what_flux_took_back_stays_under_watch_since_git_still_asks_for_it() -> None:
    looks = replay(sample("helm-release-remediated"), "HelmRelease", "bill")
    taken_back = next(look for look in looks if 190.705 < look.t < 192)
    event = watched(taken_back.state, taken_back.now, WINDOW)
    assert event is not None
    assert (told(event.record), event.record.deployed_at) == ("a0007f8@29:00", None)
    assert event.previous is not None
    assert told(event.previous) == "bf76e27@28:54"


def test_the_release_that_flux_went_back_to_is_not_taken_for_a_rollback_at_first_sight() -> None:
    cluster = FakeCluster()
    for t, _, plural, value in recorded_events(sample("helm-release-remediated")):
        if t < 191:
            cluster.put(plural, value)
    state = flux_for(cluster).applications()[0]
    assert [one.initiated_by for one in state.history] == ["automated", "automated", "engine-remediation"]


def test_after_its_own_rollback_flux_is_neither_synced_nor_healthy_though_the_old_chart_runs() -> None:
    looks = replay(sample("helm-release-remediated"), "HelmRelease", "bill")
    state = next(look.state for look in looks if 190.705 < look.t < 192)
    assert state.sync is SyncStatus.OUT_OF_SYNC
    assert state.health is Health.DEGRADED
    assert dict(state.conditions)["Remediated"].startswith("RollbackSucceeded")
    assert dict(state.conditions)["Stalled"].startswith("RetriesExceeded")


def test_a_chart_from_git_is_followed_to_its_commit_and_directory() -> None:
    state = replay(sample("helm-release-remediated"), "HelmRelease", "bill")[-1].state
    assert [(one.path, one.target_revision, one.chart) for one in state.sources] == [("charts/bill", "main", "")]
    assert all(len(record.revisions[0]) == 40 for record in deployments(state))


def test_a_release_names_the_objects_that_it_is_made_of() -> None:
    """Without them a trigger on Pods would have nobody to look at, unless the policy names the workload."""
    looks = replay(sample("helm-release-remediated"), "HelmRelease", "bill")
    for look in looks:
        released = [("apps", "Deployment", "fleet", "bill")] if look.state.history else []
        assert [(one.group, one.kind, one.namespace, one.name) for one in look.state.resources] == released


def test_the_application_is_found_by_kind_and_name() -> None:
    cluster = FakeCluster()
    for _, _, plural, value in recorded_events(sample("helm-release-remediated")):
        cluster.put(plural, value)
    ids = {state.id for state in flux_for(cluster).applications()}
    assert ids == {ApplicationId("flux", "HelmRelease", "flux-system", "bill")}
