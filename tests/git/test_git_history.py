"""Is each commit of the mainline read as it is, whatever people put into it?"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from remote_world import MAIN, Remote, git

from gitops_rollback.adapters.git.history import instant
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import ObjectMissing


def newest(repo: GitConfigRepo) -> Commit:
    return repo.commit(repo.fetch().branch)


def a_merge(remote: Remote, sides: int) -> list[str]:
    """A merge of `sides` branches into main; returns its parents."""
    base = remote.head()
    assert base is not None
    parents = [remote.commit({"main.yaml": "1"})]
    parents += [remote.commit({f"side{n}.yaml": "1"}, branch=f"side{n}", on=base) for n in range(sides)]
    tree = git("rev-parse", "main^{tree}", cwd=remote.path)
    lines = git("ls-tree", tree, cwd=remote.path)
    for n in range(sides):
        lines += "\n" + git("ls-tree", f"side{n}", f"side{n}.yaml", cwd=remote.path)
    merged = git("mktree", cwd=remote.path, content=(lines + "\n").encode())
    words = [word for parent in parents for word in ("-p", parent)]
    sha = git("commit-tree", merged, *words, "-m", "Merge", cwd=remote.path)
    git("update-ref", MAIN, sha, cwd=remote.path)
    return parents


def test_the_range_is_open_below_and_newest_first(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    line = git("rev-list", "main", cwd=remote.path).split()
    assert [commit.sha for commit in repo.commits(line[2], head)] == line[:2]
    assert [commit.sha for commit in repo.commits(None, head)] == line
    assert [commit.sha for commit in repo.commits(None, head, limit=1)] == line[:1]
    assert repo.commits(head, head) == ()


def test_a_root_commit_adds_its_files(remote: Remote, repo: GitConfigRepo) -> None:
    root = repo.commits(None, repo.fetch().branch)[-1]
    assert (root.parents, [(change.path, change.old_blob) for change in root.changes]) == (
        (),
        [("apps/a/0.yaml", None)],
    )


@pytest.mark.parametrize("sides", [1, 3])
def test_a_merge_shows_what_it_brought_to_the_mainline(remote: Remote, repo: GitConfigRepo, sides: int) -> None:
    parents = a_merge(remote, sides)
    merge = newest(repo)
    assert list(merge.parents) == parents
    assert list(merge.paths) == [f"side{n}.yaml" for n in range(sides)]
    assert [commit.subject for commit in repo.commits(None, merge.sha)][:2] == ["Merge", "Change"]


def test_only_the_first_parent_line_is_the_mainline(remote: Remote, repo: GitConfigRepo) -> None:
    first, side = a_merge(remote, 1)
    head = repo.fetch().branch
    assert [repo.on_first_parent(sha, head) for sha in (head, first, side)] == [True, True, False]
    assert [repo.is_ancestor(sha, head) for sha in (head, first, side)] == [True, True, True]
    assert [repo.is_ancestor(head, sha) for sha in (first, side)] == [False, False]
    assert not repo.on_first_parent(head, first)


ODD = ["with\nnewline", 'quote"s', "-leading", "tab\there", "ünïcode", "not\udcffutf8", "spa ce", "d/" * 200 + "deep"]


def test_odd_names_survive_the_way_there_and_back(remote: Remote, repo: GitConfigRepo) -> None:
    remote.commit(dict.fromkeys(ODD, "x"))
    commit = newest(repo)
    assert sorted(commit.paths) == sorted(ODD)
    assert {entry.path for entry in repo.files(commit.sha)} >= set(ODD)
    for name in ODD:
        assert repo.entry_id(commit.sha, name) == git("hash-object", "--stdin", content=b"x")
    removed = repo.write_files(commit.sha, dict.fromkeys(ODD), "Remove", commit.committed_at)
    assert repo.tree(removed) == repo.tree(commit.parents[0])


MESSAGES = [
    "",
    "one line",
    "subject\n\nbody\n\nRollback-Id: rb-1\nRollback-Reverts: a\nRollback-Reverts: b",
    ":100644 100644 a b M\n\nlooks like a change",
    "Latin-1: caf\udce9",
    "\x1b[31mred\x1b[0m \u202e",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_read_as_they_are(remote: Remote, repo: GitConfigRepo, message: str) -> None:
    sha = remote.commit({"x": "1"}, message)
    git(
        "update-ref",
        MAIN,
        git("commit-tree", f"{sha}^{{tree}}", "-p", sha, "-m", "no change", cwd=remote.path),
        cwd=remote.path,
    )
    after, commit, *_ = repo.commits(None, repo.fetch().branch)
    assert (after.subject, after.changes) == ("no change", ())
    assert commit.message == message
    assert [change.path for change in commit.changes] == ["x"]


def test_the_trailers_of_a_commit_are_read(remote: Remote, repo: GitConfigRepo) -> None:
    remote.commit({"x": "1"}, MESSAGES[2])
    assert newest(repo).trailers == {"Rollback-Id": ("rb-1",), "Rollback-Reverts": ("a", "b")}


def raw_tree(remote: Remote, lines: str) -> None:
    """Put a tree on main, entry by entry."""
    tree = git("mktree", "--missing", cwd=remote.path, content=lines.encode())
    sha = git("commit-tree", tree, "-p", "main", "-m", "raw", cwd=remote.path)
    git("update-ref", MAIN, sha, cwd=remote.path)


@pytest.mark.parametrize(
    ("before", "after", "modes"),
    [
        pytest.param("100644 blob {a}\tf\n", "100755 blob {a}\tf\n", ("100644", "100755"), id="mode-only"),
        pytest.param("100644 blob {a}\tf\n", "120000 blob {a}\tf\n", ("100644", "120000"), id="to-symlink"),
        pytest.param("100644 blob {a}\tf\n", "160000 commit {c}\tf\n", ("100644", "160000"), id="to-submodule"),
        pytest.param("160000 commit {c}\tf\n", "", ("160000", "000000"), id="submodule-removed"),
        pytest.param("100644 blob {a}\tf\n", "040000 tree {t}\tf\n", ("100644", "000000"), id="to-folder"),
    ],
)
def test_special_changes_keep_their_modes(
    remote: Remote, repo: GitConfigRepo, before: str, after: str, modes: tuple[str, str]
) -> None:
    blob = git("hash-object", "-w", "--stdin", cwd=remote.path, content=b"x")
    tree = git("mktree", cwd=remote.path, content=f"100644 blob {blob}\tg\n".encode())
    for lines in (before, after):
        raw_tree(remote, lines.format(a=blob, c="c0" * 20, t=tree))
    change = next(change for change in newest(repo).changes if change.path == "f")
    assert (change.old_mode, change.new_mode) == modes
    assert (change.old_blob is None, change.new_blob is None) == tuple(mode == "000000" for mode in modes)


def test_a_rename_is_a_removal_and_an_addition(remote: Remote, repo: GitConfigRepo) -> None:
    remote.commit({"apps/a/0.yaml": None, "apps/b/0.yaml": "n: 0\n"})
    old, new = newest(repo).changes
    assert (old.path, old.new_blob, new.path, new.old_blob) == ("apps/a/0.yaml", None, "apps/b/0.yaml", None)
    assert old.old_blob == new.new_blob


def test_binary_and_crlf_files_are_read_byte_for_byte(remote: Remote, repo: GitConfigRepo) -> None:
    contents = {
        "crlf": b"a\r\nb\r\n",
        "binary": bytes(range(256)),
        ".gitattributes": b"* text=auto eol=crlf filter=evil\n",
    }
    remote.commit(contents)
    head = repo.fetch().branch
    for path, content in contents.items():
        blob = repo.entry_id(head, path)
        assert blob is not None
        assert repo.read(blob) == content


@pytest.mark.parametrize(
    ("seconds", "year"),
    [
        ("0", 1970),
        ("-2177452800", 1901),
        ("4291747200", 2106),
        ("99999999999999999", 9999),
        ("-99999999999999", 1),
        ("x", 1970),
    ],
)
def test_dates_of_all_centuries_are_read(seconds: str, year: int) -> None:
    assert instant(seconds).year == year


def test_a_commit_of_the_year_2106_is_read(remote: Remote, repo: GitConfigRepo) -> None:
    tree, parent = git("rev-parse", "main^{tree}", "main", cwd=remote.path).split()
    raw = f"tree {tree}\nparent {parent}\nauthor a <a> 4291747200 +0000\ncommitter a <a> 4291747200 +0000\n\nlate\n"
    sha = git("hash-object", "-w", "-t", "commit", "--stdin", cwd=remote.path, content=raw.encode())
    git("update-ref", MAIN, sha, cwd=remote.path)
    assert newest(repo).committed_at == datetime(2106, 1, 1, tzinfo=UTC)


def test_replaced_objects_deceive_nobody(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    before = repo.commit(head)
    subprocess.run(["git", "replace", head, before.parents[0]], cwd=repo.directory, check=True)
    assert repo.commit(head) == before


def test_files_are_listed_below_a_folder_only(remote: Remote, repo: GitConfigRepo) -> None:
    remote.commit({"apps/a-b/x": "1", "apps/a.yaml": "1"})
    head = repo.fetch().branch
    assert [entry.path for entry in repo.files(head, "apps/a")] == [f"apps/a/{n}.yaml" for n in range(3)]
    assert [entry.path for entry in repo.files(head, "apps/a.yaml")] == ["apps/a.yaml"]
    assert repo.files(head, "apps/gone") == repo.files(head, "apps/a.yaml/x") == ()
    assert repo.entry_id(head, "") == repo.tree(head) == repo.entry_id(repo.tree(head), "")


@pytest.mark.parametrize("name", ["main", "-h", "--all", "HEAD~1", "a" * 39, ""])
def test_only_full_ids_are_asked_of_git(repo: GitConfigRepo, name: str) -> None:
    head = repo.fetch().branch
    for ask in (repo.commit, repo.tree, repo.files, lambda sha: repo.commits(None, sha)):
        with pytest.raises(ObjectMissing):
            ask(name)
    assert not repo.is_ancestor(name, head)


def test_a_folder_is_no_file(repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    with pytest.raises(ObjectMissing, match="not a file"):
        repo.read(repo.tree(head))


def test_reversing_goes_through_the_object_database(remote: Remote, repo: GitConfigRepo, tmp_path: Path) -> None:
    head = repo.fetch().branch
    reversal = repo.reverse(head, (head,))
    assert reversal.tree == repo.tree(repo.commit(head).parents[0])
