"""`doctor --bundle` writes one file to hand on: what helps, and no secret in any form."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from config_world import TOKEN, Answer, World

Cli = Callable[..., Answer]
ODD = 'pa"ss/wo+rd-canary'


def test_it_holds_what_helps_and_no_secret(
    world: World, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, bundle = tmp_path / "settings.yaml", tmp_path / "help.tar.gz"
    (tmp_path / "state" / "gitops-rollback").mkdir(parents=True)
    (tmp_path / "state" / "gitops-rollback" / "crash-20260101T000000-1.txt").write_text(f"options: {ODD}\n")
    places = [{"events": ["*"], "to": "webhook", "url": "https://hooks.example.com/T0/B0/canary-path"}]
    config.write_text(json.dumps({"repositories": [{"url": world.url}], "notifications": places}))
    monkeypatch.setenv("GITOPS_ROLLBACK_SECRET_HOOK", ODD)
    answer = cli("doctor", "--config", str(config), "--bundle", str(bundle))
    assert "without secrets" in answer.err
    assert bundle.stat().st_mode & 0o777 == 0o600
    files = {}
    with tarfile.open(bundle) as archive:
        for one in archive:
            held = archive.extractfile(one)
            assert held is not None
            files[one.name.rpartition("/")[2]] = held.read().decode()
    assert {"about.json", "settings.json", "doctor.json", "crash-20260101T000000-1.txt"} == set(files)
    whole = "\n".join(files.values())
    for secret in (ODD, json.dumps(ODD)[1:-1], quote(ODD, safe=""), TOKEN, "canary"):
        assert secret not in whole
    assert "GITOPS_ROLLBACK_GIT_TOKEN" in json.loads(files["about.json"])["variables"]
    assert json.loads(files["settings.json"])["notifications"][0]["url"] == "https://hooks.example.com"
    assert any(one["part"].startswith("repository ") for one in json.loads(files["doctor.json"]))


def test_a_file_that_is_there_is_not_written_over(world: World, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    answer = cli("doctor", "--bundle", str(tmp_path / "mine"))
    assert answer.code == 2
    assert (tmp_path / "mine").read_text() == "mine"
