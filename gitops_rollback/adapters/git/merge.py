"""What comes out when git merges three trees in the object database: a tree, or where and why it cannot.

Source: git-merge-tree(1) of 2.38 (`--write-tree -z`: NUL-separated tree, `mode object stage<TAB>path` of each version
of each conflicted file, an empty record, then per message a count, that many paths, the kind, the text; exit code 1 is
a conflict).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops_rollback.adapters.git.door import LOSSLESS, Git
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import RepositoryUnavailable

# The outcome must not hang on the configuration of the clone that is read.
MERGE_CONFIG = (
    "core.attributesFile=/dev/null",
    "merge.default=text",
    "merge.renames=true",
    "merge.directoryRenames=conflict",
    "merge.renameLimit=7000",
    "merge.renormalize=false",
    "merge.conflictStyle=merge",
)
CONFLICT = "CONFLICT"


BASE, OURS, THEIRS = "1", "2", "3"


@dataclass(frozen=True)
class Merge:
    """`tree` is None on a conflict: git names one then too, `marked`, but with markers in its conflicted files.

    `conflicts` maps each conflicted path to git's kinds of conflict there, such as `modify/delete`, in git's order;
    `versions` to (mode, blob) by BASE, OURS and THEIRS, as far as git has one.
    """

    tree: str | None
    conflicts: Mapping[str, tuple[str, ...]]
    marked: str = ""
    versions: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)


def merge_commits(git: Git, ours: str, theirs: str) -> Merge:
    """Merge two commits by their merge base; a clean result's tree is in the object database.

    Raises: RepositoryUnavailable if an object is missing or git gives no sensible answer.
    """
    result = git.run("merge-tree", "--write-tree", "-z", ours, theirs, ok=(0, 1))
    records = result.stdout.decode(*LOSSLESS).split("\0")
    if not is_sha(records[0]):
        raise RepositoryUnavailable("git merge-tree", "gave no tree")
    if result.code == 0:
        return Merge(records[0], {})
    listed = records[1 : records.index("", 1)] if "" in records[1:] else records[1:]
    versions: dict[str, dict[str, tuple[str, str]]] = {}
    for record in listed:
        words, _, path = record.partition("\t")
        mode, blob, stage = words.split(" ")
        versions.setdefault(path, {})[stage] = (mode, blob)
    return Merge(None, _conflicts([*versions], records[len(listed) + 2 :]), records[0], versions)


def _conflicts(listed: list[str], records: list[str]) -> dict[str, tuple[str, ...]]:
    """Each conflicted path's kinds of conflict, from the messages; where git lists no path, from them alone."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(listed, ())
    at = 0
    while at < len(records) and records[at].isdigit():
        count = int(records[at])
        paths, kind = records[at + 1 : at + 1 + count], records[at + 1 + count : at + 2 + count]
        at += count + 3
        if kind and kind[0].startswith(CONFLICT):
            word = kind[0].removeprefix(CONFLICT).strip().strip("()")
            for path in paths:
                if path in found or not listed:
                    found[path] = (*found.get(path, ()), word)
    return found
