"""The sandbox's Argo CD against the recorded one, field by field: names, JSON types, presence, order of states, errors.

Each story is played once on the sandbox; what its watcher saw and what its requests got is held against the recording.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox_argocd_stories import STORIES, Story
from sandbox_argocd_world import Json, Reply, Stream, world

pytestmark = pytest.mark.shared

Shape = frozenset[tuple[str, str]]
Step = tuple[str, str, str, bool, int]  # sync, health, phase, operation present, history entries since the beginning

LEFT_OUT = {
    ".metadata.managedFields": "who wrote which field; no client of the product reads it",
    ".items[].metadata.managedFields": "the same, in lists",
    ".items[].status.resources[].health": "the real list shows it only after a watch has put it into its cache",
}

# Fields that a state may have or not, as the moment falls.
EITHER_WAY = {
    ".status.resources[].health.message": "the health of resources is that of the last look at the cluster",
}
EITHER_WAY_IN = {
    "post-sync-hook-fails": {
        ".status.operationState.syncResult.resources[].hookType": "terminated just before or after a new attempt began",
    }
}

TRACKED = "argocd.argoproj.io/tracking-id"
NOT_LIVE = {f".metadata.annotations.{TRACKED}": "by what Argo CD knows its objects is a setting"}
NOT_PLAYED = {
    "outside /api: the web page, 200": "the recorded build had no web page; a release has one, and so has the sandbox",
}
# States that a race inside the real controller showed or hid in one recording: (in the recording, in the sandbox).
# Each is taken out once, where it comes first.
RACES: dict[str, tuple[list[Step], list[Step]]] = {
    # The cluster told of the ConfigMap before the Deployment existed, and of both before the operation's last write.
    "multi-source": (
        [
            ("OutOfSync", "Healthy", "Running", True, 0),
            ("OutOfSync", "Healthy", "Running", True, 1),
            ("Synced", "Progressing", "Running", True, 1),
        ],
        [("OutOfSync", "Missing", "Running", True, 1), ("OutOfSync", "Missing", "Succeeded", False, 1)],
    ),
    # The cluster told of the new pods a few milliseconds before the operation's last write, and those of the revert
    # were ready before the comparison after it.
    "crash-loop-synced-directly": (
        [("Synced", "Progressing", "Running", True, 1)],
        [("OutOfSync", "Healthy", "Succeeded", False, 1), ("Synced", "Progressing", "Succeeded", False, 2)],
    ),
}


@dataclass(frozen=True)
class Played:
    """A story as it went in the sandbox."""

    story: Story
    states: list[Json]
    replies: dict[str, list[Reply]]
    headers: dict[str, str]


@pytest.fixture(scope="module", params=STORIES, ids=lambda story: story.scenario)
def played(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Every story, played once for all tests of this file."""
    story: Story = request.param
    assert (shared / "recordings" / "argocd" / story.scenario).is_dir()
    name = story.application.name
    directory = tmp_path_factory.mktemp(story.scenario)
    options = {"timing": story.timing, "speed": 20.0, "paused": story.before is None}
    with world(directory, [story.application], story.files, **options) as stage:
        if story.before:
            story.before(stage)
        stream = Stream(stage.sandbox)
        assert stream.wait(lambda: bool(stream.events))
        stage.sandbox.pause_controller(False)
        story.play(stage)
        last = stage.sandbox.application(name)["metadata"]["resourceVersion"]
        assert stream.wait(lambda: stream.states(name)[-1]["metadata"]["resourceVersion"] == last)
        stream.close()
        return Played(story, stream.states(name), stage.replies, stream.headers)


def recorded_states(shared: Path, story: Story) -> list[Json]:
    states = []
    for line in (shared / "recordings" / "argocd" / story.scenario / "stream.txt").read_text().splitlines():
        body = line.partition("\t")[2]
        if body.startswith("data:"):
            application = json.loads(body.removeprefix("data:"))["result"]["application"]
            if application["metadata"]["name"] == story.application.name:
                states.append(application)
    return states


def recorded_replies(shared: Path, story: Story) -> list[tuple[str, Json]]:
    lines = (shared / "recordings" / "argocd" / story.scenario / "rest.jsonl").read_text().splitlines()
    return [(entry["note"], entry["response"]) for entry in map(json.loads, lines)]


def steps(states: Iterable[Json], without: list[Step]) -> list[Step]:
    found: list[Step] = []
    first = -1
    for state in states:
        status = state["status"]
        entries = len(status.get("history", ()))
        first = entries if first < 0 else first
        phase = status.get("operationState", {}).get("phase", "")
        words = (status["sync"]["status"], status["health"].get("status", ""), phase)
        whole: Step = (*words, "operation" in state, entries - first)
        if found[-1:] != [whole]:
            found.append(whole)
    for step in without:
        found.remove(step)
    return found


def shape(value: object, at: str = "") -> Shape:
    """Every path in a JSON value with its type; list items share one path, and what is left out is left out."""
    if at in LEFT_OUT:
        return frozenset()
    found = {(at, type(value).__name__)}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= shape(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for inner in value:
            found |= shape(inner, f"{at}[]")
    return frozenset(found)


def class_of(state: Json) -> tuple[object, ...]:
    """States of one class must look alike: same words, same stage of the operation."""
    status = state["status"]
    operation = status.get("operationState", {})
    message = operation.get("message", "").partition(" of ")[0]
    return (
        status["sync"]["status"],
        status["health"].get("status", ""),
        operation.get("phase", ""),
        "operation" in state,
        "finishedAt" in operation,
        "retryCount" in operation,
        message if message.startswith("waiting") else "",
        sorted(state.get("operation", operation.get("operation", {})).get("initiatedBy", {})) == ["automated"],
        "argocd.argoproj.io/refresh" in state["metadata"].get("annotations", {}),
        any(resource.get("hook") for resource in status.get("resources", ())),
        bool(status.get("history")),
    )


def by_class(states: Iterable[Json]) -> dict[tuple[object, ...], Shape]:
    classes: dict[tuple[object, ...], Shape] = defaultdict(frozenset)
    for state in states:
        classes[class_of(state)] |= shape(state)
    return classes


def test_states_come_in_the_recorded_order(played: Played, shared: Path) -> None:
    in_recording, in_sandbox = RACES.get(played.story.scenario, ([], []))
    recorded = steps(recorded_states(shared, played.story), in_recording)
    assert steps(played.states, in_sandbox) == recorded


def test_every_state_has_the_recorded_fields_and_types(played: Played, shared: Path) -> None:
    recorded, ours = by_class(recorded_states(shared, played.story)), by_class(played.states)
    allowed = {*EITHER_WAY, *EITHER_WAY_IN.get(played.story.scenario, ())}
    raced = {step[:4] for step in RACES.get(played.story.scenario, ([], []))[0]}
    assert [kind for kind in recorded if kind not in ours and kind[:4] not in raced] == []
    for kind in set(recorded) & set(ours):
        assert {path for path, _ in recorded[kind] ^ ours[kind]} - allowed == set(), kind


def test_every_recorded_request_gets_the_recorded_kind_of_answer(played: Played, shared: Path) -> None:
    for note, reply, recorded in pairs(played, shared):
        assert (note, reply.status, reply.content_type) == (
            note,
            recorded["status"],
            recorded["headers"]["content-type"],
        )
        assert (note, header_names(reply.headers)) == (note, header_names(recorded["headers"]))
        if not isinstance(recorded["body"], dict):
            assert (note, reply.text) == (note, recorded["body"])
            continue
        name = played.story.application.name
        differing = {path for path, _ in shape(only(name, recorded["body"])) ^ shape(only(name, reply.json))}
        assert (note, differing - {*EITHER_WAY}) == (note, set())


def test_a_tree_shows_each_kind_of_object_as_recorded(played: Played, shared: Path) -> None:
    for note, reply, recorded in pairs(played, shared):
        if isinstance(recorded["body"], dict) and "nodes" in recorded["body"]:
            ours, theirs = (sorted(map(facets, body["nodes"])) for body in (reply.json, recorded["body"]))
            assert (note, list(dict.fromkeys(ours))) == (note, list(dict.fromkeys(theirs)))
            pods = [sum(node["kind"] == "Pod" for node in body["nodes"]) for body in (reply.json, recorded["body"])]
            assert (note, pods[0]) == (note, pods[1])


def test_live_objects_are_shown_with_all_that_kubernetes_writes(played: Played, shared: Path) -> None:
    for note, reply, recorded in pairs(played, shared):
        if not isinstance(recorded["body"], dict) or "liveState" not in recorded["body"].get("items", [{}])[0]:
            continue
        for ours, theirs in zip(reply.json["items"], recorded["body"]["items"], strict=True):
            for side in ("liveState", "normalizedLiveState", "predictedLiveState"):
                differing = shape(json.loads(ours[side])) ^ shape(json.loads(theirs[side]))
                assert (note, side, {path for path, _ in differing} - {*NOT_LIVE}) == (note, side, set())


def test_errors_are_worded_as_recorded(played: Played, shared: Path) -> None:
    for note, reply, recorded in pairs(played, shared):
        if recorded["status"] >= 400 and isinstance(recorded["body"], dict):
            assert (note, without_chance(reply.text)) == (note, without_chance(json.dumps(recorded["body"])))


def test_the_stream_begins_with_the_recorded_headers(played: Played, shared: Path) -> None:
    first = (shared / "recordings" / "argocd" / played.story.scenario / "stream.txt").read_text().splitlines()[0]
    recorded = json.loads(first.partition("HTTP 200 ")[2])
    assert header_names(played.headers) == header_names({key.lower(): value for key, value in recorded.items()})
    assert played.headers["content-type"] == recorded["Content-Type"]


def header_names(headers: Mapping[str, str]) -> set[str]:
    """Header names but those of the day, of the connection, and of how the body's end is told."""
    return set(headers) - {"date", "server", "connection", "content-length", "transfer-encoding"}


def pairs(played: Played, shared: Path) -> Iterator[tuple[str, Reply, Json]]:
    """Each recorded answer with the sandbox's; several of one note in their order."""
    left = {note: list(replies) for note, replies in played.replies.items()}
    for note, recorded in recorded_replies(shared, played.story):
        if note not in NOT_PLAYED:
            yield note, left[note].pop(0), recorded


def only(name: str, body: Json) -> Json:
    """A list of Applications cut to one of them; the recorded world had more."""
    if not any("spec" in item for item in body.get("items", ())):
        return body
    return {**body, "items": [item for item in body["items"] if item["metadata"]["name"] == name]}


def facets(node: Json) -> str:
    """What a node of a tree says, without names, numbers and the kubelet's further words."""
    info = [(one["name"], re.sub(r"[1-9][0-9]*$", "N", one.get("value", ""))) for one in node.get("info", ())]
    health = dict(node.get("health", {}))
    health["message"] = re.split(r": |=", health.get("message", ""))[0]
    owners = [one["kind"] for one in node.get("parentRefs", ())]
    shown = [(name, "" if name == "Node" else value) for name, value in info]
    return json.dumps([node["kind"], owners, health, shown, node.get("images")])


def without_chance(text: str) -> Json:
    """An error's body without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{40}", "SHA", text)
    return dict(json.loads(re.sub(r"iat: [-0-9T:Z]+", "iat: THEN", text)))
