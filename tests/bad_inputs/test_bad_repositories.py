"""Repositories R5 to R19: what can be undone there, each with a clear answer, by `plan` on a local clone.

R1 to R4, R16 and R20, which concern the remote, are in `tests/git/test_git_clone.py`.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from remote_world import DAY, Remote, git
from small_history import Entry, Files, History

from gitops_rollback.cli.offline import run_offline
from gitops_rollback.sandbox.git_server import GitServer

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


def grafted(history: History) -> tuple[str, str]:
    """The culprit merges a history that has nothing to do with ours."""
    ours, stranger = history.commit({"a": "1\n"}), history.commit({"b": "1\n"})
    merge = history.commit({"b": "1\n"}, [ours, stranger])
    return history.commit({"z": "1\n"}, [merge]), merge


def stranger(history: History) -> tuple[str, str]:
    ours = history.commit({"a": "1\n"})
    root = history.commit({"b": "1\n"})
    return ours, history.commit({"b": "2\n"}, [root])


def hostile(history: History) -> tuple[str, str]:
    """Attributes that would run programs, a culprit that is replaced by another commit, and borrowed objects."""
    attributes = "* filter=evil merge=evil diff=evil -text ident\n"
    first, bad, head = history.line({"a": "1\n", ".gitattributes": attributes}, {"a": "2\n"}, {"z": "1\n"})
    history.git("update-ref", f"refs/replace/{bad}", first)
    evil = f"touch {history.git_dir}/was-run"
    for key in ("filter.evil.clean", "filter.evil.smudge", "merge.evil.driver", "diff.evil.textconv"):
        history.git("config", key, evil)
    (history.git_dir / "objects" / "info").mkdir(exist_ok=True)
    (history.git_dir / "objects" / "info" / "alternates").write_text("/proc/1/root\n/nowhere\n")
    return head, bad


def dated(seconds: int) -> Case:
    def build(history: History) -> tuple[str, str]:
        _, bad = history.line({"a": "1\n"}, {"a": "2\n"})
        when = re.sub(r"\d{10} \+0000", f"{seconds} +0000", history.git("cat-file", "commit", bad)) + "\n"
        odd = history.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=when.encode())
        return history.commit({"z": "1\n"}, [odd]), odd

    return build


def corrupt(history: History) -> tuple[str, str]:
    """The content from before the culprit is garbage."""
    before, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, {"z": "1\n"})
    blob = history.git("rev-parse", f"{before}:a")
    packs = list(history.git_dir.glob("objects/pack/*"))
    contents = [path.read_bytes() for path in packs if path.suffix == ".pack"]
    for path in packs:
        path.unlink()
    for content in contents:
        history.git("unpack-objects", "-q", stdin=content)
    loose = history.git_dir / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    return head, bad


LATER: Files = {"z": "1\n"}
SUBMODULE: list[Files] = [{"s": Entry("160000", letter * 40)} for letter in (b"a", b"b")]
POINTER: list[Files] = [{"m": f"version https://git-lfs.github.com/spec/v1\noid sha256:{n}\n"} for n in (1, 2)]
LINES = "".join(f"line {number}\n" for number in range(30))
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
    pytest.param(a_line({"a": LINES}, {"a": None, "b": LINES}, {"b": LINES + "x\n"}), 0, "clean", None, "2 files",
                 id="R10-rename-and-a-later-edit"),
    pytest.param(a_line({"a": Entry("100644", b"x")}, {"a": Entry("100755", b"x")}, LATER), 0, "clean",
                 "ProtectedPath", "1 file", id="R10-mode"),
    pytest.param(a_line({"a": "x: 1\n"}, {"a": "x: 1\r\n"}, LATER), 0, "clean", None, "1 file", id="R10-CRLF"),
    pytest.param(a_line({"a": b"\0\1"}, {"a": b"\0\2"}, LATER), 0, "clean", None, "1 file", id="R10-binary"),
    pytest.param(a_line({"a": b"\0\1"}, {"a": b"\0\2"}, {"a": b"\0\3"}), 5, "conflict", "RevertConflict", "a",
                 id="R10-binary-changed-again"),
    pytest.param(a_line({"a": "1\n"}, {"a": "2\n"}, {"a": None}), 5, "conflict", "RevertConflict", "see a",
                 id="R11-deleted-later"),
    pytest.param(grafted, 0, "clean", None, "1 file", id="R12-merge-of-another-history"),
    pytest.param(stranger, 5, "conflict", "RevertConflict", "see b", id="R12-culprit-of-another-history"),
    pytest.param(a_line(*SUBMODULE, LATER), 0, "clean", "ProtectedPath", "1 file", id="R14-submodule"),
    pytest.param(a_line(*POINTER, LATER), 0, "clean", None, "1 file", id="R14-LFS"),
    pytest.param(dated(-2_147_483_648), 0, "clean", None, "1 file", id="R18-1901"),
    pytest.param(dated(4_294_967_297), 0, "clean", None, "1 file", id="R18-2106"),
    pytest.param(corrupt, 4, "refused", "RepositoryUnavailable", "cannot be read", id="R18-corrupt"),
    pytest.param(hostile, 0, "clean", None, "1 file", id="R19-attributes-replaced-borrowed"),
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
    assert bool(answer["explained"]) is (outcome in ("conflict", "empty") or reason == "ProtectedPath")
    assert answer["automatic"] is (outcome == "clean" and reason is None)
    assert not (history.git_dir / "was-run").exists()


def test_r13_a_sha_256_repository_is_undone_in_its_own_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = History(tmp_path / "config.git", "sha256")
    _, bad, head = history.line({"a": "1\n"}, {"a": "2\n"}, LATER)
    assert run_offline(history.git_dir, None, head, bad, None, False, "json") == 0
    assert len(json.loads(capsys.readouterr().out)["commit"]) == 64


def test_r17_of_a_huge_repository_only_what_is_needed_is_fetched(tmp_path: Path) -> None:
    """20,000 commits of fifty years and a file of 32 MiB stand for a million and for 2 GB: none of it is fetched."""
    server = GitServer(tmp_path / "served").start()
    remote = Remote(server).create()
    newest = int(time.time()) - DAY
    lines = [b"blob\nmark :1\ndata %d\n%s\n" % (1 << 25, random.Random(7).randbytes(1 << 25))]
    for number in range(20_000):
        when = newest - (20_000 - number) * DAY
        lines.append(b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nx\n" % when)
        lines.append(b"M 100644 :1 big\n" if not number else b"M 100644 inline a\ndata 6\n%06d\n" % number)
    git("fast-import", "--quiet", cwd=remote.path, content=b"".join(lines))
    repo = remote.open(tmp_path / "state")
    try:
        head = repo.fetch().branch
        assert head == remote.head()
        assert int(git("rev-list", "--count", head, cwd=repo.directory)) < 1_000
        stored = sum(path.stat().st_size for path in repo.directory.rglob("*") if path.is_file())
        assert stored < 4 << 20
    finally:
        repo.close()
        server.stop()
