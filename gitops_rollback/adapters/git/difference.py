"""Which files differ between two trees? Answered by the kept reader: no process, and equal directories are not opened.

Gives what `git diff-tree -r --no-renames` would. Source: the format of a tree object (`mode SP name NUL id`, repeated).
"""

from __future__ import annotations

import re

from gitops_rollback.adapters.git.door import LOSSLESS
from gitops_rollback.adapters.git.objects import TREE_LIMIT, ObjectReader
from gitops_rollback.core.commit import ABSENT_MODE, FileChange
from gitops_rollback.core.errors import ObjectMissing

# By length of an object id in hexadecimal digits.
ENTRIES = {
    40: re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL),
    64: re.compile(rb"([0-7]+) ([^\0]+)\0(.{32})", re.DOTALL),
}
TREE_MODE = b"40000"

Side = tuple[bytes, bytes]  # mode, binary id
ABSENT: Side = (b"", b"")


class Differences:
    """Compares trees, and remembers each directory that it opened: make one for each revert, not one for ever."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._seen: dict[str, frozenset[tuple[bytes, bytes, bytes]]] = {"": frozenset()}

    def between(self, old_tree: str, new_tree: str) -> tuple[FileChange, ...]:
        """Each file that differs, by path; a file that became a directory is one removal and its additions.

        Raises: ObjectMissing if a tree is not here; RepositoryUnavailable.
        """
        found: list[tuple[bytes, FileChange]] = []
        pending = [(b"", old_tree, new_tree)] if old_tree != new_tree else []
        while pending:
            folder, old_id, new_id = pending.pop()
            for name, old, new in self._level(old_id, new_id):
                path = folder + name
                below = [side[1].hex() if side[0] == TREE_MODE else "" for side in (old, new)]
                if any(below):
                    pending.append((path + b"/", below[0], below[1]))
                old, new = (ABSENT if side[0] == TREE_MODE else side for side in (old, new))
                if old != new:
                    found.append((path, _change(path, old, new)))
        return tuple(change for _, change in sorted(found, key=lambda pair: pair[0]))

    def _level(self, old_id: str, new_id: str) -> list[tuple[bytes, Side, Side]]:
        """(name, old side, new side) of each entry that differs between two directories; "" is an absent one."""
        old, new = self._entries(old_id), self._entries(new_id)
        gone = {name: (mode, sha) for mode, name, sha in old - new}
        came = {name: (mode, sha) for mode, name, sha in new - old}
        return [(name, gone.get(name, ABSENT), came.get(name, ABSENT)) for name in gone.keys() | came.keys()]

    def _entries(self, tree: str) -> frozenset[tuple[bytes, bytes, bytes]]:
        if tree not in self._seen:
            kind, content = self._reader.read(tree, TREE_LIMIT)
            if kind != "tree":
                raise ObjectMissing(tree, f"is a {kind}, not a tree")
            self._seen[tree] = frozenset(ENTRIES[len(tree)].findall(content))
        return self._seen[tree]


def _change(path: bytes, old: Side, new: Side) -> FileChange:
    return FileChange(
        path.decode(*LOSSLESS),
        old[0].decode() or ABSENT_MODE,
        new[0].decode() or ABSENT_MODE,
        old[1].hex() or None,
        new[1].hex() or None,
    )
