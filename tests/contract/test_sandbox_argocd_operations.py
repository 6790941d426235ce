"""The sandbox's sync operations beyond the recorded stories: waves, hook policies, partial syncs, rollbacks."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox_argocd_world import Json, World, config_map, deployment, hook, world

from gitops_rollback.sandbox.argocd import AppSpec

SHOP = [AppSpec("shop", path="apps/shop")]


def annotated(manifest: str, **annotations: str) -> str:
    body = json.loads(manifest)
    named = {f"argocd.argoproj.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    body["metadata"].setdefault("annotations", {}).update(named)
    return json.dumps(body)


def ended(application: Json) -> bool:
    return "operation" not in application and "finishedAt" in application["status"].get("operationState", {})


def results(application: Json) -> dict[str, str]:
    rows = application["status"]["operationState"]["syncResult"]["resources"]
    return {row["name"]: row["hookPhase"] for row in rows}


def test_a_later_wave_is_not_applied_while_an_earlier_one_is_degraded(tmp_path: Path) -> None:
    files = {
        "apps__shop__first_yaml": annotated(deployment("first", "v1-crash"), sync_wave="-1"),
        "apps__shop__second_yaml": deployment("second", "v1"),
    }
    with world(tmp_path, [AppSpec("shop", path="apps/shop", retry_limit=0)], files) as shop:
        app = shop.until("shop", "ended", ended)
        assert app["status"]["operationState"]["phase"] == "Failed"
        assert "second" not in results(app)
        assert "history" not in app["status"]


def test_a_wave_waits_for_the_health_of_the_one_before(tmp_path: Path) -> None:
    files = {
        "apps__shop__first_yaml": annotated(deployment("first", "v1"), sync_wave="-1"),
        "apps__shop__second_yaml": deployment("second", "v1"),
    }
    with world(tmp_path, SHOP, files) as shop:
        waiting = "waiting for healthy state of apps/Deployment/first"
        shop.until("shop", "waits", lambda app: app["status"].get("operationState", {}).get("message") == waiting)
        app = shop.until("shop", "ended", ended)
        assert results(app) == {"shop": "Running", "first": "Succeeded", "second": "Running"}


def test_a_hook_with_a_delete_policy_is_gone_after_it_succeeded(tmp_path: Path) -> None:
    kept = {"apps__shop__hook_yaml": hook("shop", "PreSync", "v1")}
    gone = {"apps__shop__hook_yaml": annotated(hook("shop", "PreSync", "v1"), hook_delete_policy="HookSucceeded")}
    for number, files in enumerate((kept, gone)):
        directory = tmp_path / str(number)
        directory.mkdir()
        with world(directory, SHOP, {**files, "apps__shop__d_yaml": deployment("shop", "v1")}) as shop:
            shop.until_calm("shop")
            tree = shop.ask("GET", "/api/v1/applications/shop/resource-tree?project=default").json
            assert [node["kind"] for node in tree["nodes"]].count("Job") == (1 if number == 0 else 0)


def test_a_partial_sync_skips_hooks_and_history(tmp_path: Path) -> None:
    files = {
        "apps__shop__d_yaml": deployment("shop", "v1"),
        "apps__shop__note_yaml": config_map("note", "1"),
        "apps__shop__hook_yaml": hook("shop", "PreSync", "v1-hang"),
    }
    with world(tmp_path, [AppSpec("shop", path="apps/shop", auto_sync=False)], files) as shop:
        shop.until("shop", "compared", lambda app: app["status"]["sync"]["status"] == "OutOfSync")
        shop.sync("shop", resources=[{"kind": "ConfigMap", "name": "note"}])
        app = shop.until("shop", "ended", ended)
        assert results(app) == {"shop": "Running", "note": "Running"}
        assert "history" not in app["status"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    files = {"apps__shop__d_yaml": deployment("shop", "v1")}
    with world(tmp_path, [AppSpec("shop", path="apps/shop", auto_sync=False)], files) as shop:
        shop.until("shop", "compared", lambda app: app["status"]["sync"]["status"] == "OutOfSync")
        shop.sync("shop", dryRun=True)
        app = shop.until("shop", "ended", ended)
        assert "history" not in app["status"]
        assert shop.sandbox.deployed("shop").revision == ""
        assert app["status"]["health"]["status"] == "Missing"


def test_a_rollback_without_auto_sync_deploys_the_old_revision_and_leaves_git_ahead(tmp_path: Path) -> None:
    files = {"apps__shop__d_yaml": deployment("shop", "v1")}
    with world(tmp_path, [AppSpec("shop", path="apps/shop", auto_sync=False)], files) as shop:
        shop.until("shop", "compared", lambda app: app["status"]["sync"]["status"] == "OutOfSync")
        shop.sync("shop")
        first = shop.until("shop", "first", ended)["status"]["history"][0]["revision"]
        shop.repository.push("v2", apps__shop__d_yaml=deployment("shop", "v2"))
        shop.sync("shop")
        shop.until("shop", "second", lambda app: ended(app) and len(app["status"]["history"]) == 2)
        shop.ask("POST", "/api/v1/applications/shop/rollback", {"id": 0, "project": "default"})
        app = shop.until(
            "shop",
            "rolled back",
            lambda app: (
                ended(app) and len(app["status"]["history"]) == 3 and app["status"]["sync"]["status"] == "OutOfSync"
            ),
        )
        assert app["status"]["history"][-1]["revision"] == first
        unknown = shop.ask("POST", "/api/v1/applications/shop/rollback", {"id": 9, "project": "default"}).json
        assert unknown["message"] == "application argocd/shop does not have deployment with id 9"


def revert_during_a_stuck_sync(shop: World) -> Json:
    """Push a bad commit whose hook hangs, then its revert with a new image; compare, then terminate."""
    shop.until_calm("shop")
    shop.repository.push("bad", apps__shop__hook_yaml=hook("shop", "PreSync", "v2-hang"))
    shop.repository.push("bad too", apps__shop__d_yaml=deployment("shop", "v2"))
    shop.refresh("shop")
    shop.until("shop", "stuck", lambda app: "hook" in app["status"].get("operationState", {}).get("message", ""))
    good = {"apps__shop__hook_yaml": None, "apps__shop__d_yaml": deployment("shop", "v3")}
    shop.repository.push("forward", **good)
    shop.refresh("shop")
    shop.terminate("shop")
    return shop.until("shop", "ended", lambda app: app["status"].get("operationState", {}).get("phase") == "Failed")


def test_after_a_stuck_sync_the_next_commit_is_synced_by_itself(tmp_path: Path) -> None:
    files = {"apps__shop__d_yaml": deployment("shop", "v1")}
    paths = {"argocd.argoproj.io/manifest-generate-paths": "."}
    with world(tmp_path, [AppSpec("shop", path="apps/shop", annotations=paths)], files) as shop:
        revert_during_a_stuck_sync(shop)
        shop.until("shop", "second", lambda app: len(app["status"].get("history", ())) == 2)


def test_with_issue_27875_only_an_explicit_sync_helps(tmp_path: Path) -> None:
    files = {"apps__shop__d_yaml": deployment("shop", "v1")}
    paths = {"argocd.argoproj.io/manifest-generate-paths": "."}
    applications = [AppSpec("shop", path="apps/shop", annotations=paths)]
    with world(tmp_path, applications, files, issue_27875=True) as shop:
        revert_during_a_stuck_sync(shop)
        shop.refresh("shop")
        app = shop.sandbox.application("shop")
        assert "operation" not in app
        assert app["status"]["sync"]["status"] == "OutOfSync"
        assert app["status"]["conditions"][0]["type"] == "SyncError"
        bad = app["status"]["operationState"]["syncResult"]["revision"]
        assert app["status"]["conditions"][0]["message"].startswith(f"Failed last sync attempt to [{bad}]")
        shop.sync("shop")
        shop.until("shop", "second", lambda app: len(app["status"]["history"]) == 2)
