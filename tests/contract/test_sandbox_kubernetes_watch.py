"""The sandbox's Kubernetes watches: what comes, in which order, and every way in which a watch goes wrong."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_kubernetes_world import (
    KUSTOMIZATIONS,
    LEASES,
    MERGE,
    Reply,
    Watcher,
    ask,
    cluster,
    kustomization,
    lease,
    put_there,
)

from gitops_rollback.sandbox.kubernetes import KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.kinds import KUSTOMIZATION

Json = dict[str, Any]
CART = f"{KUSTOMIZATIONS}/cart"


@pytest.fixture
def api() -> Iterator[KubernetesSandbox]:
    with cluster() as sandbox:
        put_there(sandbox, kustomization("cart"), kustomization("dep"))
        yield sandbox


def edit(api: KubernetesSandbox, name: str = "cart", **spec: Any) -> int:
    """Change a spec behind the client's back; the new version."""
    changed = api.store.change(KUSTOMIZATION, name, "flux-system", lambda body: body["spec"].update(spec))
    return int(changed["metadata"]["resourceVersion"])


def versions(watcher: Watcher) -> list[int]:
    return [int(event["object"]["metadata"]["resourceVersion"]) for event in watcher.events]


def test_a_watch_goes_on_where_a_list_ended(api: KubernetesSandbox) -> None:
    start = ask(api, "GET", KUSTOMIZATIONS).json["metadata"]["resourceVersion"]
    edit(api, suspend=True)
    watcher = Watcher(api, KUSTOMIZATIONS, f"&resourceVersion={start}")
    put_there(api, kustomization("new"))
    ask(api, "DELETE", f"{KUSTOMIZATIONS}/dep")
    assert watcher.wait_for("MODIFIED", "ADDED", "DELETED")
    assert watcher.names == ["cart", "new", "dep"]
    assert versions(watcher) == [3, 4, 5]  # a deletion has a version of its own


def test_other_kinds_and_namespaces_are_not_seen(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    elsewhere = kustomization("cart")
    elsewhere["metadata"]["namespace"] = "team-a"
    put_there(api, elsewhere)
    ask(api, "POST", LEASES, lease())
    edit(api, suspend=True)
    assert watcher.wait(lambda: bool(watcher.events))
    assert versions(watcher) == [5]


def test_a_selector_adds_and_deletes_by_what_fits(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2&labelSelector=tier%3Dfront")
    for tier in ("back", "front", "front2", "front"):
        ask(api, "PATCH", CART, {"metadata": {"labels": {"tier": tier}}}, MERGE)
    edit(api, suspend=True)
    ask(api, "DELETE", CART)
    assert watcher.wait_for("ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED")
    assert watcher.events[1]["object"]["metadata"]["labels"] == {"tier": "front"}  # the last state that fitted


def test_one_object_can_be_watched(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, CART)
    assert watcher.wait_for("ADDED")
    edit(api, "dep", suspend=True)
    edit(api, "cart", suspend=True)
    assert watcher.wait_for("ADDED", "MODIFIED")
    assert watcher.names == ["cart", "cart"]


def test_a_bookmark_comes_where_asked_for_before_the_end() -> None:
    with cluster(speed=20.0, bookmark_every=1000.0) as api:
        put_there(api, kustomization("cart"))
        ask(api, "POST", LEASES, lease())  # another kind: only a bookmark tells of its version
        with_marks = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=10")
        without = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=1&timeoutSeconds=10")
        assert with_marks.wait(lambda: with_marks.ended)
        assert without.wait(lambda: without.ended)
        assert (with_marks.broken, without.broken) == (False, False)
        assert with_marks.types == ["BOOKMARK"]
        assert with_marks.events[0]["object"] == {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"resourceVersion": "2"},
        }
        assert without.events == []


def test_bookmarks_come_regularly() -> None:
    with cluster(speed=20.0, bookmark_every=2.0) as api:
        put_there(api, kustomization("cart"))
        watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=1&allowWatchBookmarks=true")
        assert watcher.wait(lambda: watcher.types[:3] == ["BOOKMARK"] * 3)


def test_a_watch_from_before_a_compaction_gets_an_error_event(api: KubernetesSandbox) -> None:
    edit(api, suspend=True)
    api.expire()
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    assert watcher.wait(lambda: watcher.ended)
    assert (watcher.status, watcher.types) == (200, ["ERROR"])
    assert watcher.events[0]["object"]["code"] == 410
    assert watcher.events[0]["object"]["reason"] == "Expired"
    assert not watcher.broken


def test_a_watch_from_a_version_that_has_not_come_waits_for_it(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=3")
    assert watcher.wait(lambda: watcher.status == 200)
    edit(api, suspend=True)
    edit(api, suspend=False)
    assert watcher.wait_for("MODIFIED")
    assert versions(watcher) == [4]


@pytest.mark.parametrize(
    "query", ["&sendInitialEvents=true", "&resourceVersionMatch=NotOlderThan", "&resourceVersion=nonsense"]
)
def test_watches_that_make_no_sense_are_refused(api: KubernetesSandbox, query: str) -> None:
    assert ask(api, "GET", f"{KUSTOMIZATIONS}?watch=true{query}").status in (400, 422)


def test_watches_that_break_or_end(api: KubernetesSandbox) -> None:
    watchers = [Watcher(api, KUSTOMIZATIONS), Watcher(api, KUSTOMIZATIONS)]
    assert all(watcher.wait_for("ADDED", "ADDED") for watcher in watchers)
    assert api.watches == 2
    api.cut_watches()
    assert all(watcher.wait(lambda watcher=watcher: watcher.ended) for watcher in watchers)
    assert [watcher.broken for watcher in watchers] == [True, True]
    well = Watcher(api, KUSTOMIZATIONS)
    assert well.wait_for("ADDED", "ADDED")
    api.end_watches()
    assert well.wait(lambda: well.ended)
    assert not well.broken


def test_an_error_event_on_open_and_coming_watches(api: KubernetesSandbox) -> None:
    opened = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    assert opened.wait(lambda: opened.status == 200)
    api.watch_error(500, coming=1)
    assert opened.wait(lambda: opened.ended)
    coming = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    assert coming.wait(lambda: coming.ended)
    assert [event["object"]["code"] for event in (*opened.events, *coming.events)] == [500, 500]
    third = Watcher(api, KUSTOMIZATIONS)
    assert third.wait_for("ADDED", "ADDED")


def test_a_watch_that_goes_back_sends_the_old_again(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    edit(api, suspend=True)
    edit(api, suspend=False)
    assert watcher.wait_for("MODIFIED", "MODIFIED")
    api.jump_back(2)
    assert watcher.wait(lambda: len(watcher.events) == 4)
    assert versions(watcher) == [3, 4, 3, 4]
    assert [event["object"]["spec"]["suspend"] for event in watcher.events] == [True, False, True, False]


def test_a_mute_watch_says_nothing_and_does_not_end_at_its_time() -> None:
    with cluster(speed=20.0) as api:
        put_there(api, kustomization("cart"))
        mute = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=1&timeoutSeconds=20")
        assert mute.wait(lambda: mute.status == 200)
        api.mute_watches()
        well = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=1&timeoutSeconds=20")
        edit(api, suspend=True)
        assert well.wait(lambda: well.ended)
        assert (well.types, mute.types, mute.ended) == (["MODIFIED"], [], False)


def test_a_held_watch_tells_later(api: KubernetesSandbox) -> None:
    held = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    assert held.wait(lambda: held.status == 200)
    api.hold_watches(True)
    edit(api, suspend=True)
    assert not held.wait(lambda: bool(held.events), 0.2)
    api.hold_watches(False)
    assert held.wait_for("MODIFIED")


def test_lost_events_are_lost(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS, "&resourceVersion=2")
    assert watcher.wait(lambda: watcher.status == 200)
    api.lose_events(1)
    edit(api, suspend=True)
    last = edit(api, suspend=False)
    assert watcher.wait(lambda: bool(watcher.events))
    assert versions(watcher) == [last]


def test_a_cache_that_lags_shows_the_past_but_no_quorum_read_does(api: KubernetesSandbox) -> None:
    api.lag()
    edit(api, suspend=True)

    def suspended(query: str) -> list[bool]:
        items = ask(api, "GET", f"{KUSTOMIZATIONS}{query}").json["items"]
        return [item["spec"].get("suspend", False) for item in items]

    assert suspended("?resourceVersion=0") == [False, False]
    assert suspended("") == [True, False]
    assert ask(api, "GET", f"{KUSTOMIZATIONS}?resourceVersion=3").status == 504
    assert "suspend" not in ask(api, "GET", f"{CART}?resourceVersion=0").json["spec"]
    watcher = Watcher(api, KUSTOMIZATIONS)
    assert watcher.wait_for("ADDED", "ADDED")
    api.lag(2, quorum=True)
    assert suspended("") == [False, False]
    api.reset()
    assert suspended("?resourceVersion=0") == [True, False]
    assert watcher.wait_for("ADDED", "ADDED", "MODIFIED")


def test_a_restore_goes_back_in_time(api: KubernetesSandbox) -> None:
    backup = [(KUSTOMIZATION, body) for body in api.store.objects(KUSTOMIZATION)]
    edit(api, suspend=True)
    watcher = Watcher(api, KUSTOMIZATIONS)
    assert watcher.wait_for("ADDED", "ADDED")
    api.store.load(backup, 2)
    assert watcher.wait(lambda: watcher.ended)
    assert watcher.broken
    assert "suspend" not in ask(api, "GET", CART).json["spec"]


def test_a_server_that_was_away_comes_back_with_its_objects(api: KubernetesSandbox) -> None:
    watcher = Watcher(api, KUSTOMIZATIONS)
    assert watcher.wait_for("ADDED", "ADDED")
    api.stop()
    assert watcher.wait(lambda: watcher.ended)
    assert watcher.broken
    with pytest.raises(ConnectionRefusedError):
        ask(api, "GET", CART)
    with cluster(store=api.store, port=api.port) as again:
        assert ask(again, "GET", CART).json == api.store.get(KUSTOMIZATION, "cart", "flux-system")


def test_refusals_by_verb_and_kind(api: KubernetesSandbox) -> None:
    ask(api, "POST", LEASES, lease())
    api.refuse(409, verbs=("update",), plural="leases")
    api.refuse(429, times=2, retry_after=3, verbs=("list",))
    api.refuse(503, verbs=("watch",))
    held = ask(api, "GET", f"{LEASES}/gitops-rollback").json
    path = f"{LEASES}/gitops-rollback"
    assert [ask(api, "PUT", path, held).status for _ in range(2)] == [409, 200]
    replies = [ask(api, "GET", KUSTOMIZATIONS) for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert (replies[0].headers["retry-after"], replies[0].reason) == ("3", "TooManyRequests")
    assert replies[0].json["details"]["retryAfterSeconds"] == 3
    watch = ask(api, "GET", f"{KUSTOMIZATIONS}?watch=true&timeoutSeconds=1")
    assert (watch.status, watch.reason) == (503, "ServiceUnavailable")


def test_gone_can_be_the_status_too(api: KubernetesSandbox) -> None:
    api.refuse(410, verbs=("watch",))
    reply = ask(api, "GET", f"{KUSTOMIZATIONS}?watch=true&resourceVersion=1")
    assert (reply.status, reply.reason) == (410, "Expired")


@pytest.mark.parametrize("done", [False, True])
def test_a_lost_answer_is_of_a_write_that_was_made_or_not(api: KubernetesSandbox, done: bool) -> None:
    api.cut(done=done, verbs=("patch",))
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(api, "PATCH", CART, {"spec": {"suspend": True}}, MERGE)
    assert ("suspend" in ask(api, "GET", CART).json["spec"]) is done
    assert ask(api, "PATCH", CART, {"spec": {"suspend": True}}, MERGE).status == 200


def test_silence_lasts_until_the_client_gives_up_or_all_is_well(api: KubernetesSandbox) -> None:
    api.silence(times=2, done=True, verbs=("patch",), name="cart")
    with pytest.raises(TimeoutError):
        ask(api, "PATCH", CART, {"spec": {"suspend": True}}, MERGE, timeout=0.3)
    assert api.wait_until(lambda: "suspend" in api.store.get(KUSTOMIZATION, "cart", "flux-system")["spec"])
    seen: list[BaseException | Reply] = []

    def second() -> None:
        try:
            seen.append(ask(api, "PATCH", CART, {"spec": {"suspend": False}}, MERGE))
        except (OSError, http.client.HTTPException) as exc:
            seen.append(exc)

    thread = threading.Thread(target=second)
    thread.start()
    assert api.wait_until(lambda: api.store.get(KUSTOMIZATION, "cart", "flux-system")["spec"]["suspend"] is False)
    api.reset()
    thread.join(20)
    assert len(seen) == 1
    assert isinstance(seen[0], Exception)


def test_slow_answers_take_sandbox_time() -> None:
    with cluster(speed=50.0) as api:
        put_there(api, kustomization("cart"))
        api.slow(10.0, times=1)
        before = api.store.now()
        assert ask(api, "GET", CART).status == 200
        assert (api.store.now() - before).total_seconds() >= 10.0
