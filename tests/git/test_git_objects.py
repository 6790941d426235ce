"""Are objects read and written as they are, without an index?"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_world import git

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.objects import (
    MOST_WALKED,
    ObjectReader,
    find_entry,
    list_files,
    put_files,
    write_blob,
)
from gitops_rollback.core.errors import ObjectMissing, StalledError


@pytest.fixture
def bare(tmp_path: Path) -> Git:
    git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    return Git(tmp_path / "bare.git")


@pytest.fixture
def reader(bare: Git) -> Iterator[ObjectReader]:
    reader = ObjectReader(bare)
    yield reader
    reader.close()


def listing(bare: Git, tree: str) -> dict[str, str]:
    return {path: entry.mode for path, entry in list_files(bare, tree)}


def test_content_comes_back_byte_for_byte(bare: Git, reader: ObjectReader) -> None:
    for content in (b"", b"\n", b"a\r\n\0b", os.urandom(200_000)):
        assert reader.read(write_blob(bare, content), 1 << 20) == ("blob", content)


def test_a_reader_that_was_killed_starts_again(bare: Git, reader: ObjectReader) -> None:
    blob = write_blob(bare, b"x")
    for _ in range(2):
        assert reader.info(blob) == ("blob", 1)
        assert reader._process is not None
        os.kill(reader._process.pid, signal.SIGKILL)
    assert reader.read(blob, 10) == ("blob", b"x")


def test_objects_written_later_are_found_by_a_running_reader(bare: Git, reader: ObjectReader) -> None:
    assert reader.info("ab" * 20) is None
    assert reader.info(write_blob(bare, b"later")) == ("blob", 5)


def test_many_threads_get_each_their_own_answer(bare: Git, reader: ObjectReader) -> None:
    blobs = {write_blob(bare, f"content {n}".encode()): f"content {n}".encode() for n in range(8)}
    wrong: list[str] = []

    def read(sha: str) -> None:
        for _ in range(50):
            if reader.read(sha, 100)[1] != blobs[sha]:
                wrong.append(sha)

    threads = [threading.Thread(target=read, args=(sha,)) for sha in blobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


@pytest.mark.parametrize("name", ["", "HEAD", "-h", "a" * 39, "a" * 40 + "\ninfo", "A" * 40])
def test_only_full_ids_reach_git(reader: ObjectReader, name: str) -> None:
    with pytest.raises(ObjectMissing):
        reader.read(name, 10)


def test_a_blob_over_the_limit_is_refused_unread(bare: Git, reader: ObjectReader) -> None:
    blob = write_blob(bare, b"x" * 101)
    assert len(reader.read(blob, 101)[1]) == 101
    with pytest.raises(StalledError, match="101 bytes"):
        reader.read(blob, 100)


TREE = {"a/b/c.yaml": b"1", "a/d.yaml": b"2", "e.yaml": b"3"}


@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param({}, {"a/b/c.yaml", "a/d.yaml", "e.yaml"}, id="nothing"),
        pytest.param({"a/b/c.yaml": None}, {"a/d.yaml", "e.yaml"}, id="last-of-a-folder"),
        pytest.param({"x/y/z": b"4"}, {*TREE, "x/y/z"}, id="new-folders"),
        pytest.param({"gone": None, "a/gone/x": None, "e.yaml/x": None}, set(TREE), id="removing-what-is-not-there"),
        pytest.param({"a": b"4"}, {"a", "e.yaml"}, id="file-over-folder"),
        pytest.param({"e.yaml/x": b"4"}, {"a/b/c.yaml", "a/d.yaml", "e.yaml/x"}, id="folder-over-file"),
        pytest.param(dict.fromkeys(TREE), set(), id="everything"),
        pytest.param({"a.b": b"", "a-b": b"", "ä\udcff\n\"'": b""}, {*TREE, "a.b", "a-b", "ä\udcff\n\"'"}, id="names"),
    ],
)
def test_put_files_changes_these_files_only(
    bare: Git, reader: ObjectReader, change: dict[str, bytes | None], left: set[str]
) -> None:
    tree = put_files(bare, reader, put_files(bare, reader, None, TREE), change)
    assert set(listing(bare, tree)) == left
    for path, content in {**TREE, **change}.items():
        entry = find_entry(reader, tree, path)
        assert path not in left or content is None or (entry and reader.read(entry.sha, 9)[1] == content)
    assert git("fsck", "--strict", "--no-dangling", cwd=bare.git_dir) == ""


def test_an_executable_stays_one_and_a_link_becomes_a_file(bare: Git, reader: ObjectReader) -> None:
    blob = write_blob(bare, b"x")
    lines = f"100755 blob {blob}\trun\n120000 blob {blob}\tlink\n"
    tree = bare.text("mktree", stdin=lines.encode())
    changed = put_files(bare, reader, tree, {"run": b"y", "link": b"y"})
    assert listing(bare, changed) == {"run": "100755", "link": "100644"}


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/", "../a", "a/./b", ".git/config", "a/.GIT/x", "a\0b"])
def test_paths_that_leave_the_tree_are_refused(bare: Git, reader: ObjectReader, path: str) -> None:
    with pytest.raises(StalledError):
        put_files(bare, reader, None, {path: b"x"})


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_trees_are_those_that_git_itself_makes(tmp_path: Path, kind: str) -> None:
    work, names = (
        tmp_path / "work",
        [b"a", b"a.b/x", b"a-b", b"ab/c/d", b"ab0", "\ue000".encode(), b"\xff", b"z/\xfe/y", b"z.y"],
    )
    git("init", "-q", f"--object-format={kind}", str(work))
    for name in names:
        path = os.path.join(os.fsencode(work), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    git("-C", str(work), "add", "-A")
    expected = git("-C", str(work), "write-tree").strip()
    door = Git(work / ".git")
    known = ObjectReader(door)
    files: dict[str, bytes | None] = {name.decode("utf-8", "surrogateescape"): name for name in names}
    assert put_files(door, known, None, files) == expected
    assert list_files(door, expected) == list_files(door, expected, reader=known)
    known.close()


def test_more_directories_than_are_read_one_by_one_are_listed_all_the_same(bare: Git, reader: ObjectReader) -> None:
    tree = put_files(bare, reader, None, {f"apps/{n:03}/x/values.yaml": b"%d" % n for n in range(MOST_WALKED)})
    assert list_files(bare, tree, "top", reader) == list_files(bare, tree, "top")
    assert len(list_files(bare, tree, reader=reader)) == MOST_WALKED
