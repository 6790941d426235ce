"""What a shell is told, and the hook of pre-commit: each as its own tool calls it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from config_world import Answer

from gitops_rollback.cli.main import VERBS, outcome_of
from gitops_rollback.cli.verbs.completion import COMPLETED_BY

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_how_to_ask(cli: Callable[..., Answer], shell: str) -> None:
    answer = cli("completion", shell)
    assert answer.code == 0
    assert f"{COMPLETED_BY}={shell}_complete" in answer.out


def test_fish_shows_the_whole_of_a_help_text_with_commas(cli: Callable[..., Answer]) -> None:
    assert 'metadata (string split --max 1 "," $completion)' in cli("completion", "fish").out


def test_bash_takes_the_script(cli: Callable[..., Answer]) -> None:
    checked = subprocess.run(["bash", "-n"], input=cli("completion", "bash").out.encode(), check=False, timeout=60)
    assert checked.returncode == 0


def asked(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shell: str = "bash"
) -> list[str]:
    """What a shell gets for a line whose last word is being typed."""
    typed = words.split(" ")
    monkeypatch.setenv(COMPLETED_BY, f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
    with pytest.raises(SystemExit):
        outcome_of([])
    return capsys.readouterr().out.splitlines()


def test_verbs_options_and_their_words_are_completed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked("gitops-rollback p", capsys, monkeypatch) == [
        f"plain,{verb}" for verb in VERBS if verb.startswith("p")
    ]
    assert "plain,--dry-run" in asked("gitops-rollback init --", capsys, monkeypatch)
    assert asked("gitops-rollback lint -o g", capsys, monkeypatch) == ["plain,github"]
    assert "plain,weights" in asked("gitops-rollback simulate --scenario we", capsys, monkeypatch)


def test_a_press_of_tab_loads_no_verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gitops_rollback.cli.verbs.simulate", raising=False)
    assert f"plain\nsimulate\n{VERBS['simulate']}" in "\n".join(
        asked("gitops-rollback sim", capsys, monkeypatch, "zsh")
    )
    assert "gitops_rollback.cli.verbs.simulate" not in sys.modules


HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
GOOD = (ROOT / "policies" / "first.yaml").read_text()


@pytest.mark.parametrize(("policy", "code"), [(GOOD, 0), (GOOD.replace("threshold: 0.05", "treshold: 5"), 1)])
def test_the_hook_of_pre_commit_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Answer], policy: str, code: int
) -> None:
    path = ".gitops-rollback/policies/first.yaml"
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(policy)
    monkeypatch.chdir(tmp_path)
    program, *words = [*shlex.split(HOOK["entry"]), *HOOK["args"]]
    assert (program, HOOK["pass_filenames"]) == ("gitops-rollback", False)
    answer = cli(*words)
    assert answer.code == code
    assert ("did you mean `threshold`?" in answer.out) == (code == 1)


def test_the_hook_runs_for_our_files_alone() -> None:
    files = re.compile(HOOK["files"])
    ours = (".gitops-rollback/policies/shop.yaml", ".gitops-rollback/requests/2026/one.yml")
    others = ("apps/shop.yaml", ".gitops-rollback/schema/one.json", "x/.gitops-rollback/policies/a.yaml")
    assert all(files.search(path) for path in ours)
    assert not any(files.search(path) for path in others)
