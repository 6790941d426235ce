"""Does the clone follow the remote, however odd either of them is? By real HTTP and file://."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from remote_world import MAIN, Remote, git

from gitops_rollback.adapters.git import faults
from gitops_rollback.adapters.git.door import GitFailed, GitTimeout
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import (
    BranchRewritten,
    CredentialsRejected,
    ObjectMissing,
    Reason,
    RepositoryUnavailable,
    RollbackError,
    StalledError,
)
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.git_server import GitServer, Operation

# R1-R3, R16, A6: what the remote calls its branches


def no_branch(remote: Remote) -> str:
    remote.commit({"a": "1"})
    return "release"


def nothing(remote: Remote) -> str:
    return ""


def detached(remote: Remote) -> str:
    sha = remote.commit({"a": "1"})
    (remote.path / "HEAD").write_text(sha + "\n")
    return ""


def head_of_nothing(remote: Remote) -> str:
    remote.commit({"a": "1"})
    git("symbolic-ref", "HEAD", "refs/heads/gone", cwd=remote.path)
    return ""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (nothing, "empty"),
        (no_branch, "has no branch 'release'"),
        (detached, "detached"),
        (head_of_nothing, "names no branch"),
    ],
)
def test_a_remote_without_a_branch_to_follow_is_named(
    empty_remote: Remote, tmp_path: Path, make: Callable[[Remote], str], said: str
) -> None:
    branch = make(empty_remote)
    with pytest.raises(StalledError, match=said):
        empty_remote.open(tmp_path / "state", branch=branch).fetch()


def test_a_renamed_default_branch_is_not_followed_silently(remote: Remote, repo: GitConfigRepo) -> None:
    repo.fetch()
    git("branch", "-m", "main", "trunk", cwd=remote.path)
    with pytest.raises(StalledError, match="no longer has branch 'main'"):
        repo.fetch()


def test_a_tag_of_the_branch_s_name_is_not_the_branch(remote: Remote, repo: GitConfigRepo) -> None:
    git("update-ref", "refs/tags/main", git("rev-parse", "main~2", cwd=remote.path), cwd=remote.path)
    assert repo.fetch().branch == remote.head(MAIN)


@pytest.mark.parametrize("branch", ["-h", "--upload-pack=touch", 'a;b"c', "a$(id)", "ünïcode", "a/b.c"])
def test_a_branch_name_is_data(remote: Remote, tmp_path: Path, branch: str) -> None:
    sha = remote.commit({"x": "1"}, branch=branch, on=remote.head() or "")
    repo = remote.open(tmp_path / "state", branch=branch)
    head = repo.fetch().branch
    assert head == sha
    update = RefUpdate(
        f"refs/heads/{branch}", repo.write_files(head, {"y": b"1"}, "y", repo.commit(head).committed_at), head
    )
    assert repo.push((update,)).outcome.value == "landed"


# R4: history that is not there


@pytest.fixture
def long_remote(empty_remote: Remote) -> Remote:
    """A commit every hundred days for 1,200 days, then three of this week."""
    for number, days in enumerate((*range(1200, 0, -100), 3, 2, 1)):
        empty_remote.commit({"n": str(number)}, f"Commit {number}", days_ago=days)
    return empty_remote


def test_old_history_is_fetched_only_when_it_is_asked_for(long_remote: Remote, tmp_path: Path) -> None:
    repo = long_remote.open(tmp_path / "state")
    head = repo.fetch().branch
    line = git("rev-list", "main", cwd=long_remote.path).split()
    depth = [len(git("rev-list", head, cwd=repo.directory).split())]
    assert repo.is_ancestor(line[3], head)
    depth.append(len(git("rev-list", head, cwd=repo.directory).split()))
    assert [commit.sha for commit in repo.commits(line[-1], head)] == line[:-1]
    assert depth == [3, 6]


@pytest.mark.parametrize("back", [2, 3, 14])
def test_a_commit_at_the_edge_of_the_clone_shows_its_own_change_only(
    long_remote: Remote, tmp_path: Path, back: int
) -> None:
    repo = long_remote.open(tmp_path / "state")
    repo.fetch()
    line = git("rev-list", "main", cwd=long_remote.path).split()
    commit = repo.commit(line[back])
    assert [(change.path, change.old_blob is None) for change in commit.changes] == [("n", back == 14)]


def test_a_commit_that_exists_nowhere_is_missing(long_remote: Remote, tmp_path: Path) -> None:
    repo = long_remote.open(tmp_path / "state")
    head = repo.fetch().branch
    for ask in (repo.commit, repo.tree, lambda sha: repo.commits(sha, head)):
        with pytest.raises(ObjectMissing):
            ask("ab" * 20)
    before = len(long_remote.server.requests)
    assert not repo.is_ancestor("ab" * 20, head)
    assert not repo.on_first_parent("ab" * 20, head)
    assert len(long_remote.server.requests) == before  # all history is here: there is nobody left to ask


def test_a_no_is_not_believed_while_history_is_missing(empty_remote: Remote, tmp_path: Path) -> None:
    root = empty_remote.commit({"n": "0"}, days_ago=3)
    empty_remote.commit({"n": "1"}, "From a machine whose clock was wrong", days_ago=200)
    empty_remote.commit({"n": "2"}, days_ago=1)
    git("update-ref", "refs/heads/gitops-rollback-control", root, cwd=empty_remote.path)
    repo = empty_remote.open(tmp_path / "state")
    heads = repo.fetch()
    assert heads.control == root
    assert repo.is_ancestor(root, heads.branch)
    assert repo.on_first_parent(root, heads.branch)


@pytest.mark.parametrize("days", [100, 1000])
def test_a_quiet_repository_is_cloned_all_the_same(empty_remote: Remote, tmp_path: Path, days: int) -> None:
    for number in range(3):
        head = empty_remote.commit({"n": str(number)}, days_ago=days)
    empty_remote.commit({"records/x": "{}"}, branch="gitops-rollback-journal", on="none", days_ago=days)
    heads = empty_remote.open(tmp_path / "state").fetch()
    assert (heads.branch, heads.journal is None) == (head, False)


def test_the_journal_is_here_with_all_its_entries(remote: Remote, repo: GitConfigRepo, server: GitServer) -> None:
    remote.commit({"records/rb.json": '{"a": 1}'}, branch="gitops-rollback-journal", on="none")
    journal = repo.fetch().journal
    assert journal is not None
    blob = repo.entry_id(journal, "records/rb.json")
    assert blob is not None
    before = len(server.requests)
    assert repo.read(blob) == b'{"a": 1}'
    assert len(server.requests) == before


def test_a_blob_that_is_not_here_is_fetched_when_it_is_read(
    remote: Remote, repo: GitConfigRepo, server: GitServer
) -> None:
    head = repo.fetch().branch
    blob = repo.entry_id(head, "apps/a/0.yaml")
    assert blob is not None
    before = len(server.requests)
    assert repo.read(blob) == b"n: 0\n"
    assert len(server.requests) > before


def test_a_journal_that_was_deleted_is_seen_as_missing(remote: Remote, repo: GitConfigRepo) -> None:
    remote.commit({"records/x": "{}"}, branch="gitops-rollback-journal", on="none")
    assert repo.fetch().journal is not None
    git("update-ref", "-d", "refs/heads/gitops-rollback-journal", cwd=remote.path)
    assert repo.fetch().journal is None


def test_a_local_remote_without_partial_clones_works(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state", url=f"file://{remote.path}", allow_file=True)
    head = repo.fetch().branch
    blob = repo.entry_id(head, "apps/a/0.yaml")
    assert blob is not None
    assert repo.read(blob) == b"n: 0\n"


@pytest.mark.parametrize("refused", ["uploadpackfilter.blob:limit.allow", "uploadpackfilter.allow"])
def test_a_server_that_refuses_filters_is_cloned_without(remote: Remote, repo: GitConfigRepo, refused: str) -> None:
    git("config", refused, "false", cwd=remote.path)
    repo.fetch()
    remote.commit({"new": "1"})
    head = repo.fetch().branch
    blob = repo.entry_id(head, "new")
    assert blob is not None
    assert repo.read(blob) == b"1"


def test_a_sha256_repository_is_followed(server: GitServer, tmp_path: Path) -> None:
    remote = Remote(server, "wide").create("--object-format=sha256")
    head = remote.commit({"a": "1"})
    repo = remote.open(tmp_path / "state", name="wide")
    assert repo.fetch().branch == head
    ours = repo.write_files(head, {"b": b"1"}, "b", repo.commit(head).committed_at)
    assert repo.push((RefUpdate(MAIN, ours, head),)).outcome.value == "landed"
    repo.close()


# R20, F6, F11: the branch moves back


def test_a_rewritten_branch_stays_one_until_a_person_says_so(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    repo.fetch()
    foreign = remote.commit({"other": "1"}, on="main~2")
    for again in (repo, repo, remote.open(tmp_path / "state")):
        with pytest.raises(BranchRewritten) as caught:
            again.fetch()
        assert caught.value.reason is Reason.BRANCH_REWRITTEN
    repo.accept_rewrite()
    assert repo.fetch().branch == foreign


def test_a_branch_that_comes_back_as_it_was_is_followed_again(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    git("update-ref", MAIN, git("rev-parse", "main~1", cwd=remote.path), cwd=remote.path)
    with pytest.raises(BranchRewritten):
        repo.fetch()
    git("update-ref", MAIN, head, cwd=remote.path)
    assert repo.fetch().branch == head


@pytest.mark.parametrize(("patience", "error"), [(60.0, RepositoryUnavailable), (-1.0, BranchRewritten)])
def test_a_mirror_that_lags_behind_our_own_push_is_no_news_for_a_while(
    remote: Remote, tmp_path: Path, patience: float, error: type[RollbackError]
) -> None:
    repo = remote.open(tmp_path / "state", lag_patience=patience)
    head = repo.fetch().branch
    ours = repo.write_files(head, {"b": b"1"}, "b", repo.commit(head).committed_at)
    repo.push((RefUpdate(MAIN, ours, head),))
    git("update-ref", MAIN, head, cwd=remote.path)
    with pytest.raises(error):
        repo.fetch()
    git("update-ref", MAIN, ours, cwd=remote.path)
    assert repo.fetch().branch == ours


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
    repo = remote.open(tmp_path / "state", fetch_deadline=1.0)
    repo.fetch()
    remote.commit({"new": "1"})
    fault(remote.server)
    with pytest.raises(GitTimeout):
        repo.fetch()
    remote.server.release()
    assert repo.fetch().branch == remote.head()


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
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *options, *subject, "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
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
