"""The sandbox's Argo CD for everybody: the traps that a controller must survive are really there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from sandbox_argocd_world import JSON_TYPE, Json, Stream, World, config_map, deployment, hook, settled, world

from gitops_rollback.sandbox.argocd import AppSpec, Deployed, SyncWindow, Timing

SHOP = [AppSpec("shop", path="apps/shop")]
SHOP_FILES = {"apps__shop__deployment_yaml": deployment("shop", "v1")}


def shop_at(shop: World, tag: str) -> str:
    return shop.repository.push(f"shop {tag}", apps__shop__deployment_yaml=deployment("shop", tag))


def test_a_good_commit_becomes_a_healthy_deployment_with_one_history_entry(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        second = shop_at(shop, "v2")
        shop.refresh("shop")
        status = shop.until_settled("shop", second)["status"]
        assert [entry["id"] for entry in status["history"]] == [0, 1]
        assert status["history"][-1]["revision"] == second
        assert status["summary"]["images"] == ["registry.example/shop:v2"]
        assert shop.sandbox.deployed("shop").revision == second


def test_the_branch_is_polled_without_anybody_asking(tmp_path: Path) -> None:
    timing = Timing(reconciliation=5, jitter=1)
    with world(tmp_path, SHOP, SHOP_FILES, timing=timing) as shop:
        shop.until_calm("shop")
        shop.until_settled("shop", shop_at(shop, "v2"))


def test_the_operation_state_vanishes_and_history_comes_before_success(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        stream = Stream(shop.sandbox)
        assert stream.wait(lambda: len(stream.events) == 1)
        shop.until_settled("shop", _push_and_refresh(shop, "v2"))
        assert stream.wait(lambda: settled(stream.states("shop")[-1], shop.sandbox.deployed("shop").revision))
        stream.close()
        steps = [_step(state) for state in stream.states("shop")]
        assert list(dict.fromkeys(steps)) == [
            ("Succeeded", False, 1),
            ("", True, 1),
            ("Running", True, 1),
            ("Running", True, 2),
            ("Succeeded", False, 2),
        ]


def _push_and_refresh(shop: World, tag: str) -> str:
    sha = shop_at(shop, tag)
    shop.refresh("shop")
    return sha


def _step(state: Json) -> tuple[str, bool, int]:
    status = state["status"]
    phase = status.get("operationState", {}).get("phase", "")
    return phase, "operation" in state, len(status.get("history", []))


def test_a_foreign_commit_moves_the_revision_without_any_operation(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        before = shop.until_calm("shop")
        foreign = shop.repository.push("a note", README_md="hello")
        shop.refresh("shop")
        after = shop.until("shop", "compared", lambda app: app["status"]["sync"]["revision"] == foreign)
        assert after["status"]["history"] == before["status"]["history"]
        assert after["status"]["operationState"] == before["status"]["operationState"]
        assert shop.sandbox.deployed("shop").revision != foreign


def test_a_crash_looping_image_turns_degraded_after_the_progress_deadline_only(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        stream = Stream(shop.sandbox)
        _push_and_refresh(shop, "v2-crash")
        bad = shop.until("shop", "Degraded", lambda app: app["status"]["health"]["status"] == "Degraded")
        health = [state["status"]["health"]["status"] for state in stream.states("shop")]
        assert list(dict.fromkeys(health))[:2] == ["Healthy", "Progressing"]
        stream.close()
        since = datetime.fromisoformat(bad["status"]["health"]["lastTransitionTime"])
        started = datetime.fromisoformat(bad["status"]["operationState"]["startedAt"])
        assert 14 <= (since - started).total_seconds() <= 20
        assert bad["status"]["reconciledAt"] < bad["status"]["health"]["lastTransitionTime"]
        assert bad["status"]["summary"]["images"] == ["registry.example/shop:v1", "registry.example/shop:v2-crash"]


STUCK = [AppSpec("stuck", path="apps/stuck")]
STUCK_FILES = {
    "apps__stuck__deployment_yaml": deployment("stuck", "v1"),
    "apps__stuck__hook_yaml": hook("stuck", "PreSync", "v1"),
}


def stuck_on_a_hook(stuck: World) -> None:
    stuck.until_calm("stuck")
    bad = {"apps__stuck__hook_yaml": hook("stuck", "PreSync", "v2-hang")}
    bad["apps__stuck__deployment_yaml"] = deployment("stuck", "v2")
    stuck.repository.push("bad", **bad)
    stuck.refresh("stuck")
    stuck.until("stuck", "hook runs", lambda app: "hook" in app["status"].get("operationState", {}).get("message", ""))


def test_a_stuck_operation_blocks_the_revert_until_it_is_terminated_and_synced(tmp_path: Path) -> None:
    with world(tmp_path, STUCK, STUCK_FILES) as stuck:
        stuck_on_a_hook(stuck)
        good = stuck.repository.push("revert", **STUCK_FILES)
        stuck.refresh("stuck")
        app = stuck.sandbox.application("stuck")
        assert (app["status"]["sync"]["revision"], app["status"]["sync"]["status"]) == (good, "Synced")
        assert app["operation"]["sync"]["revision"] != good
        refused = stuck.sync("stuck")
        assert (refused.status, refused.json["code"]) == (400, 9)
        assert refused.json["message"] == "another operation is already in progress"
        assert stuck.terminate("stuck").json == {}
        app = stuck.until("stuck", "operation gone", lambda app: "operation" not in app)
        assert app["status"]["operationState"]["phase"] == "Failed"
        assert app["status"]["operationState"]["message"] == "Operation terminated"
        assert len(app["status"]["history"]) == 1
        stuck.sync("stuck", infos=[{"name": "rollback-id", "value": "rb-1"}])
        app = stuck.until("stuck", "synced", lambda app: len(app["status"]["history"]) == 2)
        assert app["status"]["history"][-1]["revision"] == good


def test_a_terminate_is_asynchronous_and_a_sync_at_once_is_refused(tmp_path: Path) -> None:
    with world(tmp_path, STUCK, STUCK_FILES) as stuck:
        stuck_on_a_hook(stuck)
        stuck.sandbox.pause_controller(True)
        assert stuck.terminate("stuck").status == 200
        assert stuck.status("stuck")["operationState"]["phase"] == "Terminating"
        assert stuck.sync("stuck").json["code"] == 9
        stuck.sandbox.pause_controller(False)
        stuck.until("stuck", "operation gone", lambda app: "operation" not in app)


def test_a_failing_post_sync_hook_changes_the_cluster_but_never_enters_history(tmp_path: Path) -> None:
    files = {
        "apps__post__deployment_yaml": deployment("post", "v1"),
        "apps__post__hook_yaml": hook("post", "PostSync", "v1"),
    }
    with world(tmp_path, [AppSpec("post", path="apps/post", retry_limit=1)], files) as post:
        post.until_calm("post")
        bad = {"apps__post__deployment_yaml": deployment("post", "v2")}
        sha = post.repository.push("bad", **bad, apps__post__hook_yaml=hook("post", "PostSync", "v2-fail"))
        stream = Stream(post.sandbox)
        post.refresh("post")
        app = post.until("post", "failed", lambda app: app["status"].get("operationState", {}).get("phase") == "Failed")
        stream.close()
        assert "operation" not in app
        assert app["status"]["operationState"]["message"].endswith("unsuccessfully (retried 1 times).")
        assert app["status"]["operationState"]["syncResult"]["revision"] == sha
        assert len(app["status"]["history"]) == 1
        assert post.sandbox.deployed("post").images == ("registry.example/post:v2",)
        states = [state["status"].get("operationState", {}) for state in stream.states("post")]
        between = [state for state in states if state.get("finishedAt") and state["phase"] == "Running"]
        assert between
        assert "Retrying attempt #1 at" in between[0]["message"]
        # A failed revision is not tried again by itself, however often it is compared.
        post.refresh("post")
        assert "operation" not in post.sandbox.application("post")


def test_a_render_error_is_unknown_at_an_unresolved_revision(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        shop.repository.push("broken", apps__shop__broken_yaml="a: {b: [1,\n")
        status = shop.refresh("shop").json["status"]
        assert (status["sync"]["status"], status["sync"]["revision"]) == ("Unknown", "main")
        assert status["conditions"][0]["type"] == "ComparisonError"
        assert status["health"]["status"] == "Healthy"
        good = shop.repository.push("revert", apps__shop__broken_yaml=None)
        status = shop.refresh("shop").json["status"]
        assert (status["sync"]["status"], status["sync"]["revision"]) == ("Synced", good)
        assert len(status["history"]) == 1
        assert "conditions" not in status


def test_drift_is_healed_by_an_operation_that_history_never_shows(tmp_path: Path) -> None:
    healing = [AppSpec("shop", path="apps/shop", self_heal=True)]
    with world(tmp_path, healing, SHOP_FILES) as shop:
        shop.until_calm("shop")
        shop.sandbox.edit_live("shop", "Deployment", lambda live: live["spec"].update(replicas=9))
        app = shop.until(
            "shop",
            "healed",
            lambda app: (
                "operation" not in app
                and app["status"]["operationState"]["operation"]["sync"].get("autoHealAttemptsCount") == 1
                and app["status"]["sync"]["status"] == "Synced"
            ),
        )
        assert app["status"]["operationState"]["operation"]["sync"]["resources"]
        assert len(app["status"]["history"]) == 1


def test_without_self_heal_drift_stays_out_of_sync(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        shop.sandbox.edit_live("shop", "Deployment", lambda live: live["spec"].update(replicas=9))
        shop.until("shop", "drift seen", lambda app: app["status"]["sync"]["status"] == "OutOfSync")
        shop.refresh("shop")
        assert "operation" not in shop.sandbox.application("shop")


def test_a_sync_without_prune_leaves_what_the_revert_removed(tmp_path: Path) -> None:
    files = {**SHOP_FILES, "apps__shop__note_yaml": config_map("note", "1")}
    with world(tmp_path, [AppSpec("shop", path="apps/shop", prune=False)], files) as shop:
        shop.until_calm("shop")
        sha = shop.repository.push("revert", apps__shop__note_yaml=None)
        shop.refresh("shop")
        assert "operation" not in shop.sandbox.application("shop")
        shop.sync("shop", prune=False)
        app = shop.until("shop", "synced", lambda app: len(app["status"]["history"]) == 2 and "operation" not in app)
        results = {row["kind"]: row["status"] for row in app["status"]["operationState"]["syncResult"]["resources"]}
        assert results["ConfigMap"] == "PruneSkipped"
        assert app["status"]["sync"]["status"] == "OutOfSync"
        shop.sync("shop", prune=True)
        shop.until_settled("shop", sha)


def test_a_closed_window_stops_auto_sync_silently_and_refuses_a_sync(tmp_path: Path) -> None:
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        shop.sandbox.set_sync_windows([SyncWindow(kind="deny")])
        shop_at(shop, "v2")
        status = shop.refresh("shop").json["status"]
        assert status["sync"]["status"] == "OutOfSync"
        assert "operation" not in shop.sandbox.application("shop")
        refused = shop.sync("shop")
        assert (refused.status, refused.json["code"]) == (403, 7)
        assert refused.json["message"] == "cannot sync: blocked by sync window"
        shown = shop.ask("GET", "/api/v1/applications/shop/syncwindows?project=default").json
        assert shown["canSync"] is False
        assert shown["activeWindows"][0]["kind"] == "deny"


def test_listeners_hear_which_revision_and_images_are_live(tmp_path: Path) -> None:
    heard: list[tuple[str, Deployed]] = []
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.sandbox.on_change(lambda name, deployed: heard.append((name, deployed)))
        shop.until_calm("shop")
        sha = _push_and_refresh(shop, "v2")
        shop.until_settled("shop", sha)
    assert (heard[-1][0], heard[-1][1].revision) == ("shop", sha)
    assert heard[-1][1].images == ("registry.example/shop:v2",)


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[World]:
    """A sandbox with one healthy application, whose controller moves only when asked."""
    with world(tmp_path, SHOP, SHOP_FILES) as shop:
        shop.until_calm("shop")
        yield shop


def test_a_rollback_is_refused_while_auto_sync_is_on(healthy: World) -> None:
    reply = healthy.ask("POST", "/api/v1/applications/shop/rollback", {"id": 0, "project": "default"})
    assert (reply.status, reply.json["code"]) == (400, 9)
    assert reply.json["error"] == "rollback cannot be initiated when auto-sync is enabled"


def test_a_sync_to_a_sha_is_refused_while_auto_sync_is_on(healthy: World) -> None:
    sha = healthy.status("shop")["sync"]["revision"]
    reply = healthy.sync("shop", revision=sha)
    assert (reply.status, reply.json["code"]) == (400, 9)
    assert reply.json["message"] == f"Cannot sync to {sha}: auto-sync currently set to main"


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param({}, id="none"),
        pytest.param({"Content-Type": "application/json; charset=utf-8"}, id="with-a-charset"),
    ],
)
def test_every_write_needs_the_exact_content_type_even_a_delete(healthy: World, content_type: dict[str, str]) -> None:
    reply = healthy.terminate("shop", headers=content_type)
    assert (reply.status, reply.content_type, reply.text) == (
        415,
        "text/plain; charset=utf-8",
        "Invalid content type\n",
    )


def test_a_wrong_source_position_is_a_server_error(healthy: World) -> None:
    reply = healthy.sync("shop", sourcePositions=[7], revisions=["main"])
    assert (reply.status, reply.json["code"]) == (500, 2)


def test_a_missing_application_is_told_apart_only_with_its_project(healthy: World) -> None:
    assert healthy.ask("GET", "/api/v1/applications/absent").status == 403
    assert healthy.ask("GET", "/api/v1/applications/absent?project=default").status == 404
    assert healthy.ask("GET", "/api/v1/applications/shop?project=other").json["code"] == 5


def test_an_account_without_a_project_sees_a_shorter_list_and_no_error(tmp_path: Path) -> None:
    applications = [*SHOP, AppSpec("hidden", path="apps/shop", project="secret")]
    with world(tmp_path, applications, SHOP_FILES, projects=["default"], rights=["get"]) as shop:
        reply = shop.ask("GET", "/api/v1/applications")
        assert [item["metadata"]["name"] for item in reply.json["items"]] == ["shop"]
        assert shop.ask("GET", "/api/v1/applications/hidden?project=secret").status == 403
        assert shop.sync("shop").json["message"].startswith("permission denied: applications, sync, default/shop")
        assert shop.ask("GET", "/api/v1/account/can-i/applications/sync/default/shop").json == {"value": "no"}


def test_fields_outside_the_whitelist_are_dropped_without_a_word(healthy: World) -> None:
    wanted = "items.metadata.name,items.metadata.resourceVersion,items.status.history,items.status.sync.status"
    reply = healthy.ask("GET", f"/api/v1/applications?fields={wanted}")
    assert reply.json["items"] == [{"metadata": {"name": "shop"}, "status": {"sync": {"status": "Synced"}}}]


def test_anything_outside_the_api_is_a_web_page_with_200(healthy: World) -> None:
    reply = healthy.ask("GET", "/argo/api/v1/applications")
    assert (reply.status, reply.content_type) == (200, "text/html; charset=utf-8")


def test_a_stream_replays_everything_and_a_cut_one_can_be_opened_again(healthy: World) -> None:
    first = Stream(healthy.sandbox)
    assert first.wait(lambda: len(first.events) == 1)
    assert first.events[0]["type"] == "ADDED"
    assert first.lines[1:3] == ["\n", "\n"]
    healthy.sandbox.cut_stream()
    assert first.wait(lambda: first.ended)
    second = Stream(healthy.sandbox)
    assert second.wait(lambda: len(second.events) == 1)
    healthy.refresh("shop")
    assert second.wait(lambda: second.events[-1]["type"] == "MODIFIED")
    second.close()


def test_a_quiet_stream_is_kept_alive_by_a_colon(tmp_path: Path) -> None:
    timing = Timing(reconciliation=100_000, keepalive=2)
    with world(tmp_path, SHOP, SHOP_FILES, timing=timing) as shop:
        stream = Stream(shop.sandbox)
        assert stream.wait(lambda: ":\n" in stream.lines)
        stream.close()


def test_the_stream_without_server_sent_events_is_json_lines(healthy: World) -> None:
    stream = Stream(healthy.sandbox, accept="application/json")
    assert stream.wait(lambda: len(stream.lines) == 1)
    assert json.loads(stream.lines[0])["result"]["application"]["metadata"]["name"] == "shop"
    assert stream.headers["content-type"] == "application/json"
    stream.close()


def test_a_stream_that_shows_nothing_sends_no_headers(healthy: World) -> None:
    nobody = Stream(healthy.sandbox, query="?selector=team%3Dnone")
    other = Stream(healthy.sandbox)
    assert other.wait(lambda: len(other.events) == 1)
    assert nobody.headers == {}
    assert not nobody.ended
    nobody.close()
    other.close()


def test_dropped_events_are_lost_without_a_trace(healthy: World) -> None:
    stream = Stream(healthy.sandbox)
    assert stream.wait(lambda: len(stream.events) == 1)
    healthy.sandbox.drop_stream_events(2)
    healthy.refresh("shop")
    healthy.refresh("shop")
    assert stream.wait(lambda: len(stream.events) > 1)
    versions = [int(event["application"]["metadata"]["resourceVersion"]) for event in stream.events]
    assert versions[1] - versions[0] >= 3
    stream.close()


def test_a_hanging_refresh_ends_when_the_controller_answers_again(healthy: World) -> None:
    healthy.sandbox.hang_refresh(True)
    waiting = Stream(healthy.sandbox)  # only to see the mark of the refresh arrive
    with ThreadPoolExecutor(1) as pool:
        asker = pool.submit(healthy.refresh, "shop")
        marked = "argocd.argoproj.io/refresh"
        assert waiting.wait(lambda: any(marked in json.dumps(state) for state in waiting.states("shop")))
        assert not asker.done()
        healthy.sandbox.hang_refresh(False)
        assert asker.result(timeout=20).status == 200
    waiting.close()


def test_stale_reads_show_the_old_state_while_the_world_moves(healthy: World) -> None:
    old = healthy.ask("GET", "/api/v1/applications/shop?project=default").json
    healthy.sandbox.stale(True)
    sha = _push_and_refresh(healthy, "v2")
    healthy.until_settled("shop", sha)
    assert healthy.ask("GET", "/api/v1/applications/shop?project=default").json == old
    healthy.sandbox.stale(False)
    assert healthy.ask("GET", "/api/v1/applications/shop?project=default").json["status"]["sync"]["revision"] == sha


def test_forced_answers_and_login_pages_end_when_told(healthy: World) -> None:
    healthy.sandbox.answer(502, "<html>bad gateway</html>", "text/html", times=1)
    assert healthy.ask("GET", "/api/v1/applications").status == 502
    assert healthy.ask("GET", "/api/v1/applications").status == 200
    healthy.sandbox.html_login(True)
    assert healthy.ask("GET", "/api/v1/applications").content_type.startswith("text/html")
    healthy.sandbox.reset()
    assert healthy.ask("GET", "/api/v1/applications").content_type == "application/json"


def test_a_paused_controller_does_nothing_until_it_goes_on(healthy: World) -> None:
    healthy.sandbox.pause_controller(True)
    healthy.sync("shop")
    assert "operation" in healthy.sandbox.application("shop")
    assert "operationState" not in healthy.status("shop")
    healthy.sandbox.pause_controller(False)
    healthy.until("shop", "synced", lambda app: len(app["status"]["history"]) == 2)


def test_every_write_is_remembered_refused_ones_too(healthy: World) -> None:
    healthy.sync("shop", revision="0" * 40)
    healthy.ask("POST", "/api/v1/applications/shop/sync", "{not json", headers=JSON_TYPE)
    assert [(write.method, write.path) for write in healthy.sandbox.writes] == [
        ("POST", "/api/v1/applications/shop/sync"),
        ("POST", "/api/v1/applications/shop/sync"),
    ]
    assert json.loads(healthy.sandbox.writes[0].body)["revision"] == "0" * 40


def test_a_token_must_look_like_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="three parts"), world(tmp_path, SHOP, SHOP_FILES, token="secret"):
        pass
