"""Does `config --effective` show what is in force, from whichever source, and never a secret?"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gitops_rollback.cli.main import outcome_of

SECRET = "canary-5b1e"
FILE = f"""\
repositories:
  - {{url: "https://git.example.com/acme/config.git", branch: live}}
notifications:
  - {{url: "https://hooks.example.com/services/{SECRET}"}}
"""


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = outcome_of(["config", *arguments])
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    return code, told.out, told.err


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(FILE)
    monkeypatch.setenv("GITOPS_ROLLBACK_GIT_TOKEN", SECRET)
    monkeypatch.setenv("PROMETHEUS_URL", "https://prometheus.example.com")
    return path


def test_what_was_set_and_what_is_in_force(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = shown(capsys, "--effective", "--config", str(file))
    assert code == 0, err
    document = yaml.safe_load(out)
    assert document["repositories"][0]["branch"] == "live"
    assert document["metrics"][0]["url"] == "https://prometheus.example.com"
    assert document["bind"] == "127.0.0.1:8080"
    assert document["leaderElection"]["leaseDuration"] == "15s"  # as the file spells it
    assert document["heartbeat"]["every"] == "7d"
    assert '  - url: "https://git.example.com/acme/config.git"' in out
    assert str(file) in err
    assert "GITOPS_ROLLBACK_GIT_TOKEN" in err
    _, out, _ = shown(capsys, "--config", str(file))
    assert "bind" not in yaml.safe_load(out)


def test_settings_that_cannot_be_used_are_told_with_their_place(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILE + "bind: nowhere\n")
    code, _, err = shown(capsys, "--effective", "--config", str(file))
    assert code == 2
    assert f"{file}:5" in err
