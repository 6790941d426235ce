"""`run --observe` with every right to write: it decides in full, and asks no server to change anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from live_world import Live, living


def kept(folder: Path) -> list[dict[str, Any]]:
    """The decisions as the files have them, line by line."""
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def writes(live: Live) -> list[object]:
    """Every request at any server that could change something."""
    pushes = [one for one in live.world.git.requests if "receive-pack" in one.path]
    return [*pushes, *live.world.git.updates("shop/config.git"), *live.argocd.writes]


def test_observing_decides_in_full_and_writes_nothing_anywhere(tmp_path: Path) -> None:
    out = tmp_path / "decisions"
    with living(tmp_path, controller=False) as live:
        refs = live.people.git("for-each-ref")
        live.start_controller("--observe", "--observe-out", str(out))
        live.fail()
        live.until(lambda: any(one["action"] == "roll-back" for one in kept(out)), "it would roll back")
        line = next(one for one in kept(out) if one["action"] == "roll-back")
        assert line["reason"] == "TriggerFired"
        assert line["revision"] == live.telling.bad
        details = line["details"]
        assert {one["result"] for one in details["guards"]} <= {"allow", "not-evaluated", "not evaluated"}
        assert details["plan"]["paths"] == ["apps/checkout-api/deployment.yaml"]
        assert f"This reverts commit {live.telling.bad}." in details["commitMessage"]
        assert details["suspects"]
        assert "+          image: registry.example/shop/checkout-api:1.41.0" in details["diff"].splitlines()
        assert live.stop_controller() == 0
        before = kept(out)
        live.start_controller("--dry-run", "--observe-out", str(out))
        live.until(lambda: any(one.get("phase") == "firing" for one in live.logged()[-6:]), "it sees it again")
        assert live.stop_controller() == 0
        assert [one for one in kept(out)[len(before) :] if one["action"] == "roll-back"] == []
        assert writes(live) == []
        assert len(live.people.git("for-each-ref").splitlines()) == len(refs.splitlines())
        assert live.people.head() == live.telling.bad
