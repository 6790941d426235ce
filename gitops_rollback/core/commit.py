"""Commits of a config repository as values, and the trailers that ours carry.

Source: git-interpret-trailers(1) for the trailer block, git-revert(1) for the first two lines of a revert.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

ABSENT_MODE = "000000"
REGULAR_MODE = "100644"

SHA_PATTERN = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
TRAILER_LINE = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9-]*): ?(?P<value>.*)")


@dataclass(frozen=True)
class FileChange:
    """One path that differs between a commit and its first parent. A blob is None where the path is absent.

    Paths that are not UTF-8 carry surrogate escapes, so that they survive the way back to git.
    """

    path: str
    old_mode: str
    new_mode: str
    old_blob: str | None
    new_blob: str | None


@dataclass(frozen=True)
class Commit:
    """A commit with its difference to its first parent (for a root commit, to the empty tree)."""

    sha: str
    parents: tuple[str, ...]
    tree: str
    author: str  # "Name <mail>"
    committer: str
    committed_at: datetime  # author dates lie after cherry-picks; this one orders things
    message: str
    changes: tuple[FileChange, ...] = ()

    @property
    def subject(self) -> str:
        return self.message.split("\n", 1)[0]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.changes)

    @property
    def trailers(self) -> Mapping[str, tuple[str, ...]]:
        return parse_trailers(self.message)


def is_sha(text: str) -> bool:
    """True for a full, lower-case SHA-1 or SHA-256 object name."""
    return SHA_PATTERN.fullmatch(text) is not None


def parse_trailers(message: str) -> dict[str, tuple[str, ...]]:
    """The trailers of the last paragraph, in order, repeated keys kept. {} if that paragraph is not a trailer block.

    Stricter than git: every line of the block must be a trailer (or the indented rest of one), and the block is
    never the subject. A message of a person that merely quotes one in its prose has none.
    """
    paragraphs = re.split(r"\n[ \t]*\n", message.strip("\n"))
    if len(paragraphs) < 2:
        return {}
    found: dict[str, list[list[str]]] = {}  # each value as the parts of its lines
    last = ""
    for line in paragraphs[-1].splitlines():
        if line[:1] in (" ", "\t") and last:
            found[last][-1].append(line.strip())
            continue
        match = TRAILER_LINE.fullmatch(line)
        if match is None:
            return {}
        last = match["key"]
        found.setdefault(last, []).append([match["value"].strip()])
    return {key: tuple(" ".join(parts) for parts in values) for key, values in found.items()}
