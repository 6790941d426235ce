"""Is the git note of a commit read as the remote has it now, however many notes there are?"""

from __future__ import annotations

from remote_world import Remote, git

from gitops_rollback.adapters.git.repository import GitConfigRepo

KIND = "hydrator.metadata"


def noted(remote: Remote, sha: str, words: str) -> None:
    by = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    git(*by, "notes", "--ref", KIND, "add", "-f", "-m", words, sha, cwd=remote.path)


def test_a_note_is_read_anew_each_time_and_another_kind_is_none(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    assert repo.note(KIND, head) == b""
    noted(remote, head, "one")
    assert repo.note(KIND, head) == b"one\n"
    noted(remote, head, "two")
    assert repo.note(KIND, head) == b"two\n"
    assert repo.note("commits", head) == b""
    assert repo.note(KIND, repo.commit(head).parents[0]) == b""


def test_a_clone_that_was_never_fetched_reads_notes(remote: Remote, repo: GitConfigRepo) -> None:
    head = remote.head() or ""
    noted(remote, head, "one")
    assert repo.note(KIND, head) == b"one\n"


def test_a_tree_of_notes_that_fans_out_is_read(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    blob = git("hash-object", "-w", "--stdin", cwd=remote.path, content=b"x\n").strip()
    inner = git("mktree", cwd=remote.path, content=f"100644 blob {blob}\t{head[2:]}\n".encode()).strip()
    outer = git("mktree", cwd=remote.path, content=f"040000 tree {inner}\t{head[:2]}\n".encode()).strip()
    by = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    commit = git(*by, "commit-tree", "-m", "n", outer, cwd=remote.path).strip()
    git("update-ref", f"refs/notes/{KIND}", commit, cwd=remote.path)
    assert repo.note(KIND, head) == b"x\n"
