"""Repositories R5 to R9 and R15: what can be undone there, each with a clear answer, by `plan` on a local clone.

R1 to R4 and R16, which concern the remote, are in `test_git_clone.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_history import Files, History

from gitops_rollback.cli.offline import run_offline

Case = Callable[[History], tuple[str, str]]


def a_line(*steps: Files) -> Case:
    """The second step is the culprit, the last one the head."""

    def build(history: History) -> tuple[str, str]:
        shas = history.line(*steps)
        return shas[-1], shas[1]

    return build


def root(history: History) -> tuple[str, str]:
    first, head = history.line({"a": "1\n"}, {"a": "2\n"})
    return head, first


def octopus(history: History) -> tuple[str, str]:
    base = history.commit({"a": "1\n"})
    sides = [history.commit({f"side-{number}": "1\n"}, [base]) for number in range(3)]
    merge = history.commit({f"side-{number}": "1\n" for number in range(3)}, sides)
    return merge, merge


APPS = {f"apps/{number}/values.yaml": "tag: one\n" for number in range(200)}
ODD: list[tuple[str, bytes]] = [
    ("newline", b"apps/a\nb.txt"),
    ("quote", b'apps/"a".txt'),
    ("dash", b"-rf"),
    ("not-UTF-8", b"apps/\xff\xfe.txt"),
    ("4kB", b"/".join([b"d" * 200] * 20)),
]
CASES = [
    pytest.param(root, 4, "refused", "RootCommit", "root commit", id="R5-root-commit"),
    pytest.param(octopus, 4, "refused", "OctopusMerge", "3 parents", id="R6-octopus-merge"),
    pytest.param(a_line({"a": "1\n"}, {"a": "2\n"}, {"a": "3\n"}), 5, "conflict", "RevertConflict", "",
                 id="R7-conflict"),
    pytest.param(a_line({"a": "1\n"}, {"a": "2\n"}, {"a": "1\n"}), 0, "empty", "AlreadyUndone", "",
                 id="R8-undone-already"),
    pytest.param(a_line(APPS, dict.fromkeys(APPS, "tag: bad\n"), {"z": "1\n"}), 0, "clean", None, "200 files",
                 id="R9-200-applications"),
    *(
        pytest.param(a_line({name: "1\n"}, {name: "2\n"}, {"z": "1\n"}), 0, "clean", None, "1 file",
                     id=f"R15-{word}")
        for word, name in ODD
    ),
]  # fmt: skip


@pytest.mark.parametrize(("build", "code", "outcome", "reason", "words"), CASES)
def test_a_repository_that_is_odd_gets_a_clear_answer(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    build: Case,
    code: int,
    outcome: str,
    reason: str | None,
    words: str,
) -> None:
    history = History(tmp_path / "config.git")
    at, revert = build(history)
    assert run_offline(history.git_dir, None, at, revert, None, False, "json") == code
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["outcome"], answer["reason"]) == (outcome, reason)
    assert words in answer["message"]
    assert bool(answer["commit"]) is (outcome == "clean")
    assert bool(answer["explained"]) is (outcome in ("conflict", "empty"))
