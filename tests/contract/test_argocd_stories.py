"""What is concluded from each state that a real Argo CD went through in eight stories, in their order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argocd_server import engine_for, recorded, serve

from gitops_rollback.adapters.engines.argocd_wire import read_application
from gitops_rollback.core.convergence import blocked_by, converged, failed_fast
from gitops_rollback.core.deployments import (
    contains_our_operation,
    deployments,
    distinct,
    remembered,
    revision_in,
    source_index,
    watched,
)
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncStatus

BEGAN = datetime(2026, 11, 23, 8, 6, 31, 60_000, tzinfo=UTC)  # second 0 of the recordings, by their Date headers
WINDOW = timedelta(minutes=30)


@dataclass(frozen=True)
class Look:
    t: float
    state: ApplicationState

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.t)


def looks(shared: Path, story: str, app: str) -> list[Look]:
    entries = [
        entry for entry in recorded(shared, story, "applications.jsonl") if entry["object"]["metadata"]["name"] == app
    ]
    known = [entry for entry in entries if entry["type"] != "DELETED"]
    return [
        Look(entry["t"], read_application(entry["object"], "default", BEGAN + timedelta(seconds=entry["t"])))
        for entry in known
    ]


def told(record: DeploymentRecord) -> str:
    return f"{record.revisions[0][:7]}@{record.started_at:%M:%S}"


def seen_in_turn(seen: list[Look]) -> list[str]:
    """Each deployment as revision@start, in the order in which it was first told."""
    found = [told(record) for look in seen for record in deployments(look.state)]
    return list(dict.fromkeys(found))


SHOP_BEFORE = ["dacaf60@06:38", "4413f52@06:39", "12b270e@06:55", "6068ca7@07:31"]

STORIES = [
    ("bad-image-reverted", "shop", SHOP_BEFORE[:3]),
    ("monorepo-foreign-commit", "cart", ["12b270e@06:57"]),
    (
        "stuck-hook-terminated",
        "stuck",
        ["85ff182@07:02", "9ae0dc6@07:07", "86190a4@07:12", "86190a4@07:17"],
    ),
    (
        "post-sync-hook-fails",
        "post",
        ["86190a4@07:22", "6068ca7@07:28", "e2df5a9@07:44", "e2df5a9@07:50"],
    ),
    ("multi-source", "values", ["e2df5a9@07:58", "6748338@07:59"]),
    ("render-error", "shop", [*SHOP_BEFORE, "6748338@08:02"]),
    (
        "crash-loop-synced-directly",
        "shop",
        [*SHOP_BEFORE, "6748338@08:02", "ecb77b8@08:09", "ece7278@08:26"],
    ),
    ("errors", "shop", [*SHOP_BEFORE, "6748338@08:02"]),
]


@pytest.mark.parametrize(("story", "app", "expected"), STORIES, ids=[story for story, _, _ in STORIES])
def test_these_deployments_are_concluded_and_no_others(shared: Path, story: str, app: str, expected: list[str]) -> None:
    assert seen_in_turn(looks(shared, story, app)) == expected


@pytest.mark.parametrize("story", [story for story, _, _ in STORIES])
def test_every_recorded_state_is_well_formed(shared: Path, story: str) -> None:
    entries = recorded(shared, story, "applications.jsonl")
    states = [read_application(entry["object"], "default", BEGAN) for entry in entries]
    assert {state.malformed for state in states} == {""}
    assert len(states) > 3


def test_a_commit_outside_the_application_is_no_deployment_though_the_compared_revision_moves(shared: Path) -> None:
    last = looks(shared, "monorepo-foreign-commit", "cart")[-1].state
    assert last.sync_revisions[0].startswith("85ff182")
    assert [told(record) for record in deployments(last)] == ["12b270e@06:57"]


def test_a_manifest_that_does_not_render_is_no_deployment(shared: Path) -> None:
    seen = looks(shared, "render-error", "shop")
    assert any(look.state.sync is SyncStatus.UNKNOWN for look in seen)
    assert {len(deployments(look.state)) for look in seen} == {5}


def test_an_operation_that_fails_after_it_applied_is_told_although_history_never_has_it(shared: Path) -> None:
    seen = looks(shared, "post-sync-hook-fails", "post")
    bad = [record for look in seen for record in deployments(look.state) if told(record)[:7] == "6068ca7"]
    assert len(bad) > 10
    assert {(record.history_id, record.deployed_at) for record in bad} == {(None, None)}
    assert told(deployments(seen[-1].state)[0])[:7] == "86190a4"
    assert all(told(record)[:7] != "6068ca7" for record in deployments(seen[-1].state))


def test_what_the_engine_forgets_is_remembered(shared: Path) -> None:
    known: tuple[DeploymentRecord, ...] = ()
    for look in looks(shared, "post-sync-hook-fails", "post"):
        known = remembered(known, look.state)
    assert [told(record) for record in distinct(known)] == [
        "86190a4@07:22",
        "6068ca7@07:28",
        "e2df5a9@07:44",
    ]
    assert [record.history_id for record in distinct(known)] == [0, None, 1]


def test_the_bad_image_is_under_watch_from_its_start_until_it_is_replaced(shared: Path) -> None:
    degraded = [look for look in looks(shared, "bad-image-reverted", "shop") if look.state.health is Health.DEGRADED]
    event = watched(degraded[0].state, degraded[0].now, WINDOW)
    assert event is not None
    assert told(event.record) == "4413f52@06:39"
    assert event.previous is not None
    assert told(event.previous) == "dacaf60@06:38"


def test_a_crash_looping_sync_is_under_watch_before_it_has_ended(shared: Path) -> None:
    seen = [look for look in looks(shared, "crash-loop-synced-directly", "shop") if look.t < 99.0]
    event = watched(seen[-1].state, seen[-1].now, WINDOW)
    assert event is not None
    assert told(event.record) == "ecb77b8@08:09"
    assert event.record.deployed_at is None


# (story, application, revert, second in which it was pushed, second of the first state that has converged)
REVERTS = [
    ("bad-image-reverted", "shop", "12b270eb17e5008fc6fd93dfe803cabe4d766796", 24.282, 24.877),
    ("stuck-hook-terminated", "stuck", "86190a4c159a0e983e9f502858fbbe56b41e15fe", 38.448, 45.789),
    ("post-sync-hook-fails", "post", "e2df5a999ef294b70073b0e9ec0531f04886adec", 69.895, 79.101),
    ("render-error", "shop", "58d96272b3de8684819a9501d1331d6bedfe7a61", 96.856, 97.022),
    ("crash-loop-synced-directly", "shop", "ece72787084de603414988774051bdb629942a46", 115.281, 116.063),
]


@pytest.mark.parametrize(("story", "app", "revert", "pushed", "first"), REVERTS, ids=[one[0] for one in REVERTS])
def test_the_first_converged_state_is_the_one_after_the_sync_of_the_revert(
    shared: Path, story: str, app: str, revert: str, pushed: float, first: float
) -> None:
    since = BEGAN + timedelta(seconds=pushed)
    seen = looks(shared, story, app)
    done = [look.t for look in seen if converged(look.state, lambda revision: revision == revert, since)[0]]
    assert done[0] == pytest.approx(first)
    assert [look.t for look in seen if failed_fast(look.state, lambda one: one == revert, since)] == []


def test_a_stuck_hook_keeps_the_predicate_false_though_all_is_synced_at_the_revert(shared: Path) -> None:
    revert, bad = "86190a4c159a0e983e9f502858fbbe56b41e15fe", "9ae0dc6a1446a799a8b5aa386b7517c22b141fc2"
    seen = looks(shared, "stuck-hook-terminated", "stuck")
    tempting = [
        look
        for look in seen
        if look.state.sync is SyncStatus.SYNCED
        and look.state.health is Health.HEALTHY
        and look.state.sync_revisions == (revert,)
        and (look.state.operation is None or look.state.operation.revisions == (bad,))
    ]
    assert len(tempting) >= 4
    for look in tempting:
        assert not converged(look.state, lambda one: one == revert, BEGAN + timedelta(seconds=38.448))[0]


def test_only_while_the_bad_operation_runs_is_it_to_be_terminated(shared: Path) -> None:
    bad = "9ae0dc6a1446a799a8b5aa386b7517c22b141fc2"
    seen = looks(shared, "stuck-hook-terminated", "stuck")
    found = [(look.t, blockage) for look in seen if (blockage := blocked_by(look.state, {bad}))]
    to_end = [t for t, blockage in found if blockage.terminate]
    assert (min(to_end), max(to_end)) == (pytest.approx(36.083), pytest.approx(38.555))
    assert [t for t, blockage in found if "being terminated" in blockage.message] == [pytest.approx(41.675)]


def test_a_retrying_operation_is_to_be_terminated_also_between_two_attempts(shared: Path) -> None:
    bad = "6068ca7cb2c8a205057cddb9804000b9afcfde3e"
    seen = [look for look in looks(shared, "post-sync-hook-fails", "post") if 61.4 < look.t < 73.1]
    assert all(look.state.operation and look.state.operation.retry_count == 1 for look in seen)
    assert all((blockage := blocked_by(look.state, {bad})) and blockage.terminate for look in seen)


def test_our_operation_is_recognised_once_it_was_asked_for(shared: Path) -> None:
    seen = looks(shared, "crash-loop-synced-directly", "shop")
    ours = [look.t for look in seen if contains_our_operation(look.state, "rb-2")]
    assert ours == [look.t for look in seen if look.t > 115.3]
    assert seen[-1].state.history[-1].initiated_by == "rollback"


def test_both_sources_of_a_multi_source_application_are_found_in_our_repository(shared: Path) -> None:
    record = deployments(looks(shared, "multi-source", "values")[-1].state)[-1]
    ours = source_index(record.sources, lambda one: same_repository(one.repo_url, "https://127.0.0.1/config"))
    assert ours == (0, 1)
    assert [revision_in(record, index)[:7] for index in ours] == ["6748338", "6748338"]


@pytest.mark.parametrize("story", [story for story, _, _ in STORIES])
def test_every_recorded_answer_is_understood_over_http(shared: Path, story: str) -> None:
    """Each answer goes out with the recorded bytes, to the call of ours that would have caused it."""
    understood = 0
    for entry in recorded(shared, story, "rest.jsonl"):
        with serve() as server:
            server.put_recorded(entry)
            understood += ask(engine_for(server), entry["request"], entry["response"]["status"])
    assert understood >= 2


def ask(engine, asked: dict, status: int) -> int:
    """1 if one of our calls makes this request and ended as its status says, 0 if we never ask for it."""
    path = asked["path"].partition("?")[0].removeprefix("/api/v1/").split("/")
    application = ApplicationId("default", "Application", "argocd", path[1]) if len(path) > 1 else None
    calls = {
        ("GET", "applications", 1): lambda: engine.applications(),
        ("GET", "applications", 2): lambda: engine.application(application, "default"),
        ("GET", "syncwindows", 3): lambda: engine.obstacles(application, "default") == (),
        ("GET", "managed-resources", 3): lambda: engine.live_objects(application, "default"),
        ("POST", "sync", 3): lambda: engine.sync(application, "default", True, {}),
        ("DELETE", "operation", 3): lambda: engine.terminate(application, "default"),
    }
    call = calls.get((asked["method"], path[-1] if len(path) == 3 else path[0], len(path)))
    if call is None:
        return 0
    if status in (401, 403):
        with pytest.raises(CredentialsRejected):
            call()
    elif status == 415 or (status == 400 and path[-1] == "sync" and not is_busy(asked)):
        with pytest.raises(EngineUnavailable):
            call()
    else:
        assert_fits(call(), path[-1], status)
    return 1


def is_busy(asked: dict) -> bool:
    return isinstance(asked["body"], dict) and "revision" not in asked["body"]


def assert_fits(answer: object, what: str, status: int) -> None:
    if status == 404:
        assert answer is None
    elif what == "sync":
        assert answer is (status == 200)
    elif what != "operation":
        assert answer
