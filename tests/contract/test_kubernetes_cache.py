"""Does the cache hold what the API has, notice what nobody told it, and disbelieve what is old?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes_server import entry

from gitops_rollback.adapters.kubernetes.cache import LAST_APPLIED, Cache, Change, Key, Stale, is_older, slim
from gitops_rollback.adapters.kubernetes.client import Listing, WatchEvent
from gitops_rollback.core.errors import EngineUnavailable


def of(*changes: Change) -> list[tuple[str, str]]:
    return [(change.key.name, _what(change)) for change in changes]


def _what(change: Change) -> str:
    if change.now is None:
        return "gone"
    return "changed" if change.before else "came"


def cache(version: int, *items: dict[str, Any], limit: int = 100) -> Cache:
    made = Cache("test", limit)
    made.replace(Listing(str(version), items))
    return made


def apply(held: Cache, kind: str, found: dict[str, Any]) -> list[tuple[str, str]]:
    change = held.apply(WatchEvent(kind, found))
    return of(change) if change else []


def test_a_list_tells_what_came_changed_and_went_while_nobody_looked() -> None:
    held = cache(9, entry("a", 1), entry("b", 2), entry("c", 3))
    changes = held.replace(Listing("20", (entry("a", 1), entry("b", 15), entry("d", 18))))
    assert of(*changes) == [("c", "gone"), ("b", "changed"), ("d", "came")]
    assert (held.version, sorted(key.name for key in held.objects)) == ("20", ["a", "b", "d"])


def test_an_object_made_anew_under_its_name_is_a_change() -> None:
    held = cache(9, entry("a", 1))
    again = entry("a", 12, metadata={"uid": "another"})
    assert of(*held.replace(Listing("12", (again,)))) == [("a", "changed")]


def test_one_name_in_two_namespaces_is_two_objects() -> None:
    held = cache(9, entry("a", 1), entry("a", 1, namespace="shop"))
    assert sorted(held.objects) == [Key("flux-system", "a"), Key("shop", "a")]


def test_a_list_that_goes_back_in_time_is_not_believed() -> None:
    held = cache(9, entry("a", 1))
    apply(held, "ADDED", entry("b", 15))
    with pytest.raises(Stale):
        held.replace(Listing("14", (entry("a", 1),)))
    assert (held.version, len(held.objects)) == ("15", 2)


def test_versions_that_are_no_numbers_are_taken_as_they_come() -> None:
    held = cache(9, entry("a", 1))
    assert of(*held.replace(Listing("x7", ()))) == [("a", "gone")]
    assert of(*held.replace(Listing("3", (entry("a", 1),)))) == [("a", "came")]


def test_events_change_the_cache() -> None:
    held = cache(9, entry("a", 1))
    assert apply(held, "MODIFIED", entry("a", 10)) == [("a", "changed")]
    assert apply(held, "ADDED", entry("b", 11)) == [("b", "came")]
    assert apply(held, "MODIFIED", entry("c", 12)) == [("c", "came")]
    assert apply(held, "DELETED", entry("b", 13)) == [("b", "gone")]
    assert apply(held, "DELETED", entry("z", 14)) == []
    assert (held.version, sorted(key.name for key in held.objects)) == ("14", ["a", "c"])


def test_a_bookmark_moves_only_the_version() -> None:
    held = cache(9, entry("a", 1))
    assert apply(held, "BOOKMARK", {"metadata": {"resourceVersion": "30"}}) == []
    assert (held.version, len(held.objects)) == ("30", 1)


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])
def test_an_event_that_goes_back_changes_nothing_and_asks_for_a_list(kind: str) -> None:
    held = cache(20, entry("a", 15))
    with pytest.raises(Stale):
        apply(held, kind, entry("a", 12))
    assert (held.version, held.objects[Key("flux-system", "a")]["metadata"]["resourceVersion"]) == ("20", "15")


def test_an_event_that_comes_twice_is_told_once() -> None:
    held = cache(9)
    assert apply(held, "ADDED", entry("a", 10)) == [("a", "came")]
    assert apply(held, "ADDED", entry("a", 10)) == []


def test_more_objects_than_the_limit_are_refused_before_anything_changes() -> None:
    held = cache(9, entry("a", 1), entry("b", 2), limit=2)
    with pytest.raises(EngineUnavailable, match="more than 2"):
        held.replace(Listing("12", (entry("a", 1), entry("b", 2), entry("c", 12))))
    with pytest.raises(EngineUnavailable, match="more than 2"):
        apply(held, "ADDED", entry("c", 12))
    assert (held.version, len(held.objects)) == ("9", 2)
    assert apply(held, "MODIFIED", entry("b", 13)) == [("b", "changed")]


def test_what_only_weighs_is_dropped_and_the_rest_kept(shared: Path) -> None:
    text = (shared / "recordings" / "flux" / "kubernetes-api" / "watch.jsonl").read_text()
    lists = [one["list"] for one in map(json.loads, text.splitlines()) if "list" in one]
    for found in (item for one in lists for item in one["items"]):
        made = slim(found)
        assert "managedFields" in found["metadata"]
        assert "managedFields" not in made["metadata"]
        assert LAST_APPLIED not in made["metadata"].get("annotations", {})
        assert (made["spec"], made["status"]) == (found["spec"], found["status"])
        assert len(json.dumps(made)) < 0.75 * len(json.dumps(found))


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("9", "10", True), ("10", "9", False), ("9", "9", False), ("", "9", False), ("9", "", False), ("a", "b", False)],
)
def test_versions_are_compared_as_numbers(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
