"""The eight recorded stories, played on the sandbox: the same commits, requests and waits as the recordings had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox_argocd_world import Json, World, config_map, deployment, hook

from gitops_rollback.sandbox.argocd import AppSpec, Timing

GET = "GET"
STILL = 100_000.0


@dataclass(frozen=True)
class Story:
    """One recording: its folder, the application that it is about, the files at the start, and what happens.

    `before` runs until the recording began, `play` while it ran.
    """

    scenario: str
    application: AppSpec
    files: Mapping[str, str]
    play: Callable[[World], None]
    before: Callable[[World], None] | None = None
    timing: Timing = field(default_factory=lambda: Timing(reconciliation=STILL, settle=5))


def _shop(tag: str) -> str:
    return deployment("shop", tag)


def _get(world: World, path: str, note: str) -> Any:
    return world.ask(GET, f"/api/v1/applications/{path}", note=note)


def _push(world: World, message: str, **files: str | None) -> str:
    return world.repository.push(message, **files)


def _healthy(world: World, name: str) -> Json:
    return world.until_calm(name)


def _bad_image(world: World) -> None:
    _healthy(world, "shop")
    world.ask(GET, "/api/version", headers={}, note="version, no token")
    world.ask(GET, "/api/v1/applications", note="list")
    _get(world, "shop?project=default", "get")
    fields = "metadata.name,metadata.resourceVersion,status.sync.status,status.sync.revision,status.health"
    fields = ",".join(f"items.{name}" for name in f"{fields},status.operationState.phase,operation".split(","))
    world.ask(GET, f"/api/v1/applications?fields={fields}", note="list with fields")
    bad = _push(world, "shop v2", apps__shop__deployment_yaml=_shop("v2-missing"))
    world.refresh("shop", "refresh after the bad push")
    world.until("shop", "Degraded", lambda app: app["status"]["health"]["status"] == "Degraded")
    _get(world, "shop?project=default", "get while degraded")
    _get(world, "shop/resource-tree?project=default", "resource tree while degraded")
    _get(world, "shop/managed-resources?project=default", "managed resources")
    _get(world, "shop/events?project=default", "events")
    _get(world, f"shop/revisions/{bad}/metadata?project=default", "revision metadata")
    _get(world, "shop/syncwindows?project=default", "sync windows")
    good = _push(world, "revert", apps__shop__deployment_yaml=_shop("v1"))
    world.refresh("shop", "refresh after the revert")
    world.until_settled("shop", good)
    _get(world, "shop?project=default", "get after the revert")


def _foreign(world: World) -> None:
    _healthy(world, "cart")
    sha = _push(world, "not cart", other__note_yaml=config_map("note", "x"))
    world.refresh("cart", "refresh of an application that the commit does not touch")
    world.until_settled("cart", sha)
    _get(world, "cart?project=default", "get: sync.revision is newer than syncResult.revision")


def _stuck(world: World) -> None:
    _healthy(world, "stuck")
    _push(
        world,
        "bad",
        apps__stuck__hook_yaml=hook("stuck", "PreSync", "v2-hang"),
        apps__stuck__deployment_yaml=_stuck_at("v2"),
    )
    world.refresh("stuck", "refresh")
    world.until("stuck", "hook", lambda app: "hook" in app["status"].get("operationState", {}).get("message", ""))
    _push(world, "revert", **STUCK_FILES)
    world.refresh("stuck", "refresh: the running operation still holds the bad revision")
    world.sync("stuck", "sync while an operation runs: refused")
    world.terminate("stuck", "terminate without a content type", headers={})
    world.terminate("stuck", "terminate")
    world.until("stuck", "gone", lambda app: "operation" not in app)
    world.sync("stuck", "sync directly after terminate")
    world.until_calm_after("stuck", 2)
    world.sync("stuck", "sync after the operation is gone", infos=[{"name": "rollback-id", "value": "rb-1"}])
    world.until_calm_after("stuck", 3)
    world.terminate("stuck", "terminate with no operation")
    _get(world, "stuck?project=default", "get at the end")


def _stuck_at(tag: str) -> str:
    return deployment("stuck", tag)


STUCK_FILES = {
    "apps__stuck__hook_yaml": hook("stuck", "PreSync", "v1"),
    "apps__stuck__deployment_yaml": _stuck_at("v1"),
}
POST_FILES = {
    "apps__post__hook_yaml": hook("post", "PostSync", "v1"),
    "apps__post__deployment_yaml": deployment("post", "v1"),
}


def _post(world: World) -> None:
    _healthy(world, "post")
    bad = {"apps__post__hook_yaml": hook("post", "PostSync", "v2-fail")}
    _push(world, "bad", **bad, apps__post__deployment_yaml=deployment("post", "v2"))
    world.refresh("post", "refresh")
    world.until("post", "failed once", lambda app: app["status"].get("operationState", {}).get("retryCount"))
    _get(world, "post?project=default", "get: failed, no history entry")
    good = _push(world, "revert", **POST_FILES)
    world.refresh("post", "refresh")
    world.until(
        "post", "again", lambda app: app["status"]["operationState"]["message"].startswith("Retrying operation")
    )
    world.terminate("post", "terminate the retrying operation")
    world.until_settled("post", good)
    world.sync("post", "sync")
    world.until_calm_after("post", 3)


APPLIED = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}  # the recorded applications came from kubectl
VALUES = AppSpec("values", sources=({"path": "apps/values"}, {"path": "common", "name": "common"}), annotations=APPLIED)
VALUES_FILES = {
    "apps__values__deployment_yaml": deployment("values", "v1"),
    "common__common_yaml": config_map("common", "1"),
}


def _values(world: World) -> None:
    _healthy(world, "values")
    _get(world, "values?project=default", "get multi-source")
    sha = _push(world, "common 2", common__common_yaml=config_map("common", "2"))
    world.refresh("values", "refresh multi-source")
    world.until_settled("values", sha)
    _get(world, "values?project=default", "get multi-source after")


SHOP_WITH_NOTE = {"apps__shop__deployment_yaml": _shop("v1"), "apps__shop__note_yaml": config_map("note", "1")}


def _one_deployment(world: World) -> None:
    _healthy(world, "shop")
    world.refresh("shop")


def _two_deployments(world: World) -> None:
    """What had happened to shop before: two history entries, the last one by a sync."""
    _one_deployment(world)
    world.sync("shop", prune=False)
    world.until_calm_after("shop", 2)


def _render_error(world: World) -> None:
    _push(world, "broken", apps__shop__broken_yaml="apiVersion: v1\nkind: {a: b\nc: d\n")
    world.refresh("shop", "refresh with a manifest that does not parse")
    _get(world, "shop?project=default", "get: Unknown")
    good = _push(world, "revert", apps__shop__broken_yaml=None)
    world.refresh("shop", "refresh after the revert")
    world.until_settled("shop", good)
    _get(world, "shop?project=default", "get")


def _crash_loop(world: World) -> None:
    _push(world, "bad", apps__shop__deployment_yaml=_shop("v3-crash"))
    world.refresh("shop", "refresh")
    world.until("shop", "Degraded", lambda app: app["status"]["health"]["status"] == "Degraded")
    _get(world, "shop/resource-tree?project=default", "tree with crash-looping pods")
    good = _push(world, "revert", apps__shop__deployment_yaml=_shop("v1"))
    world.sync("shop", "sync without refresh", infos=[{"name": "rollback-id", "value": "rb-2"}])
    world.until_settled("shop", good)
    _get(world, "shop?project=default", "get")
    world.sandbox.add(AppSpec("cart", path="apps/shop"))
    world.sandbox.delete("cart")
    _get(world, "cart?project=default", "deleted application")


def _errors(world: World) -> None:
    sha = str(world.sandbox.application("shop")["status"]["history"][0]["revision"])
    shop, sync = "/api/v1/applications/shop?project=default", "/api/v1/applications/shop/sync"
    world.ask(GET, shop, headers={"Authorization": ""}, note="no token")
    world.ask(GET, shop, headers={"Authorization": "Bearer nonsense"}, note="malformed token")
    world.ask(GET, shop, headers={"Authorization": "Bearer a.b.c"}, note="bad signature")
    _get(world, "absent", "absent without project: 403")
    _get(world, "absent?project=default", "absent with project: 404")
    _push(world, "elsewhere", other__note_yaml=config_map("note", "x"))
    world.refresh("shop")
    world.ask("POST", sync, {"project": "default", "revision": "main"}, note="sync with the target revision")
    world.until_calm_after("shop", 2)
    body = {"project": "default", "revision": sha}
    world.ask("POST", sync, body, note="sync to a sha while auto-sync is on: refused")
    charset = {"Content-Type": "application/json; charset=utf-8"}
    world.ask("POST", sync, '{"project":"default"}', charset, "content type with a charset: 415")
    world.ask("POST", sync, "{not json", note="broken JSON")
    rollback = {"id": 0, "project": "default"}
    world.ask("POST", "/api/v1/applications/shop/rollback", rollback, note="rollback while auto-sync is on: refused")
    world.ask(GET, "/api/v1/nothing", note="unknown path")
    world.ask("PUT", "/api/v1/applications", {}, note="wrong verb")
    world.ask(GET, "/api/v1/account/can-i/applications/sync/default/shop", note="can-i")
    world.ask(GET, "/api/v1/session/userinfo", note="userinfo")
    url = world.sandbox.repo_url
    world.ask(GET, f"/api/v1/applications?repo={url}&projects=default", note="list by repo")
    world.ask(GET, "/api/v1/applications?name=shop&refresh=normal", note="list by name")
    patch = {"patch": '{"metadata": {"annotations": {"x": "y"}}}', "patchType": "merge", "project": "default"}
    world.ask("PATCH", "/api/v1/applications/shop", patch, note="patch (needs update)")
    world.refresh("shop")


SHOP = AppSpec("shop", path="apps/shop", annotations=APPLIED)
# In this recording the cluster's events came between the end of an operation and the comparison after it.
EVENTS_FIRST = Timing(reconciliation=STILL, settle=5, events=0.3, write=0.2)
# In this one the pods were ready before the pause between two waves was over.
# There is more time than recorded before the second attempt, so that a busy machine comes in time with the revert.
PODS_FIRST = Timing(reconciliation=STILL, settle=1, ready=1, backoff=30)
STORIES = (
    Story("bad-image-reverted", SHOP, {"apps__shop__deployment_yaml": _shop("v1")}, _bad_image),
    Story(
        "monorepo-foreign-commit",
        AppSpec("cart", path="apps/cart", annotations=APPLIED),
        {"apps__cart__d_yaml": deployment("cart", "v1")},
        _foreign,
    ),
    Story("stuck-hook-terminated", AppSpec("stuck", path="apps/stuck", annotations=APPLIED), STUCK_FILES, _stuck),
    Story(
        "post-sync-hook-fails",
        AppSpec("post", path="apps/post", annotations=APPLIED),
        POST_FILES,
        _post,
        timing=PODS_FIRST,
    ),
    Story("multi-source", VALUES, VALUES_FILES, _values),
    Story("render-error", SHOP, SHOP_WITH_NOTE, _render_error, _two_deployments),
    Story("crash-loop-synced-directly", SHOP, SHOP_WITH_NOTE, _crash_loop, _two_deployments, EVENTS_FIRST),
    Story("errors", SHOP, SHOP_WITH_NOTE, _errors, _one_deployment),
)
