"""Does one git command run hardened, bounded, and without leaving anything behind?"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from remote_world import git, wait_until

from gitops_rollback.adapters.git import door
from gitops_rollback.adapters.git.door import Git, GitFailed, GitOutputTooLarge, GitTimeout, git_dir_of
from gitops_rollback.core.errors import RepositoryUnavailable, StalledError

SOURCE = Path(door.__file__).parent


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "bare.git"))
    return tmp_path / "bare.git"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_DIR", "/nowhere"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere"),
        ("GIT_NAMESPACE", "other"),
        ("GIT_CONFIG_COUNT", "nonsense"),
        ("GIT_CONFIG_PARAMETERS", "nonsense"),
        ("GIT_EXEC_PATH", "/nowhere"),
    ],
)
def test_nothing_inherited_misleads_git(bare: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert Git(bare).text("rev-parse", "--absolute-git-dir") == str(bare)


def test_the_owner_s_configuration_decides_nothing(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = bare.parent
    (home / ".gitconfig").write_text("[core]\n\tabbrev = 5\n[user]\n\tname = Somebody\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    assert Git(bare).run("config", "user.name", ok=(1,)).stdout == b""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.hooksPath", "/dev/null"),
        ("gc.auto", "0"),
        ("transfer.fsckObjects", "true"),
        ("http.followRedirects", "false"),
        ("credential.helper", ""),
    ],
)
def test_hardening_wins_over_the_clone_s_own_configuration(bare: Path, key: str, value: str) -> None:
    git("config", key, "7", cwd=bare)
    assert Git(bare).text("config", "--get", key) == value


def test_only_listed_protocols_are_spoken(bare: Path) -> None:
    for url in ("ext::sh -c id", f"file://{bare}", "http://127.0.0.1:1/x.git", "git://127.0.0.1:1/x.git"):
        with pytest.raises(GitFailed, match="not allowed"):
            Git(bare).run("ls-remote", "--end-of-options", url)


def test_a_hook_of_the_clone_never_runs(bare: Path) -> None:
    hook = bare / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {bare}/ran\n")
    hook.chmod(0o755)
    tree = Git(bare).text("mktree", stdin=b"")
    Git(bare).run("update-ref", "refs/x", tree)
    assert not (bare / "ran").exists()


def test_the_deadline_kills_children_and_grandchildren(bare: Path) -> None:
    pids = bare / "pids"
    script = f"!sh -c 'echo $$ >>{pids}; sleep 60 & echo $! >>{pids}; wait' #"
    with pytest.raises(GitTimeout, match=r"0\.5 s"):
        Git(bare, config=(f"alias.hang={script}",)).run("hang", deadline=0.5)
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: is_gone(int(pid)))


def is_gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def test_a_child_that_outlives_git_does_not_outlive_the_command(bare: Path) -> None:
    script = f"!sh -c 'sleep 60 & echo $! >{bare}/pid' #"
    with pytest.raises(GitTimeout):
        Git(bare, config=(f"alias.leave={script}",)).run("leave", deadline=0.5)
    wait_until(lambda: is_gone(int((bare / "pid").read_text())))


def test_output_without_end_is_cut_off(bare: Path) -> None:
    with pytest.raises(GitOutputTooLarge):
        Git(bare, config=("alias.flood=!yes #",)).run("flood", limit=1 << 20)


def test_complaints_without_end_fill_no_memory(bare: Path) -> None:
    flood = Git(bare, config=("alias.flood=!yes | head -c 3000000 >&2; exit 3 #",))
    with pytest.raises(GitFailed) as caught:
        flood.run("flood")
    assert caught.value.code == 3
    assert len(caught.value.stderr) <= door.MESSAGE_LIMIT


def test_standard_input_arrives_whole(bare: Path) -> None:
    content = os.urandom(300_000) + b"\r\n\0"
    blob = Git(bare).text("hash-object", "-w", "--stdin", stdin=content)
    assert Git(bare).run("cat-file", "blob", blob).stdout == content


def test_a_git_that_was_killed_is_an_error(bare: Path) -> None:
    with pytest.raises(GitFailed) as caught:
        Git(bare, config=("alias.die=!kill -9 $PPID; sleep 1 #",)).run("die")
    assert caught.value.code == -9


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("fatal: https://user:pa%20ss@host/x", "fatal: https://host/x"),
        ("unable to access 'https://host/x?token=abc&b=c'", "unable to access 'https://host/x'"),
        ("> Authorization: Basic dXNlcg==\nnext", "> Authorization: ***\nnext"),
        ("bad hunter2 there", "bad *** there"),
        ("\x1b[31mred\x1b[0m \u202e\x07", "red "),
        ("remote: a\rremote: b", "remote: a\nremote: b"),
    ],
)
def test_messages_hold_no_secret_and_no_terminal_trick(bare: Path, raw: str, shown: str) -> None:
    assert Git(bare, secrets=("hunter2",)).redact(raw) == shown


def test_a_missing_clone_is_no_reason_to_use_another_directory(tmp_path: Path) -> None:
    with pytest.raises(RepositoryUnavailable, match="directory is missing"):
        Git(tmp_path / "gone.git").text("rev-parse", "--git-dir")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "not installed"),
        ("echo git version 2.37.9", "too old"),
        ("echo fit version 9", "does not work"),
        ("exit 1", "does not work"),
    ],
)
def test_a_missing_or_old_git_is_named(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is not None:
        (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    door.require_git.cache_clear()
    try:
        with pytest.raises(StalledError, match=said):
            Git(bare).run("version")
    finally:
        door.require_git.cache_clear()


@pytest.mark.parametrize("kind", ["bare", "work tree", "linked work tree"])
def test_every_kind_of_local_clone_is_found(tmp_path: Path, kind: str) -> None:
    git("init", "-q", str(tmp_path / "w"))
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=tmp_path / "w")
    git("worktree", "add", "-q", str(tmp_path / "linked"), cwd=tmp_path / "w")
    git("clone", "-q", "--bare", str(tmp_path / "w"), str(tmp_path / "b.git"))
    folder = {"bare": "b.git", "work tree": "w", "linked work tree": "linked"}[kind]
    found = Git(git_dir_of(tmp_path / folder))
    assert found.text("rev-parse", "HEAD") == git("rev-parse", "HEAD", cwd=tmp_path / "w")


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(StalledError, match="not a git repository"):
            git_dir_of(folder)


def test_no_command_that_needs_a_work_tree_is_in_the_code() -> None:
    forbidden = {"checkout", "checkout-index", "read-tree", "switch", "worktree", "reset", "stash", "pull", "am"}
    for path in SOURCE.glob("*.py"):
        words = {node.value for node in ast.walk(ast.parse(path.read_text())) if is_text(node)}
        assert not words & forbidden, path.name
        assert not [word for word in words if re.search(r"--force|--mirror|--delete|^-f$", word)], path.name


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
