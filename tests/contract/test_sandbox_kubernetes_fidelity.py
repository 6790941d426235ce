"""The sandbox's Kubernetes API against the recorded one: every recorded request gets the recorded answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox_kubernetes_recordings import NEW, Recorded, assert_answered_as_recorded, recorded, replayed
from sandbox_kubernetes_world import Reply, Watcher, ask, cluster

from gitops_rollback.sandbox.kubernetes import Kind, kind_of
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT

pytestmark = pytest.mark.shared

Json = dict[str, Any]
SCENARIOS = (
    *("bad-image-reverted", "build-failed", "depends-on", "health-wait-ignores-revert"),
    *("helm-release-remediated", "monorepo-foreign-commit", "suspended-acknowledges"),
)
GIVEN = ("name", "namespace", "labels", "annotations")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OF_ITS_OWN = ("version", "streaming list with bookmark")  # looked at below


def scenario_file(shared: Path, scenario: str, name: str) -> Path:
    return shared / "recordings" / "flux" / scenario / name


@pytest.fixture(scope="module")
def answers(shared: Path) -> list[Recorded]:
    return recorded(scenario_file(shared, "kubernetes-api", "api.jsonl"))


@pytest.fixture(scope="module")
def replies(answers: list[Recorded], shared: Path) -> dict[str, Reply]:
    """Each recorded request made again, once for all tests of this file."""
    lines = map(json.loads, scenario_file(shared, "kubernetes-api", "watch.jsonl").read_text().splitlines())
    return replayed(answers, [one["list"] for one in lines if "list" in one])


def test_every_recorded_request_gets_the_recorded_answer(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    compared = [one for one in answers if one.note not in OF_ITS_OWN]
    assert len(compared) == len(answers) - len(OF_ITS_OWN)
    for one in compared:
        assert_answered_as_recorded(one, replies[one.note])


def test_the_version_has_the_recorded_fields(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    body = next(one.response["body"] for one in answers if one.note == "version")
    assert list(replies["version"].json) == list(body)


def test_a_streaming_list_begins_as_recorded(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    """What came after the mark was the work of controllers."""
    text = next(one.response["body"] for one in answers if one.note.startswith("streaming list"))
    initial = text.split("\n")[:5]
    assert replies["streaming list with bookmark"].text.split("\n")[:5] == initial
    assert replies["streaming list with bookmark"].text.split("\n")[-1] == ""


def test_new_leases_have_the_recorded_fields(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    for note in ("create lease", "update lease"):
        wanted = next(one.response["body"] for one in answers if one.note == note)
        ours = replies[note].json
        assert list(ours["metadata"]) == list(wanted["metadata"])
        entry, recorded_entry = ours["metadata"]["managedFields"][0], wanted["metadata"]["managedFields"][0]
        assert list(entry) == list(recorded_entry)
        assert entry["fieldsV1"] == recorded_entry["fieldsV1"]


def test_a_deployment_is_filled_in_as_recorded(answers: list[Recorded]) -> None:
    """From what git asks for to what the real server made of it."""
    made = next(one.response["body"] for one in answers if one.note == "deployment complete")
    containers = [{"name": "shop", "image": "registry.example/shop:v1"}]
    template = {"metadata": made["spec"]["template"]["metadata"], "spec": {"containers": containers}}
    body = {"metadata": {"name": "shop"}, "spec": {"replicas": 2, "selector": made["spec"]["selector"]}}
    body["spec"]["template"] = template
    with cluster() as sandbox:
        ours = ask(sandbox, "POST", DEPLOYMENT.path("default"), body)
    assert ours.json["spec"] == made["spec"]
    assert ours.json["metadata"]["generation"] == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_new_objects_look_as_recorded_before_anybody_works_on_them(scenario: str, shared: Path) -> None:
    """What a person applied, and a controller made, as the server first showed it."""
    lines = map(json.loads, scenario_file(shared, scenario, "watch.jsonl").read_text().splitlines())
    added = [one["event"]["object"] for one in lines if one.get("event", {}).get("type") == "ADDED"]
    for body in added:
        kind = kind_of(body)
        metadata = {name: body["metadata"][name] for name in GIVEN if name in body["metadata"]}
        applied = json.loads(metadata.get("annotations", {}).get(LAST_APPLIED, "{}"))
        with cluster() as sandbox:
            sandbox.store.load([], int(body["metadata"]["resourceVersion"]) - 1)
            fresh = Watcher(sandbox, kind.path("flux-system"), f"&resourceVersion={sandbox.store.version}")
            sandbox.store.create(kind, {**body, **applied, "metadata": metadata, "status": {"made": "up"}})
            assert fresh.wait_for("ADDED")
        assert without_owners(fresh.events[0]["object"]) == without_owners(body)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_patch_of_an_annotation_does_to_the_object_what_was_recorded(scenario: str, shared: Path) -> None:
    """The answer of each recorded reconcile request, from the state just before it."""
    for one in recorded(scenario_file(shared, scenario, "api.jsonl")):
        if one.request.get("method") != "PATCH":
            continue
        after = one.response["body"]
        kind = kind_of(after)
        with cluster() as sandbox:
            sandbox.store.load([(kind, without_request(after))], int(after["metadata"]["resourceVersion"]) - 1)
            watcher = Watcher(sandbox, kind.path("flux-system"))
            assert watcher.wait_for("ADDED")
            media = one.request["headers"]["Content-Type"]
            reply = ask(sandbox, "PATCH", one.request["path"], one.request["body"], media)
            assert watcher.wait_for("ADDED", "MODIFIED")
        assert without_owners(reply.json) == without_owners(after)
        assert without_owners(watcher.events[-1]["object"]) == without_owners(after)


def without_request(body: Json) -> Json:
    """The state before the request: its annotation had another value."""
    before = json.loads(json.dumps(body))
    before["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"] = "before"
    before["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) - 1)
    return dict(before)


def without_owners(body: Json) -> str:
    return json.dumps({**body, "metadata": {key: value for key, value in body["metadata"].items() if key not in NEW}})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_states_go_through_the_store_as_recorded(scenario: str, shared: Path) -> None:
    """Each recorded state, written as its controller wrote it, has the recorded generation and comes out unchanged."""
    with cluster() as sandbox:
        seen: dict[tuple[str, str], Json] = {}
        for kind, before, after in steps(shared, scenario, seen):
            sandbox.store.load([(kind, before)], int(after["metadata"]["resourceVersion"]) - 1)
            ours = sandbox.store.replace(kind, written(before, after))
            path = kind.path("flux-system", after["metadata"]["name"])
            if after.get("status") != before.get("status"):
                version = ours["metadata"]["resourceVersion"]
                body = {**after, "metadata": {**after["metadata"], "resourceVersion": version}}
                ours = ask(sandbox, "PUT", f"{path}/status", body).json
            assert ours["metadata"].get("generation") == after["metadata"].get("generation")
            assert {key: ours.get(key) for key in ("spec", "status")} == {
                key: after.get(key) for key in ("spec", "status")
            }


def written(before: Json, after: Json) -> Json:
    """The state after, as a client that knows the one before would write it."""
    version = before["metadata"]["resourceVersion"]
    return {**after, "metadata": {**after["metadata"], "resourceVersion": version}}


def steps(shared: Path, scenario: str, seen: dict[tuple[str, str], Json]) -> Iterator[tuple[Kind, Json, Json]]:
    """Recorded states of each object, two by two."""
    lines = scenario_file(shared, scenario, "watch.jsonl").read_text().splitlines()
    for one in map(json.loads, lines):
        bodies = one["list"]["items"] if "list" in one else [one["event"]["object"]]
        for body in bodies:
            key = (body["kind"], body["metadata"]["name"])
            if key in seen and seen[key] != body:
                yield kind_of(body), seen[key], body
            seen[key] = body
