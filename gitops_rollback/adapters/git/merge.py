"""What comes out when git merges three trees in the object database: a tree, or where and why it cannot.

Source: git-merge-tree(1) of 2.38 (`--write-tree -z --name-only`: NUL-separated tree, conflicted paths, an empty record,
then per message a count, that many paths, the kind, the text; exit code 1 is a conflict).
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Merge:
    """`tree` is None on a conflict: git names one then too, but with markers in its files.

    `conflicts` maps each conflicted path to git's kinds of conflict there, such as `modify/delete`, in git's order.
    """

    tree: str | None
    conflicts: dict[str, tuple[str, ...]]


def merge_commits(git: Git, ours: str, theirs: str) -> Merge:
    """Merge two commits by their merge base; a clean result's tree is in the object database.

    Raises: RepositoryUnavailable if an object is missing or git gives no sensible answer.
    """
    result = git.run("merge-tree", "--write-tree", "-z", "--name-only", ours, theirs, ok=(0, 1))
    records = result.stdout.decode(*LOSSLESS).split("\0")
    if not is_sha(records[0]):
        raise RepositoryUnavailable("git merge-tree", "gave no tree")
    if result.code == 0:
        return Merge(records[0], {})
    return Merge(None, _conflicts(records[1:]))


def _conflicts(records: list[str]) -> dict[str, tuple[str, ...]]:
    end = records.index("") if "" in records else len(records)
    found: dict[str, tuple[str, ...]] = dict.fromkeys(records[:end], ())
    at = end + 1
    while at < len(records) and records[at].isdigit():
        count = int(records[at])
        paths, kind = records[at + 1 : at + 1 + count], records[at + 1 + count : at + 2 + count]
        at += count + 3
        if kind and kind[0].startswith(CONFLICT):
            word = kind[0].removeprefix(CONFLICT).strip().strip("()")
            for path in paths:
                if path in found or not records[:end]:
                    found[path] = (*found.get(path, ()), word)
    return found
