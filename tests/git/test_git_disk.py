"""What the system refuses is told in the product's own words, wherever it strikes: a full disk needs a person."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest

from gitops_rollback.adapters.git import door
from gitops_rollback.adapters.git.disk import DiskFull, meaning_of
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.lock import FileLock
from gitops_rollback.core.errors import Reason, RepositoryUnavailable, RollbackError


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (errno.ENOSPC, DiskFull, Reason.DISK_FULL),
        (errno.EDQUOT, DiskFull, Reason.DISK_FULL),
        (errno.EROFS, DiskFull, Reason.DISK_FULL),
        (errno.EMFILE, RepositoryUnavailable, Reason.REPOSITORY_UNAVAILABLE),
        (errno.EAGAIN, RepositoryUnavailable, Reason.REPOSITORY_UNAVAILABLE),
        (errno.ENOMEM, RepositoryUnavailable, Reason.REPOSITORY_UNAVAILABLE),
    ],
)
def test_a_refusal_of_the_system_has_a_reason(number: int, kind: type[RollbackError], reason: Reason) -> None:
    told = meaning_of("shop/config", OSError(number, "some words"))
    assert type(told) is kind
    assert told.reason is reason


def full_file() -> BinaryIO:
    """A file that takes nothing."""
    return Path("/dev/full").open("wb+")


def test_input_for_git_that_finds_no_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    heard: list[str] = []
    monkeypatch.setattr(door.tempfile, "TemporaryFile", full_file)
    with pytest.raises(DiskFull):
        Git(tmp_path, on_complaint=heard.append).text("hash-object", "-w", "--stdin", stdin=b"content")
    assert "No space left" in heard[0], "whoever sweeps the clone must hear of it"


def test_a_lock_that_cannot_be_made_is_told_and_no_bare_refusal() -> None:
    with pytest.raises(RepositoryUnavailable), FileLock(Path("/proc/nowhere/fetch.lock"), "shop/config").held(1.0):
        pass


def test_a_git_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path)], check=True)
    git = Git(tmp_path)
    git.text("rev-parse", "--git-dir")

    def refuse(*_about: object, **_more: object) -> object:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(door.git.Git, "execute", refuse)
    with pytest.raises(RepositoryUnavailable, match="Too many open files"):
        git.text("rev-parse", "--git-dir")
