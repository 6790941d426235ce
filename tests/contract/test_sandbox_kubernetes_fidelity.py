"""The sandbox's Kubernetes API against the recorded one: every recorded request gets the recorded answer.

The objects that the recording shows are put into the store as they were; then its requests are made again, in order.
What differs by nature is named here: identities and times of what is new, and who wrote which field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sandbox_kubernetes_world import Reply, Watcher, ask, cluster

from gitops_rollback.sandbox.kubernetes import KINDS, Kind, KubernetesSandbox, kind_of
from gitops_rollback.sandbox.kubernetes.kinds import EVENT

pytestmark = pytest.mark.shared

Json = dict[str, Any]
BEFORE_THE_LEASE = 915  # the version just before the recorded client made its Lease
LISTED = 918  # that of the recorded lists of Pods and Events
OLDEST = 410  # "too old resource version: 1 (410)"
NEW = ("uid", "creationTimestamp", "managedFields")
NOT_HEADERS = {"date", "audit-id", "content-length", "transfer-encoding"}
SCENARIOS = (
    *("bad-image-reverted", "build-failed", "depends-on", "health-wait-ignores-revert"),
    *("helm-release-remediated", "monorepo-foreign-commit", "suspended-acknowledges"),
)


@dataclass(frozen=True)
class Recorded:
    """One recorded request with its answer."""

    note: str
    request: Json
    response: Json


def recorded(shared: Path, scenario: str) -> list[Recorded]:
    lines = (shared / "recordings" / "flux" / scenario / "api.jsonl").read_text().splitlines()
    entries = map(json.loads, lines)
    return [Recorded(one.get("note", ""), one.get("request", {}), one["response"]) for one in entries]


def objects_in(answers: list[Recorded], shared: Path) -> Iterator[tuple[Kind, Json]]:
    """Every object that the recording shows, the first time it does."""
    lines = (shared / "recordings" / "flux" / "kubernetes-api" / "watch.jsonl").read_text().splitlines()
    lists = [one["list"] for one in map(json.loads, lines) if "list" in one]
    shown = [one.response["body"] for one in answers if one.request.get("method") == "GET"]
    seen: set[tuple[str, str, str]] = set()
    for body in [*lists, *(body for body in shown if isinstance(body, dict) and "apiVersion" in body)]:
        for item in body.get("items", [body]):
            whole = {"apiVersion": body["apiVersion"], "kind": body["kind"].removesuffix("List"), **item}
            key = (whole["kind"], whole["metadata"].get("namespace", ""), whole["metadata"].get("name", ""))
            if whole["kind"] in {kind.kind for kind in KINDS} - {"Lease"} and key not in seen:
                seen.add(key)
                yield kind_of(whole), whole
        if body["kind"] == "EventList":  # the recording shows how many more there were
            for left in range(body["metadata"]["remainingItemCount"]):
                yield EVENT, {**whole, "metadata": {**whole["metadata"], "name": f"later-{left}"}}


@pytest.fixture(scope="module")
def answers(shared: Path) -> list[Recorded]:
    return recorded(shared, "kubernetes-api")


@pytest.fixture(scope="module")
def replies(answers: list[Recorded], shared: Path) -> Iterator[dict[str, Reply]]:
    """Each recorded request made again, once for all tests of this file."""
    objects = list(objects_in(answers, shared))
    with cluster(speed=20.0) as sandbox:
        sandbox.store.load(objects, 908, OLDEST)
        found: dict[str, Reply] = {}
        for one in answers:
            if one.note == "create lease":
                sandbox.store.load(objects, BEFORE_THE_LEASE)
            if one.note == "pods":
                sandbox.store.load(objects, LISTED)
            found[one.note] = made_again(sandbox, one, found)
        yield found


def made_again(sandbox: KubernetesSandbox, one: Recorded, before: dict[str, Reply]) -> Reply:
    if not one.request:  # its request was not kept, but what it says is known
        return ask(sandbox, "GET", "/api/v1/pods", token="wrong")
    body = one.request["body"]
    if one.request["method"] == "PUT" and "leases" in one.request["path"]:  # the identity is the new Lease's own
        body["metadata"]["uid"] = before["create lease"].json["metadata"]["uid"]
    media = one.request["headers"].get("Content-Type", "")
    return ask(sandbox, one.request["method"], one.request["path"], body, media)


def told(body: Any) -> Any:
    """A body without what is new at each time, as text, so that the order of fields counts."""
    if isinstance(body, dict) and body.get("kind") == "Lease":
        body = {**body, "metadata": {key: value for key, value in body["metadata"].items() if key not in NEW}}
    if isinstance(body, dict) and body.get("status") == "Success":
        body = {**body, "details": {key: value for key, value in body["details"].items() if key not in NEW}}
    return json.dumps(body)


def test_every_recorded_request_gets_the_recorded_answer(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    for one in answers:
        reply, body = replies[one.note], one.response["body"]
        assert (one.note, reply.status) == (one.note, one.response["status"])
        if one.note in ("version", "streaming list with bookmark"):
            continue
        given = reply.text if isinstance(body, str) else reply.json
        assert (one.note, told(given)) == (one.note, told(body))


def test_headers_are_the_recorded_ones(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    for one in answers:
        wanted = one.response.get("headers")
        if wanted:
            headers = replies[one.note].headers
            assert (one.note, set(headers) - NOT_HEADERS) == (one.note, set(wanted) - NOT_HEADERS)
            assert (one.note, headers["content-type"]) == (one.note, wanted["content-type"])
            assert (one.note, "audit-id" in headers) == (one.note, "audit-id" in wanted)


def test_bodies_are_as_long_and_as_chunked_as_recorded(answers: list[Recorded], replies: dict[str, Reply]) -> None:
    for one in answers:
        wanted = one.response.get("headers", {})
        if one.note not in ("version", "events", "pods"):
            headers = replies[one.note].headers
            length = headers.get("content-length"), headers.get("transfer-encoding")
            recorded_length = wanted.get("content-length"), wanted.get("transfer-encoding")
            assert (one.note, *length) == (one.note, *(recorded_length if wanted else length))


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


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_patch_of_an_annotation_does_to_the_object_what_was_recorded(scenario: str, shared: Path) -> None:
    """The answer of each recorded reconcile request, from the state just before it."""
    for one in recorded(shared, scenario):
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
    lines = (shared / "recordings" / "flux" / scenario / "watch.jsonl").read_text().splitlines()
    for one in map(json.loads, lines):
        bodies = one["list"]["items"] if "list" in one else [one["event"]["object"]]
        for body in bodies:
            key = (body["kind"], body["metadata"]["name"])
            if key in seen and seen[key] != body:
                yield kind_of(body), seen[key], body
            seen[key] = body
