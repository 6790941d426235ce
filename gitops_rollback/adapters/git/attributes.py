"""Does the repository itself say that a file is generated?

Only the attribute that forges know, `linguist-generated`, in the `.gitattributes` of the file's folders, the innermost
last. Read from objects: a bare repository knows no attributes of its own. Classes such as `[ab]` match nothing here.
Source: gitattributes(5); github-linguist, docs/overrides.md.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from gitops_rollback.adapters.git.objects import ObjectReader, find_entry
from gitops_rollback.core.paths import matches

FILE = ".gitattributes"
BYTES = 256 << 10
SET = frozenset({"linguist-generated", "linguist-generated=true"})
UNSET = frozenset({"-linguist-generated", "!linguist-generated", "linguist-generated=false"})


def is_marked_generated(reader: ObjectReader, tree: str, path: str) -> bool:
    """True if the last line that speaks of `path` in `tree` says so. Raises: ObjectMissing for `tree`."""
    marked = False
    for folder in _folders(path):
        for pattern, words in _lines(_read(reader, tree, posixpath.join(folder, FILE))):
            inside = path[len(folder) + 1 :] if folder else path
            if words & (SET | UNSET) and matches(pattern, inside):
                marked = bool(words & SET)
    return marked


def _folders(path: str) -> Iterator[str]:
    """From the root to the file's own."""
    parts = path.split("/")[:-1]
    yield from ("/".join(parts[:depth]) for depth in range(len(parts) + 1))


def _read(reader: ObjectReader, tree: str, path: str) -> str:
    found = find_entry(reader, tree, path)
    size = reader.info(found.sha) if found is not None and found.kind == "blob" else None
    if found is None or size is None or size[1] > BYTES:
        return ""
    return reader.read(found.sha, BYTES)[1].decode("utf-8", "surrogateescape")


def _lines(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    for line in text.splitlines():
        pattern, *words = line.split() or [""]
        if pattern and not pattern.startswith(("#", "[", '"', "!")):
            yield pattern if "/" in pattern else f"**/{pattern}", frozenset(words)
