"""Is our commit the same each time, signed, and nothing but what was asked for?"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from remote_world import MAIN, Remote, git

from gitops_rollback.core.errors import CredentialsRejected, ObjectMissing
from gitops_rollback.ports import RefUpdate

DATE = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
MESSAGE = 'Revert "Raise the timeout"\n\nThis reverts commit 8f3c.\n\nRollback-Id: rb-0123456789abcdef\n'


def ssh_key(folder: Path, name: str = "signing", kind: str = "ed25519") -> Path:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)
    return path


def test_the_same_arguments_give_the_same_commit_in_any_clone(remote: Remote, tmp_path: Path) -> None:
    shas = set()
    for number, date in enumerate((DATE, DATE.astimezone(timezone(timedelta(hours=5))))):
        repo = remote.open(tmp_path / f"state{number}", signing_key_file=None)
        head = repo.fetch().branch
        shas.add(repo.write_commit(repo.tree(head), head, MESSAGE, date))
        shas.add(repo.write_files(head, {}, MESSAGE.rstrip(), date))
    assert len(shas) == 1


def test_a_commit_says_who_when_and_what(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state", author="Rollback Bot <bot@shop.example>")
    head = repo.fetch().branch
    sha = repo.write_files(head, {"apps/a/0.yaml": b"n: 9\n"}, MESSAGE, DATE)
    commit = repo.commit(sha)
    assert commit.author == commit.committer == "Rollback Bot <bot@shop.example>"
    assert (commit.committed_at, commit.parents, commit.paths) == (DATE, (head,), ("apps/a/0.yaml",))
    assert commit.trailers == {"Rollback-Id": ("rb-0123456789abcdef",)}


def test_writing_moves_no_ref_and_leaves_no_index(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    head = repo.fetch().branch
    before = git("for-each-ref", cwd=repo.directory)
    repo.write_files(head, {"x": b"1"}, MESSAGE, DATE)
    assert git("for-each-ref", cwd=repo.directory) == before
    assert not (repo.directory / "index").exists()


def test_a_signature_is_good_and_repeats(remote: Remote, tmp_path: Path) -> None:
    key = ssh_key(tmp_path)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@shop.example {key.with_suffix('.pub').read_text()}")
    repo = remote.open(tmp_path / "state", signing_key_file=key, author="Bot <bot@shop.example>")
    head = repo.fetch().branch
    first, second = (repo.write_files(head, {"x": b"1"}, MESSAGE, DATE) for _ in range(2))
    assert first == second
    assert repo.push((RefUpdate(MAIN, first, head),)).outcome.value == "landed"
    config = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}"]
    verified = subprocess.run(
        ["git", *config, "verify-commit", first], cwd=remote.path, capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0
    assert 'Good "git" signature for bot@shop.example' in verified.stderr


def test_a_key_that_cannot_sign_is_an_error_and_no_unsigned_commit(remote: Remote, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("no key\n")
    for key in (broken, tmp_path / "missing"):
        repo = remote.open(tmp_path / "state", signing_key_file=key)
        head = repo.fetch().branch
        with pytest.raises(CredentialsRejected, match="cannot be signed"):
            repo.write_commit(repo.tree(head), head, MESSAGE, DATE)


def test_an_orphan_starts_the_journal(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    repo.fetch()
    sha = repo.write_files(None, {"records/a.json": b"{}"}, "Start", DATE)
    commit = repo.commit(sha)
    assert (commit.parents, commit.paths) == ((), ("records/a.json",))


@pytest.mark.parametrize("parent", ["HEAD", "-S", "", "main"])
def test_names_are_no_parents(remote: Remote, tmp_path: Path, parent: str) -> None:
    repo = remote.open(tmp_path / "state")
    head = repo.fetch().branch
    with pytest.raises(ObjectMissing):
        repo.write_commit(repo.tree(head), parent, MESSAGE, DATE)
