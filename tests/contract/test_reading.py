"""What has not changed is not read again, and whatever has changed is: of thousands of applications, at each look."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

from argocd_server import EXCERPTS, engine_for, json_reply, lines, serve
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.adapters.engines.argocd_wire import read_application, read_each
from gitops_rollback.adapters.engines.reading import Reader
from gitops_rollback.core.sync import Health

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RECORDED = [entry["object"] for entry in lines(EXCERPTS / "states.jsonl")]
JSON = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metadata", "name", "a"]), inner),
)


def named(name: str, health: str = "Healthy") -> dict:
    found = copy.deepcopy(RECORDED[0])
    found["metadata"]["name"] = name
    found["status"]["health"]["status"] = health
    return found


def test_each_look_tells_what_the_engine_says_then_and_when_that_was() -> None:
    looks = [[named("a"), named("b")], [named("a"), named("b", "Degraded")], [named("b")], [named("a"), named("b")]]
    reader = Reader()
    for number, objects in enumerate(looks):
        at = NOW + number * MINUTE
        states = read_each(copy.deepcopy(objects), "default", at, reader)
        assert states == tuple(read_application(one, "default", at) for one in objects)


def test_only_what_has_changed_or_came_is_read() -> None:
    read: list[object] = []

    def note(value: object) -> str:
        read.append(value)
        return "read"

    reader = Reader()
    for objects in ([named("a"), named("b")], [named("a"), named("b", "Degraded")], [named("b", "Degraded")]):
        assert reader.read(note, objects) == ["read"] * len(objects)
        reader.next_look()
    assert read == [named("a"), named("b"), named("b", "Degraded")]
    reader.read(note, [named("a")])
    assert read[3:] == [named("a")]  # it was gone, so it is nobody's any more


def test_one_object_that_is_there_twice_and_another_kind_of_that_name_are_all_read() -> None:
    objects = [named("a"), named("a", "Degraded"), {**named("a"), "kind": "Other"}, None, "a", {"metadata": 7}]
    reader = Reader()
    for _ in range(3):
        assert reader.read(lambda value: copy.deepcopy(value), objects) == objects
        reader.next_look()


@given(st.lists(st.lists(JSON, max_size=4), max_size=5))
def test_whatever_came_before_each_object_is_told_as_it_is(looks: list[list[object]]) -> None:
    reader = Reader()
    for objects in looks:
        assert reader.read(lambda value: copy.deepcopy(value), objects) == objects
        reader.next_look()


def test_argo_cd_is_believed_anew_at_each_list() -> None:
    with serve() as server:
        engine = engine_for(server)
        for health in (Health.HEALTHY, Health.HEALTHY, Health.DEGRADED):
            server.put("GET", "/api/v1/applications", json_reply({"metadata": {}, "items": [named("a", health)]}))
            before = datetime.now(UTC)
            (state,) = engine.applications()
            assert state.health is health
            assert state.observed_at >= before
