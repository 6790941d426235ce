"""Does the clone follow the remote, however odd either of them is? By real HTTP and file://."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from remote_world import MAIN, Remote, git

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import (
    BranchRewritten,
    ObjectMissing,
    Reason,
    RepositoryUnavailable,
    RollbackError,
    StalledError,
)
from gitops_rollback.ports import RefUpdate
from gitops_rollback.sandbox.git_server import GitServer

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
        pytest.param(nothing, "empty", id="R1-empty"),
        pytest.param(no_branch, "has no branch 'release'", id="R2-no-such-branch"),
        pytest.param(detached, "detached", id="R3-detached"),
        pytest.param(head_of_nothing, "names no branch", id="R3-head-of-nothing"),
    ],
)
def test_a_remote_without_a_branch_to_follow_is_named(
    empty_remote: Remote, tmp_path: Path, make: Callable[[Remote], str], said: str
) -> None:
    branch = make(empty_remote)
    with pytest.raises(StalledError, match=said):
        empty_remote.open(tmp_path / "state", branch=branch).fetch()


def test_r3_a_renamed_default_branch_is_not_followed_silently(remote: Remote, repo: GitConfigRepo) -> None:
    repo.fetch()
    git("branch", "-m", "main", "trunk", cwd=remote.path)
    with pytest.raises(StalledError, match="no longer has branch 'main'"):
        repo.fetch()


def test_r16_a_tag_of_the_branch_s_name_is_not_the_branch(remote: Remote, repo: GitConfigRepo) -> None:
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


def test_r4_old_history_is_fetched_only_when_it_is_asked_for(long_remote: Remote, tmp_path: Path) -> None:
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


def test_many_files_that_a_partial_clone_lacks_come_at_once(
    remote: Remote, server: GitServer, repo: GitConfigRepo
) -> None:
    head = repo.fetch().branch
    blobs = [entry.blob for entry in repo.files(head)]
    assert not any(repo.has(blob) for blob in blobs)
    repo.bring(blobs)
    assert all(repo.has(blob) for blob in blobs)
    server.stop()
    repo.bring([*blobs, "f" * 40])  # best effort
    assert repo.read(blobs[0]) == b"n: 0\n"


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


def test_r20_a_rewritten_branch_stays_one_until_a_person_says_so(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state")
    repo.fetch()
    foreign = remote.commit({"other": "1"}, on="main~2")
    for again in (repo, repo, remote.open(tmp_path / "state")):
        with pytest.raises(BranchRewritten) as caught:
            again.fetch()
        assert caught.value.reason is Reason.BRANCH_REWRITTEN
    Path(caught.value.message.rpartition("remove ")[2]).unlink()
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
