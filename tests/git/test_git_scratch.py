"""What a git command needs for a moment is gone at the end, also when our process was ended from outside or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from remote_world import Remote
from small_history import History

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.git.scratch import UNFINISHED_SECONDS, Scratch

CONTROLLER = """
import sys, dataclasses, pathlib
from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
repo = GitConfigRepo(RepositorySettings(name="shop", url=sys.argv[1], state_dir=pathlib.Path(sys.argv[2])))
repo.fetch()
repo._reverser.writer.commit(repo.tree(sys.argv[3]), [sys.argv[3]], "Message", 1, "A <a@example.com>")
print("ready", flush=True)
sys.stdin.read()
"""


def _heed_interrupts() -> None:
    """What a shell runs in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started(command: list[str], temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, preexec_fn=_heed_interrupts, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The system's temporary folder, for one test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def own_folders(state: Path) -> set[Path]:
    return set(state.glob("clones/*.scratch/*"))


def test_a_killed_controller_leaves_nothing_once_the_next_one_works(
    remote: Remote, tmp_path: Path, temporary: Path
) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", CONTROLLER, remote.url, str(state), str(remote.head("refs/heads/main"))]
    with started(command, temporary) as living, started(command, temporary) as killed:
        for process in (living, killed):
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        assert len(own_folders(state)) == 2
        killed.kill()
        killed.wait()
        repo = remote.open(state)
        repo.fetch()
        assert len(own_folders(state)) == 2, "the living one's and ours, and the dead one's is gone"
        assert living.poll() is None
        repo.close()
        assert len(own_folders(state)) == 1
    assert files_in(temporary) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_verb_that_is_ended_puts_away_what_it_made(tmp_path: Path, temporary: Path, number: signal.Signals) -> None:
    with asked_for_a_plan(tmp_path, temporary) as process:
        assert files_in(temporary)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint.strip()) == (130, b"Interrupted.")
    assert files_in(temporary) == []


def test_a_killed_verb_leaves_nothing_once_the_next_one_works(tmp_path: Path, temporary: Path) -> None:
    with asked_for_a_plan(tmp_path, temporary) as process:
        process.kill()
        process.wait()
    assert files_in(temporary)
    with asked_for_a_plan(tmp_path, temporary) as process:
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0
    assert files_in(temporary) == []


@contextmanager
def asked_for_a_plan(tmp_path: Path, temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`plan --batch` that has answered one line, and waits for the next."""
    history = History(tmp_path / "config.git")
    bad = history.line({"a": "1\n"}, {"a": "2\n"})[-1]
    command = [sys.executable, "-m", "gitops_rollback", "plan", "--batch", "--git-dir", str(history.git_dir)]
    with started(command, temporary) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"at": bad, "revert": bad}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["outcome"] == "clean"
        yield process


def test_what_is_not_known_to_be_dead_stays(tmp_path: Path) -> None:
    """A folder whose maker is between two lines, a link, a stranger's file: a lock that is not there says nothing."""
    begun, old, elsewhere = (tmp_path / f"gitops-rollback-scratch-{name}" for name in ("begun", "old", "link"))
    begun.mkdir()
    old.mkdir()
    os.utime(old, (0, os.stat(old).st_mtime - 2 * UNFINISHED_SECONDS))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "lock").touch()
    elsewhere.symlink_to(precious)
    scratch = Scratch(tmp_path)
    own = scratch.folder()
    assert set(tmp_path.iterdir()) == {begun, precious, elsewhere, own}
    assert files_in(precious) == ["lock"]
    scratch.close()


def test_a_folder_that_somebody_removed_is_made_again(repo: GitConfigRepo, tmp_path: Path) -> None:
    repo.fetch()
    for folder in own_folders(tmp_path / "state"):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    repo.fetch()
    assert len(own_folders(tmp_path / "state")) == 1
