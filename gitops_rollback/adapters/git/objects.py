"""What is in the object database, and how do new blobs and trees get into it without an index or a work tree?

Reading goes through one long-lived `cat-file --batch-command`; it costs no process a read, and may fetch a blob that a
partial clone lacks. Source: git-cat-file(1) (2.36 and newer), git-mktree(1), git-hash-object(1).
"""

from __future__ import annotations

import hashlib
import os
import re
import selectors
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitops_rollback.adapters.git.door import CHUNK, ERROR_OUTPUT_LIMIT, LOSSLESS, Git, RepositoryUnusable, end_group
from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.core.commit import REGULAR_MODE, is_sha
from gitops_rollback.core.errors import ObjectMissing, RepositoryUnavailable

TREE_MODE = "040000"
SYMLINK_MODE = "120000"
COMMIT_LIMIT = 16 << 20
TREE_LIMIT = 64 << 20
MOST_WALKED = 64  # directories that are read one by one
SHA1_DIGITS = 40
KEPT_HEADERS = 4096
KEPT_CONTENTS, KEPT_BYTES, SMALL = 2048, 4 << 20, 64 << 10  # of objects that are no larger than that
Side = tuple[str, str]  # mode ("": as it is there, or a plain file's) and blob
HEADER = re.compile(rb"[0-9a-f]{40,64} (?P<kind>[a-z]+) (?P<size>\d+)")


@dataclass(frozen=True)
class Entry:
    """One entry of one tree level; `name` may hold surrogate escapes, `kind` is blob, tree or commit (a submodule)."""

    mode: str
    kind: str
    sha: str
    name: str


class _Died(Exception):
    """The reader's process ended or gave no sensible answer; its complaint is the argument."""


class ObjectReader:
    """Reads objects by full id. Thread-safe; starts its process on first use and again after that one died.

    What it read last of small ones is kept, as long as its process lives: each look reads the same trees again.
    """

    def __init__(self, git: Git, deadline: float = 30.0) -> None:
        self._git = git
        self._deadline = deadline
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._forget()

    def info(self, sha: str) -> tuple[str, int] | None:
        """(kind, size in bytes) of an object; None if there is none. Raises: RepositoryUnavailable."""
        return self._headers.get(sha) or self._ask("info", sha)[0]

    def read(self, sha: str, limit: int) -> tuple[str, bytes]:
        """(kind, content). Raises: ObjectMissing; StalledError if larger than `limit`; RepositoryUnavailable."""
        header, content = self._headers.get(sha), self._contents.get(sha)
        if header is None or content is None:
            header, content = self._ask("contents", sha, limit)
        if header is not None and header[1] > limit:
            raise RepositoryUnusable(sha, f"is {header[1]} bytes long, more than the {limit} that are read")
        if header is None:
            raise ObjectMissing(sha, "no such object in this repository")
        return header[0], content

    def close(self) -> None:
        """End the process; the next read starts a new one."""
        with self._lock:
            self._stop()

    def _ask(self, command: str, sha: str, limit: int = 0) -> tuple[tuple[str, int] | None, bytes]:
        if not is_sha(sha):
            raise ObjectMissing(sha[:80], "is not a full object id")
        with self._lock:
            try:
                return self._answer(command, sha, limit)
            except _Died:
                self._stop()
            try:  # an idle process may have been killed long ago: that is no news about the object
                return self._answer(command, sha, limit)
            except _Died as exc:
                self._stop()
                raise RepositoryUnavailable(sha, f"cannot be read: {exc}") from exc
            finally:
                if self._process is not None and self._process.poll() is not None:
                    self._stop()

    def _answer(self, command: str, sha: str, limit: int) -> tuple[tuple[str, int] | None, bytes]:
        process = self._process or self._start()
        until = time.monotonic() + self._deadline
        assert process.stdin is not None
        try:
            process.stdin.write(f"{command} {sha}\n".encode())
            process.stdin.flush()
        except (BrokenPipeError, ValueError) as exc:
            raise _Died("the reading process has ended") from exc
        line = self._take_line(process, until)
        if line.endswith(b" missing"):
            return None, b""
        header = HEADER.fullmatch(line)
        if header is None:
            raise _Died("the reading process gave no sensible answer")
        size, content = int(header["size"]), b""
        if command == "contents" and size > limit:
            self._stop()  # cheaper than taking in what is too large, and it happens hardly ever
        elif command == "contents":
            content = self._take(process, size + 1, until)[:size]
            if size <= SMALL:
                self._contents.put(sha, content)
        return self._headers.put(sha, (header["kind"].decode(), size)), content

    def _start(self) -> subprocess.Popen[bytes]:
        self._buffer.clear()
        self._process = self._git.open("cat-file", "--batch-command", stdin=subprocess.PIPE)
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            end_group(self._process)
        self._process = None
        self._buffer.clear()
        self._forget()

    def _forget(self) -> None:
        self._headers: Kept[tuple[str, int]] = Kept(KEPT_HEADERS)
        self._contents: Kept[bytes] = Kept(KEPT_CONTENTS, KEPT_BYTES)

    def _take_line(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(process, until)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _take(self, process: subprocess.Popen[bytes], size: int, until: float) -> bytes:
        while len(self._buffer) < size:
            self._fill(process, until)
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        return content

    def _fill(self, process: subprocess.Popen[bytes], until: float) -> None:
        """Wait for more output. Raises: _Died at the deadline or at the process's end."""
        assert process.stdout is not None
        assert process.stderr is not None
        complaint = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    chunk = os.read(key.fd, CHUNK)
                    if key.fileobj is process.stdout and chunk:
                        self._buffer += chunk
                        return
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif len(complaint) < ERROR_OUTPUT_LIMIT:
                        complaint += chunk
                if not selector.get_map():
                    said = self._git.complain(complaint.decode("utf-8", "replace"))
                    raise _Died(said.split("\n", 1)[0] or "the process has ended")
        raise _Died(f"no answer within {self._deadline:g} s")


def read_tree(reader: ObjectReader, tree: str) -> tuple[Entry, ...]:
    """One level of a tree, in git's order. Raises: ObjectMissing, also if `tree` is something else."""
    kind, content = reader.read(tree, TREE_LIMIT)
    if kind != "tree":
        raise ObjectMissing(tree, f"is a {kind}, not a tree")
    return tuple(_entries(content, len(tree) // 2))


def _entries(content: bytes, width: int) -> Iterator[Entry]:
    """Source: gitformat of a tree: `mode SP name NUL id`, the mode without leading zero, the id in binary."""
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        mode = content[at:space].decode().zfill(6)
        at = end + 1 + width
        kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
        yield Entry(mode, kind, content[end + 1 : at].hex(), content[space + 1 : end].decode(*LOSSLESS))


def tree_of(reader: ObjectReader, treeish: str) -> str:
    """The tree's id of a commit or tree. Raises: ObjectMissing."""
    found = reader.info(treeish)
    if found is not None and found[0] == "tree":
        return treeish
    if found is None or found[0] != "commit":
        raise ObjectMissing(treeish, "no such commit or tree in this repository")
    _, content = reader.read(treeish, COMMIT_LIMIT)
    return content.split(b"\n", 1)[0].removeprefix(b"tree ").decode()


def find_entry(reader: ObjectReader, treeish: str, path: str) -> Entry | None:
    """The entry at `path` ("" is the root itself), any kind; None if absent. Raises: ObjectMissing for `treeish`."""
    current = Entry(TREE_MODE, "tree", tree_of(reader, treeish), "")
    for name in path.split("/") if path else ():
        if current.kind != "tree":
            return None
        found = next((entry for entry in read_tree(reader, current.sha) if entry.name == name), None)
        if found is None:
            return None
        current = found
    return current


def list_files(
    git: Git, tree: str, under: str = "", reader: ObjectReader | None = None
) -> tuple[tuple[str, Entry], ...]:
    """(full path, entry) of all files below the tree `tree`, recursively; `under` is put before each path.

    With a `reader` a tree of few directories costs no process.
    """
    found = _walked(reader, tree) if reader is not None else None
    if found is None:
        found = _listed(git, tree)
    return tuple((f"{under}/{path}" if under else path, entry) for path, entry in found)


def _walked(reader: ObjectReader, tree: str) -> list[tuple[str, Entry]] | None:
    """The files below, in git's order; None if there are more than `MOST_WALKED` directories."""
    found: list[tuple[str, Entry]] = []
    left = [iter((("", Entry(TREE_MODE, "tree", tree, "")),))]
    walked = 0
    while left:
        path, entry = next(left[-1], (None, None))
        if path is None or entry is None:
            left.pop()
        elif entry.kind != "tree":
            found.append((path, entry))
        elif walked == MOST_WALKED:
            return None
        else:
            walked += 1
            left.append(_below(reader, entry.sha, f"{path}/" if path else ""))
    return found


def _below(reader: ObjectReader, tree: str, prefix: str) -> Iterator[tuple[str, Entry]]:
    return ((f"{prefix}{one.name}", one) for one in read_tree(reader, tree))


def _listed(git: Git, tree: str) -> list[tuple[str, Entry]]:
    output = git.run("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree).stdout
    found = []
    for record in output.split(b"\0")[:-1]:
        meta, _, name = record.partition(b"\t")
        mode, kind, sha = meta.decode().split(" ")
        path = name.decode(*LOSSLESS)
        found.append((path, Entry(mode, kind, sha, path.rsplit("/", 1)[-1])))
    return found


def write_blob(git: Git, content: bytes) -> str:
    """The id of a new (or already known) blob, byte for byte: no filter and no line ending is applied."""
    return git.text("hash-object", "-w", "-t", "blob", "--no-filters", "--stdin", stdin=content)


def _empty_tree(git: Git) -> str:
    """Its id, which hangs on the repository's kind of hash."""
    return git.text("mktree", "-z", stdin=b"")


def _lines(entries: Iterable[Entry]) -> str:
    return "".join(f"{entry.mode} {entry.kind} {entry.sha}\t{entry.name}\0" for entry in entries)


def _in_order(entry: Entry) -> bytes:
    """Git sorts by bytes, and a directory as if a slash stood behind its name."""
    return (f"{entry.name}/" if entry.kind == "tree" else entry.name).encode(*LOSSLESS)


class _NewTrees:
    """Trees on their way into the object database, by one process for all: the id of each is known before.

    Their blobs may be missing here, as in any partial clone.
    """

    def __init__(self) -> None:
        self._trees: dict[str, list[Entry]] = {}

    def add(self, entries: Iterable[Entry]) -> str:
        """The id of the tree with these entries, of which there is one at least. Source: git's order of a tree."""
        ordered = sorted(entries, key=_in_order)
        rows = [f"{one.mode.lstrip('0')} {one.name}\0".encode(*LOSSLESS) + bytes.fromhex(one.sha) for one in ordered]
        content = b"".join(rows)
        made = hashlib.sha256() if len(ordered[0].sha) > SHA1_DIGITS else hashlib.sha1(usedforsecurity=False)
        made.update(f"tree {len(content)}\0".encode() + content)
        self._trees[made.hexdigest()] = ordered
        return made.hexdigest()

    def write(self, git: Git) -> None:
        """Raises: RepositoryUnusable if git makes other trees of it."""
        if not self._trees:
            return
        trees = "\0".join(_lines(entries) for entries in self._trees.values())
        made = git.text("mktree", "-z", "--missing", "--batch", stdin=trees.encode(*LOSSLESS)).split()
        if made != list(self._trees):
            raise RepositoryUnusable("mktree", f"git made other trees: {' '.join(made)[:200]}")


def put_files(git: Git, reader: ObjectReader, tree: str | None, files: Mapping[str, bytes | None]) -> str:
    """The id of `tree` (None: the empty one) with `files` put, or removed where None; the rest stays as it is.

    A file that exists keeps its executable bit; a symbolic link or directory in the way is replaced by the file.
    Raises: RepositoryUnusable for a path that git does not take.
    """
    blobs: dict[str, Side | None] = {}
    for path, content in files.items():
        require_path(path)
        blobs[path] = None if content is None else ("", write_blob(git, content))
    return _written(git, reader, tree, blobs)


def put_entries(git: Git, reader: ObjectReader, tree: str, files: Mapping[str, Entry | None]) -> str:
    """As `put_files`, with files that are in the object database already, and with their modes."""
    sides = {path: None if entry is None else (entry.mode, entry.sha) for path, entry in files.items()}
    return _written(git, reader, tree, sides) if sides else tree


def _written(git: Git, reader: ObjectReader, tree: str | None, blobs: Mapping[str, Side | None]) -> str:
    new = _NewTrees()
    made = _put(new, reader, tree, blobs)
    new.write(git)
    return made or _empty_tree(git)


def require_path(path: str) -> None:
    """Raises: RepositoryUnusable unless relative, without empty, `.`, `..` or `.git` parts and without NUL."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise RepositoryUnusable(repr(path[:200]), "is not a path that may be written")


def _put(new: _NewTrees, reader: ObjectReader, tree: str | None, blobs: Mapping[str, Side | None]) -> str | None:
    """As `put_files`, for one level and what is below it; None if nothing is left."""
    entries = {entry.name: entry for entry in read_tree(reader, tree)} if tree else {}
    below: dict[str, dict[str, Side | None]] = {}
    for path, blob in blobs.items():
        name, slash, rest = path.partition("/")
        if slash:
            below.setdefault(name, {})[rest] = blob
        elif blob is None:
            entries.pop(name, None)
        else:
            known = entries.get(name)
            kept = known.mode if known and known.kind == "blob" and known.mode != SYMLINK_MODE else REGULAR_MODE
            entries[name] = Entry(blob[0] or kept, "blob", blob[1], name)
    for name, rest_blobs in below.items():
        known = entries.pop(name, None)
        if known is not None and known.kind != "tree" and not any(rest_blobs.values()):
            entries[name] = known  # removing something below a file removes nothing
            continue
        subtree = _put(new, reader, known.sha if known and known.kind == "tree" else None, rest_blobs)
        if subtree is not None:
            entries[name] = Entry(TREE_MODE, "tree", subtree, name)
    return new.add(entries.values()) if entries else None
