"""What is read from Application objects: whole ones as recorded, and broken ones of every kind."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from argocd_server import EXCERPTS, engine_for, json_reply, lines, serve
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_rollback.adapters.engines.argocd_wire import read_application, read_applications
from gitops_rollback.adapters.json_node import load
from gitops_rollback.core.convergence import converged
from gitops_rollback.core.deployments import deployments, watched
from gitops_rollback.core.sync import ApplicationState, Health, OperationPhase, SyncStatus

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
RECORDED = {entry["name"]: entry["object"] for entry in lines(EXCERPTS / "states.jsonl")}
HEALTHY = "healthy at the revert"
REVERT = "86190a4c159a0e983e9f502858fbbe56b41e15fe"


def read(value: object) -> ApplicationState:
    return read_application(value, "default", NOW)


def changed(name: str, change: Callable[[dict], object]) -> ApplicationState:
    value = copy.deepcopy(RECORDED[name])
    change(value)
    return read(value)


def test_a_recorded_application_is_read_in_full() -> None:
    state = read(RECORDED[HEALTHY])
    assert str(state.id) == "default/Application/argocd/shop"
    assert (state.project, state.namespace, state.destination) == ("default", "shop", "https://kubernetes.default.svc")
    assert (state.sync, state.health, state.busy, state.malformed) == (SyncStatus.SYNCED, Health.HEALTHY, False, "")
    assert state.sources[0].path == "apps/shop"
    assert (state.auto_sync, state.prune, state.self_heal) == (True, True, False)
    assert [entry.history_id for entry in state.history] == [0, 1, 2]
    assert [entry.initiated_by for entry in state.history] == ["automated"] * 3
    assert [entry.replaced_at for entry in state.history] == [*(one.started_at for one in state.history[1:]), None]
    assert state.images == ("registry.example/shop:v1",)
    assert [one.key for one in state.resources] == ["apps/Deployment/shop/shop"]
    assert state.operation is not None
    assert state.operation.phase is OperationPhase.SUCCEEDED
    assert state.operation.results[0].images == ("registry.example/shop:v1",)
    assert state.reconciled_at == datetime(2026, 11, 23, 8, 6, 55, tzinfo=UTC)


def test_a_running_operation_has_the_requested_revision_until_it_reports_one() -> None:
    state = read(RECORDED["running without a result"])
    assert state.operation is not None
    assert state.operation.in_progress
    assert not state.operation_requested
    assert [revision[:7] for revision in state.operation.revisions] == ["4413f52"]


def test_an_operation_without_a_result_has_the_sources_that_it_was_asked_for_or_those_of_the_spec() -> None:
    running = "running without a result"
    asked = changed(running, put("status.operationState.operation.sync.source.path", "apps/asked"))
    assert asked.operation is not None
    assert [source.path for source in asked.operation.sources] == ["apps/asked"]
    silent = changed(running, put("status.operationState.operation.sync.source", GONE))
    assert silent.operation is not None
    assert [source.path for source in silent.operation.sources] == ["apps/shop"]


def test_brackets_in_a_text_are_no_nesting() -> None:
    assert load(b'{"message":"\\"' + b"[{" * 1000 + b'"}') == {"message": '"' + "[{" * 1000}


def test_a_history_entry_comes_before_success_and_is_one_deployment() -> None:
    state = read(RECORDED["history before success"])
    assert state.busy
    assert [one.revisions[0][:7] for one in deployments(state)] == ["dacaf60", "4413f52"]


def test_a_retry_is_in_progress_although_it_has_a_finished_time() -> None:
    state = read(RECORDED["retrying with finishedAt"])
    assert state.operation is not None
    assert state.operation.finished_at is not None
    assert state.operation.retry_count == 1
    assert state.busy


def test_a_hook_is_told_from_an_ordinary_object() -> None:
    state = read(RECORDED["terminated"])
    assert state.operation is not None
    assert [(one.kind, one.hook_type, one.hook_phase) for one in state.operation.results] == [
        ("Job", "PreSync", "Failed")
    ]


def test_our_own_operation_keeps_its_mark() -> None:
    state = read(RECORDED["synced by us"])
    assert state.operation is not None
    assert state.operation.info == {"rollback-id": "rb-2"}
    assert state.operation.initiated_by == "rollback"


def test_several_sources_are_read_by_position() -> None:
    state = read(RECORDED["two sources"])
    assert [source.path for source in state.sources] == ["apps/values", "common"]
    assert len(state.sync_revisions) == 2
    assert state.operation is not None
    assert len(state.operation.revisions) == len(state.operation.sources) == 2
    assert all(len(entry.revisions) == len(entry.sources) == 2 for entry in state.history)


def test_an_unresolved_revision_is_kept_as_text_with_its_condition() -> None:
    state = read(RECORDED["unknown with a comparison error"])
    assert (state.sync, state.sync_revisions) == (SyncStatus.UNKNOWN, ("main",))
    assert [kind for kind, _ in state.conditions] == ["ComparisonError"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("degraded at the bad image", ["dacaf60", "4413f52"]),
        ("compared to a foreign commit", ["12b270e"]),
        ("terminated", ["85ff182", "9ae0dc6"]),
        ("failed after everything was applied", ["86190a4", "6068ca7"]),
        ("the failed operation is forgotten", ["86190a4"]),
        ("unknown with a comparison error", ["dacaf60", "4413f52", "12b270e", "6068ca7", "6748338"]),
        ("synced again without an operation", ["dacaf60", "4413f52", "12b270e", "6068ca7", "6748338"]),
    ],
)
def test_recorded_states_tell_these_deployments(name: str, expected: list[str]) -> None:
    assert [one.revisions[0][:7] for one in deployments(read(RECORDED[name]))] == expected


@pytest.mark.parametrize(
    ("name", "done"),
    [
        ("synced at the revert while the bad hook runs", False),
        ("terminating", False),
        ("terminated", False),
        ("synced after the operation was gone", True),
    ],
)
def test_synced_and_healthy_at_the_revert_is_not_enough_while_the_bad_operation_is_the_last(
    name: str, done: bool
) -> None:
    state = read(RECORDED[name])
    assert (state.sync, state.health, state.sync_revisions) == (SyncStatus.SYNCED, Health.HEALTHY, (REVERT,))
    pushed = datetime(2026, 11, 23, 8, 7, 9, tzinfo=UTC)
    assert converged(state, lambda revision: revision == REVERT, pushed)[0] is done


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, (False, False, False)),
        ({"automated": None}, (False, False, False)),
        ({"automated": {}}, (True, False, False)),
        ({"automated": {"enabled": None, "prune": None, "selfHeal": None}}, (True, False, False)),
        ({"automated": {"enabled": True, "prune": True, "selfHeal": True}}, (True, True, True)),
        ({"automated": {"enabled": False, "prune": True}}, (False, True, False)),
    ],
)
def test_auto_sync_is_on_if_it_is_there_and_not_switched_off(policy: object, expected: tuple[bool, ...]) -> None:
    state = changed(HEALTHY, lambda app: app["spec"].update(syncPolicy=policy))
    assert (state.auto_sync, state.prune, state.self_heal) == expected


def test_tool_settings_are_one_canonical_text_and_value_files_stand_apart() -> None:
    helm = {"valueFiles": ["values.yaml", "$values/prod.yaml"], "parameters": [{"value": "2", "name": "replicas"}]}
    source = {"repoURL": "r", "path": "./a//b/", "helm": helm, "kustomize": {}, "directory": {"recurse": True}}
    (read_source,) = changed(HEALTHY, lambda app: app["spec"].update(source=source)).sources
    assert read_source.value_files == ("values.yaml", "$values/prod.yaml")
    assert read_source.path == "a/b"
    assert read_source.parameters == (
        '{"directory":{"recurse":true},"helm":{"parameters":[{"name":"replicas","value":"2"}]}}'
    )


def test_huge_tool_settings_are_only_told_apart() -> None:
    found = [
        changed(HEALTHY, lambda app, n=n: app["spec"]["source"].update(helm={"values": "x" * n})).sources[0].parameters
        for n in (20_000, 20_001)
    ]
    assert found[0] != found[1]
    assert all(len(text) < 100 for text in found)


def test_a_hydrated_application_is_synced_from_its_sync_source() -> None:
    hydrator = {
        "drySource": {"repoURL": "https://git.example/dry.git", "path": "apps/shop", "targetRevision": "main"},
        "syncSource": {"targetBranch": "env/prod", "path": "shop"},
    }
    state = changed(HEALTHY, lambda app: app["spec"].update(sourceHydrator=hydrator))
    assert state.hydrated
    (source,) = state.sources
    assert (source.repo_url, source.path, source.target_revision) == ("https://git.example/dry.git", "shop", "env/prod")


def test_who_generates_an_application_is_read_from_its_owners() -> None:
    owners = [{"kind": "Other", "name": "x"}, {"kind": "ApplicationSet", "name": "shops"}]
    assert changed(HEALTHY, lambda app: app["metadata"].update(ownerReferences=owners)).applicationset == "shops"


def test_an_operation_that_only_was_requested_is_told_with_its_revision_and_mark() -> None:
    def request(app: dict) -> None:
        app["operation"] = {"sync": {"revision": "f" * 40}, "info": [{"name": "rollback-id", "value": "rb-1"}]}
        del app["status"]["operationState"]

    state = changed(HEALTHY, request)
    assert state.busy
    assert (state.operation, state.requested_revisions) == (None, ("f" * 40,))
    assert state.requested_info == {"rollback-id": "rb-1"}


@pytest.mark.parametrize("order", [{}, {"sync": None}, {"sync": {}}, {"sync": {"revision": "main"}}, "odd", []])
def test_any_requested_operation_makes_busy_and_a_branch_is_no_revision(order: object) -> None:
    state = changed(HEALTHY, lambda app: app.update(operation=order))
    assert state.busy
    assert state.requested_revisions == ()


def test_a_rolling_sync_is_automated_although_it_names_a_user() -> None:
    both = {"automated": True, "username": "applicationset-controller"}
    state = changed(HEALTHY, lambda app: app["status"]["history"][-1].update(initiatedBy=both))
    assert state.history[-1].initiated_by == "automated"


def test_the_applied_manifest_is_not_carried_in_the_annotations() -> None:
    noise = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"}
    assert changed(HEALTHY, lambda app: app["metadata"].update(annotations=noise)).annotations == {"team": "shop"}


GONE = object()
ZERO, FUTURE = "0001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
FINISHED = "status.operationState.finishedAt"
NEWEST = "status.history.-1.revision"


def put(path: str, value: object) -> Callable[[dict], None]:
    """A change that sets the value at `path`, or takes it away."""

    def change(app: dict) -> None:
        at: object = app
        *parents, last = [int(key) if key.lstrip("-").isdigit() else key for key in path.split(".")]
        for key in parents:
            at = at[key]
        if value is GONE:
            del at[last]
        else:
            at[last] = value

    return change


# Engine inputs E3, E4, E6 and E7: (name, path, value, what must hold for the state).
BROKEN = [
    ("E3 no status", "status", GONE, lambda s: s.health is Health.UNKNOWN and not s.history),
    ("E3 null status", "status", None, lambda s: not s.malformed and not s.busy),
    ("E3 status is text", "status", "x", lambda s: "status is not an object" in s.malformed),
    ("E3 null history", "status.history", None, lambda s: s.history == () and not s.malformed),
    ("E3 history is an object", "status.history", {}, lambda s: "history is not a list" in s.malformed),
    ("E3 empty entries", "status.history", [None, 3, {"id": 1}], lambda s: "no readable time" in s.malformed),
    ("E3 entry without start", "status.history.0.deployStartedAt", GONE, lambda s: s.history[0].started_at.minute == 6),
    ("E4 empty", NEWEST, "", lambda s: s.history[-1].revisions == ("",)),
    ("E4 short SHA", NEWEST, "12b270e", lambda s: s.history[-1].revisions == ("12b270e",)),
    ("E4 tag", NEWEST, "v1.2.3", lambda s: s.history[-1].revisions == ("v1.2.3",)),
    ("E4 Flux's spelling", "status.sync.revision", "main@sha1:12b270eb", lambda s: "@" in s.sync_revisions[0]),
    ("E4 list with holes", "status.sync.revisions", ["x", None, 3], lambda s: s.sync_revisions == ("x", "", "")),
    ("E6 future", FINISHED, FUTURE, lambda s: s.operation.finished_at.year == 2099),
    ("E6 before start", FINISHED, "2020-01-01T00:00:00Z", lambda s: s.operation.finished_at < s.operation.started_at),
    ("E6 Go's zero", FINISHED, ZERO, lambda s: s.operation.finished_at is None and not s.malformed),
    ("E6 no time", FINISHED, "yesterday", lambda s: "finishedAt is not a time" in s.malformed),
    ("E6 year 10000", FINISHED, "9999-12-31T23:59:59-23:59", lambda s: "finishedAt is not a time" in s.malformed),
    ("E6 no start", "status.operationState.startedAt", GONE, lambda s: "no readable startedAt" in s.malformed),
    (
        "E7 phase",
        "status.operationState.phase",
        "Odd",
        lambda s: s.operation.phase is OperationPhase.UNKNOWN and s.busy,
    ),
    ("E7 null phase", "status.operationState.phase", None, lambda s: s.busy),
    ("E7 health", "status.health.status", "Splendid", lambda s: s.health is Health.UNKNOWN),
    ("E7 null health", "status.health", None, lambda s: s.health is Health.UNKNOWN),
    ("E7 sync status", "status.sync.status", "Almost", lambda s: s.sync is SyncStatus.UNKNOWN),
    ("no spec", "spec", GONE, lambda s: "spec is missing" in s.malformed),
    ("no name", "metadata.name", GONE, lambda s: "metadata.name is missing" in s.malformed),
    ("annotation", "metadata.annotations", {"a": 1}, lambda s: "annotations.a is not a string" in s.malformed),
    ("half a surrogate pair", "metadata.name", "a\ud800b", lambda s: s.id.name == "a?b"),
]


@pytest.mark.parametrize(("path", "value", "holds"), [pytest.param(*one[1:], id=one[0]) for one in BROKEN])
def test_a_broken_application_reads_as_typed_and_safe(
    path: str, value: object, holds: Callable[[ApplicationState], bool]
) -> None:
    state = changed(HEALTHY, put(path, value))
    assert holds(state)
    assert str(state.id).encode()


def test_what_is_malformed_never_converges() -> None:
    good = changed(HEALTHY, lambda app: None)
    since = good.operation.started_at if good.operation else NOW
    assert converged(good, lambda revision: True, since) == (True, "")
    broken = changed(HEALTHY, put("status.resources", "none"))
    assert not converged(broken, lambda revision: True, since)[0]


def test_a_start_in_the_future_is_not_watched() -> None:
    state = changed(HEALTHY, put("status.history.-1.deployStartedAt", FUTURE))
    assert watched(state, NOW, NOW - datetime(2026, 11, 23, tzinfo=UTC)) is None


def test_e2_of_a_key_that_stands_twice_the_last_value_counts() -> None:
    body = b'{"metadata":{"name":"shop"},"status":{"operationState":{"startedAt":"2026-11-23T08:00:00Z",'
    state = read(load(body + b'"phase":"Succeeded","phase":"Running"}}}'))
    assert state.operation is not None
    assert state.operation.phase is OperationPhase.RUNNING


def test_e8_one_name_in_two_projects_and_namespaces_is_several_applications() -> None:
    twins = [
        {"metadata": {"name": "shop", "namespace": namespace}, "spec": {"project": project}}
        for namespace, project in (("argocd", "blue"), ("team", "green"))
    ]
    found = read_applications({"items": twins}, "default", NOW)
    assert len({state.id for state in found}) == 2
    assert [state.project for state in found] == ["blue", "green"]


def test_e9_of_ten_thousand_history_entries_the_newest_hundred_are_kept() -> None:
    entry = RECORDED[HEALTHY]["status"]["history"][0]
    entries = [{**entry, "id": number, "revision": f"{number:040x}"} for number in range(10_000)]
    state = changed(HEALTHY, put("status.history", entries))
    assert [one.history_id for one in state.history] == list(range(9_900, 10_000))


def test_one_broken_application_does_not_hide_the_others() -> None:
    items = [RECORDED[HEALTHY], None, 7, {"metadata": {"name": 5}}, {}, RECORDED["two sources"]]
    with serve() as server:
        server.put("GET", "/api/v1/applications", json_reply({"metadata": {}, "items": items}))
        found = engine_for(server).applications()
    assert len(found) == len(items)
    assert [bool(state.malformed) for state in found] == [False, True, True, True, True, False]
    assert [state.id.name for state in found if not state.malformed] == ["shop", "values"]


def test_the_short_list_answer_of_the_real_server_is_read() -> None:
    (entry,) = [one for one in lines(EXCERPTS / "answers.jsonl") if one["note"] == "list with fields"]
    (state,) = read_applications(entry["response"]["body"], "default", NOW)
    assert (state.sync, state.health) == (SyncStatus.SYNCED, Health.HEALTHY)


def test_a_summary_tells_a_pending_operation_by_its_key_alone() -> None:
    shop = {
        "metadata": {"name": "shop", "deletionTimestamp": None},
        "spec": {"project": "p"},
        "operation": {"sync": None},
    }
    shop["status"] = {"operationState": {"phase": "Running", "startedAt": "2026-11-23T08:00:00Z", "finishedAt": None}}
    (state,) = read_applications({"items": [shop]}, "default", NOW)
    assert state.busy
    assert not state.deleting
    assert not state.malformed
    assert deployments(state) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in places(value[key], (*path, key)))]


PLACES = {name: places(value) for name, value in RECORDED.items()}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_anything_at_any_place_is_read_without_an_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(RECORDED)))
    place = data.draw(st.sampled_from(PLACES[name]))
    odd = data.draw(JSON)
    root = [copy.deepcopy(RECORDED[name])]
    at: object = root
    for key in (0, *place)[:-1]:
        at = at[key]
    at[(0, *place)[-1]] = odd
    state = read(json.loads(json.dumps(root[0])))
    deployments(state)
    watched(state, NOW, NOW - datetime(2026, 11, 23, tzinfo=UTC))
    converged(state, lambda revision: True, NOW)
