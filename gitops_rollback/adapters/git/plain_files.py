"""A tree as plain files in a folder, for a program that knows no git; and what that program made of them.

Written from objects: no filter, line ending or attribute of the repository is applied, and there is no `.git`. Links
that lead out of the folder are left out, since a program would follow them; none is followed when reading.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_rollback.adapters.git.door import LOSSLESS
from gitops_rollback.adapters.git.gates import SUBMODULE_MODE, SYMLINK_MODE
from gitops_rollback.adapters.git.objects import Entry, ObjectReader, require_path

REGULAR, EXECUTABLE = "100644", "100755"
MOST_FILES = 100_000  # folders count as well
MOST_BYTES = 1 << 30
LARGEST = 256 << 20
LONGEST_LINK = 4096


class Unusable(Exception):
    """A path that cannot be written or read, and why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path, self.why = path, why


@dataclass(frozen=True)
class Plain:
    """One file or link that lies in the folder."""

    path: str
    mode: str
    content: bytes  # of a link: where it leads


def lay_out(reader: ObjectReader, files: Iterable[tuple[str, Entry]], folder: Path) -> frozenset[str]:
    """Write `files` into the empty `folder`; a submodule is an empty folder. Returns the links that were left out.

    Raises: Unusable; OSError; ObjectMissing; RepositoryUnavailable.
    """
    links: dict[str, bytes] = {}
    budget = _Budget()
    for path, entry in files:
        require_path(path)
        place = _place(folder, path)
        os.makedirs(place if entry.mode == SUBMODULE_MODE else os.path.dirname(place), exist_ok=True)
        if entry.mode == SUBMODULE_MODE:
            continue
        content = reader.read(entry.sha, LARGEST)[1]
        budget.take(path, len(content))
        if entry.mode == SYMLINK_MODE:
            links[path] = content[:LONGEST_LINK]
        else:
            _write(place, content, 0o755 if entry.mode == EXECUTABLE else 0o644)
    for path, target in links.items():  # after all files, so that none is written through a link
        os.symlink(target, _place(folder, path))
    return frozenset(_without_ways_out(folder, links))


def read_in(folder: Path) -> Iterator[Plain]:
    """All files and links below `folder`. Raises: Unusable for anything else, or for too much; OSError."""
    budget, pending = _Budget(), [b""]
    root = os.fsencode(folder)
    if not stat.S_ISDIR(os.lstat(root).st_mode):
        raise Unusable("", "the folder itself was replaced")
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as found:
            for entry in found:
                name = os.path.join(below, entry.name)
                path = name.decode(*LOSSLESS)
                if entry.is_dir(follow_symlinks=False):
                    budget.take(path, 0)
                    pending.append(name)
                    continue
                mode, content = _read(path, entry.path)
                budget.take(path, len(content))
                yield Plain(path, mode, content)


def blob_id(content: bytes, width: int) -> str:
    """The id that git gives a blob; `width` is the length of ids in the repository."""
    made = hashlib.sha1(usedforsecurity=False) if width == 40 else hashlib.sha256()
    made.update(b"blob %d\0" % len(content))
    made.update(content)
    return made.hexdigest()


@dataclass
class _Budget:
    files: int = 0
    size: int = 0

    def take(self, path: str, size: int) -> None:
        self.files, self.size = self.files + 1, self.size + size
        if self.files > MOST_FILES or self.size > MOST_BYTES:
            raise Unusable(path, f"there are more than {MOST_FILES} files or {MOST_BYTES >> 20} MiB")


def _place(folder: Path, path: str) -> bytes:
    return os.path.join(os.fsencode(folder), path.encode(*LOSSLESS))


def _write(place: bytes, content: bytes, mode: int) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _without_ways_out(folder: Path, links: Iterable[str]) -> Iterator[str]:
    """Remove each link that leads out of `folder`, by itself or over others, as far as the file system follows it."""
    root = os.path.realpath(os.fsencode(folder))
    out = [path for path in links if not _is_below(os.path.realpath(_place(folder, path)), root)]
    for path in out:
        os.unlink(_place(folder, path))
        yield path


def _is_below(place: bytes, root: bytes) -> bool:
    return place == root or place.startswith(root + b"/")


def _read(path: str, place: bytes) -> tuple[str, bytes]:
    kind = os.lstat(place).st_mode
    if stat.S_ISLNK(kind):
        return SYMLINK_MODE, os.readlink(place)
    if not stat.S_ISREG(kind):
        raise Unusable(path, "it is neither a file nor a link")
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Unusable(path, f"it is larger than {LARGEST >> 20} MiB")
    return EXECUTABLE if kind & stat.S_IXUSR else REGULAR, content
