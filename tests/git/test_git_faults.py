"""What becomes of a clone that is broken, and of a remote that does not answer as it should?"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from remote_world import MAIN, Remote, git

from gitops_rollback.adapters.git import faults
from gitops_rollback.adapters.git.door import GitFailed, GitTimeout
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import (
    CredentialsRejected,
    Reason,
    RepositoryUnavailable,
    RollbackError,
    StalledError,
)
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.git_server import GitServer, Operation

# F12: the clone is not what it was


def pack_of(clone: Path, ending: str) -> Path:
    found = max((clone / "objects/pack").glob(f"*.{ending}"), key=lambda path: path.stat().st_size)
    found.chmod(0o644)
    return found


def truncate_pack(clone: Path) -> None:
    pack = pack_of(clone, "pack")
    pack.write_bytes(pack.read_bytes()[:-30])


def overwrite_pack(clone: Path) -> None:
    pack = pack_of(clone, "pack")
    content = bytearray(pack.read_bytes())
    content[12 : len(content) - 20] = b"\xff" * (len(content) - 32)
    pack.write_bytes(content)


def truncate_index(clone: Path) -> None:
    index = pack_of(clone, "idx")
    index.write_bytes(index.read_bytes()[:100])


def lose_head(clone: Path) -> None:
    (clone / "HEAD").unlink()


def spoil_config(clone: Path) -> None:
    (clone / "config").write_bytes(b"\0\xff[[[")


def spoil_shallow(clone: Path) -> None:
    (clone / "shallow").write_bytes(b"nonsense\n")


@pytest.mark.parametrize(
    "spoil", [truncate_pack, overwrite_pack, truncate_index, lose_head, spoil_config, spoil_shallow]
)
def test_a_corrupt_clone_is_made_anew_and_nothing_is_pushed(
    remote: Remote, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    repo = remote.open(tmp_path / "state")
    repo.fetch()
    repo.close()
    spoil(repo.directory)
    head = remote.commit({"new": "1"})
    again = remote.open(tmp_path / "state")
    errors = 0
    for _ in range(3):
        try:
            assert again.fetch().branch == head
            assert len(again.commits(None, head)) == 4
            break
        except RollbackError:
            errors += 1
    assert errors < 3
    assert len(again.files(head)) == 4
    assert remote.server.updates("shop.git") == ()


def test_a_clone_that_git_finds_a_way_round_is_made_anew_all_the_same(remote: Remote, repo: GitConfigRepo) -> None:
    repo.fetch()
    mark = repo.directory / "mark"
    mark.touch()
    for index in (repo.directory / "objects" / "pack").glob("*.idx"):
        index.chmod(0o644)
        index.write_bytes(bytes(range(255, -1, -1)) * 8)
    for number in range(4):
        head = remote.commit({"new": f"{number}"})
        assert repo.fetch().branch == head
        assert len(repo.commits(None, head)) == 4 + number
    assert not mark.exists()


def test_what_killed_processes_left_is_swept(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    repo.fetch()
    old, young = repo.directory / "objects/pack/tmp_pack_a", repo.directory / "objects/pack/tmp_pack_b"
    for path in (old, young, repo.directory / "shallow.lock", repo.directory / "refs/remotes/origin/main.lock"):
        path.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    head = remote.commit({"new": "1"})
    assert remote.open(tmp_path / "state").fetch().branch == head
    assert (old.exists(), young.exists()) == (False, True)


def test_a_lock_that_appears_while_running_blocks_one_fetch_at_most(remote: Remote, repo: GitConfigRepo) -> None:
    repo.fetch()
    (repo.directory / "refs/remotes/origin/main.lock").touch()
    head = remote.commit({"new": "1"})
    with pytest.raises(RepositoryUnavailable):
        repo.fetch()
    assert repo.fetch().branch == head


def test_a_clone_that_was_killed_half_way_is_not_taken_for_one(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    half = repo.directory.parent / f"{repo.directory.name}.new-killed"
    (half / "clone").mkdir(parents=True)
    repo.fetch()
    assert not half.exists()


def test_tidying_keeps_what_is_needed(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    ours = repo.write_files(head, {"b": b"1"}, "b", repo.commit(head).committed_at)
    repo.tidy()
    assert repo.push((RefUpdate(MAIN, ours, head),)).outcome.value == "landed"
    assert len(repo.commits(None, ours)) == 4


def test_tidying_bounds_how_many_packs_the_fetches_leave(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    packs = repo.directory / "objects" / "pack"
    for number in range(55):
        blob = git("hash-object", "-w", "--stdin", cwd=repo.directory, content=b"%d" % number)
        git("pack-objects", "-q", str(packs / "pack"), cwd=repo.directory, content=f"{blob}\n".encode())
    repo.tidy()
    assert len([*packs.glob("*.pack")]) < 5
    assert repo.commit(head).sha == head


# F2-F4, F9, F10: the remote does not answer as it should


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (500, RepositoryUnavailable),
        (502, RepositoryUnavailable),
        (503, RepositoryUnavailable),
        (429, RepositoryUnavailable),
        (401, CredentialsRejected),
        (403, CredentialsRejected),
        (404, StalledError),
        (302, StalledError),
    ],
)
def test_what_the_remote_answers_decides_whether_waiting_helps(
    remote: Remote, repo: GitConfigRepo, code: int, error: type[RollbackError]
) -> None:
    repo.fetch()
    remote.server.status(code, {"Location": "http://127.0.0.1:9/x", "WWW-Authenticate": "Basic"}, times=2)
    with pytest.raises(error):
        repo.fetch()
    remote.server.release()
    assert repo.fetch().branch == remote.head()


@pytest.mark.parametrize("fault", [GitServer.hang, GitServer.drip])
def test_a_remote_that_goes_silent_or_drips_ends_at_the_deadline(
    remote: Remote, tmp_path: Path, fault: Callable[[GitServer], None]
) -> None:
    patient, hasty = remote.open(tmp_path / "state"), remote.open(tmp_path / "state", fetch_deadline=1.0)
    patient.fetch()
    remote.commit({"new": "1"})
    fault(remote.server)
    with pytest.raises(GitTimeout):
        hasty.fetch()
    remote.server.release()
    assert patient.fetch().branch == remote.head()


def test_credentials_that_are_rotated_on_the_server_are_refused_without_being_shown(
    remote: Remote, tmp_path: Path
) -> None:
    remote.server.user, remote.server.password = "bot", "old-secret"
    repo = remote.open(tmp_path / "state", username="bot", token="old-secret")
    repo.fetch()
    remote.server.password = "new-secret"
    before = len(remote.server.requests)
    with pytest.raises(CredentialsRejected) as caught:
        repo.fetch()
    assert "secret" not in str(caught.value)
    assert len(remote.server.requests) - before <= 2


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """The file of an authority, and a server for 127.0.0.1 with its certificate."""
    authority, pem = trustme.CA(), folder / f"{name}.pem"
    authority.cert_pem.write_to_path(str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return pem, context


@pytest.mark.parametrize("trusted", [True, False])
def test_only_the_certificate_that_is_trusted_is_accepted(tmp_path: Path, trusted: bool) -> None:
    mine, context = certificate(tmp_path, "mine")
    other, _ = certificate(tmp_path, "other")
    server = GitServer(tmp_path / "tls", tls=context).start()
    remote = Remote(server).create()
    head = remote.commit({"a": "1"})
    repo = remote.open(tmp_path / "state", ca_file=mine if trusted else other)
    try:
        if trusted:
            assert repo.fetch().branch == head
        else:
            with pytest.raises(StalledError, match="not the one that we trust"):
                repo.fetch()
    finally:
        repo.close()
        server.stop()


@pytest.mark.parametrize(
    ("stderr", "error", "reason"),
    [
        ("fatal: write error: No space left on device", StalledError, Reason.DISK_FULL),
        ("error: unable to create temporary file: Read-only file system", StalledError, Reason.DISK_FULL),
        (
            "Host key verification failed.\nfatal: Could not read from remote",
            StalledError,
            Reason.REPOSITORY_UNAVAILABLE,
        ),
        ("git@h: Permission denied (publickey).", CredentialsRejected, Reason.CREDENTIALS_REJECTED),
        (
            "remote: Repository not found.\nfatal: repository 'https://h/x/' not found",
            StalledError,
            Reason.REPOSITORY_UNAVAILABLE,
        ),
        ("fatal: the remote end hung up unexpectedly", RepositoryUnavailable, Reason.REPOSITORY_UNAVAILABLE),
        ("", RepositoryUnavailable, Reason.REPOSITORY_UNAVAILABLE),
    ],
)
def test_git_s_words_say_whether_waiting_helps(stderr: str, error: type[RollbackError], reason: Reason) -> None:
    found = faults.meaning("shop", GitFailed("git fetch", 128, stderr))
    assert isinstance(found, error)
    assert found.reason is reason


def test_a_remote_s_words_never_condemn_the_clone() -> None:
    assert faults.is_corrupt("error: packfile x.pack does not match index")
    assert not faults.is_corrupt("remote: error: packfile x.pack does not match index")


def test_a_first_clone_that_fails_leaves_nothing_behind(remote: Remote, repo: GitConfigRepo) -> None:
    remote.server.status(503, on=Operation.FETCH, times=9)
    with pytest.raises(RepositoryUnavailable):
        repo.fetch()
    assert not repo.directory.exists()
    remote.server.release()
    assert repo.fetch().branch == remote.head()
