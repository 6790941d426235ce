"""What merging a branch leaves, file by file, and the commits that each way of merging makes of it."""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.core.pull_request import MergeMethod
from gitops_rollback.sandbox.simulation.objects import Objects, Tree

FORGE = "Forge <noreply@forge.example.com>"  # who commits what it merges


def merge_base(objects: Objects, base: str, head: str) -> str:
    """The newest commit of the base's own line that the branch contains."""
    return next(one.sha for one in objects.first_parents(base) if objects.is_ancestor(one.sha, head))


def brought(objects: Objects, base: str, head: str) -> dict[str, str | None]:
    """What the branch changes: path -> blob after it; None: removed."""
    before, after = objects.files(merge_base(objects, base, head)), objects.files(head)
    return {path: after.get(path) for path in sorted({*before, *after}) if before.get(path) != after.get(path)}


def merged_tree(objects: Objects, base: str, head: str) -> str | None:
    """The tree that merging `head` into `base` leaves; None where both changed a file, each in another way."""
    return _applied(objects, objects.files(base), merge_base(objects, base, head), head)


def land(objects: Objects, base: str, head: str, method: MergeMethod, message: str, at: datetime) -> str | None:
    """The commit that the branch moves to; None where it cannot be merged in this way."""
    if method is MergeMethod.REBASE:
        return _rebased(objects, base, head, at)
    tree = merged_tree(objects, base, head)
    if tree is None:
        return None
    parents = (base, head) if method is MergeMethod.MERGE else (base,)
    return objects.commit(tree, parents, FORGE, message, at)


def _rebased(objects: Objects, base: str, head: str, at: datetime) -> str | None:
    """Each commit of the branch anew, with its own message; merges of the base fall away, as git does it."""
    line = []
    for commit in objects.first_parents(head):
        if objects.is_ancestor(commit.sha, base):
            break
        line.append(commit)
    tip = base
    for commit in (one for one in reversed(line) if len(one.parents) == 1):
        tree = _applied(objects, objects.files(tip), commit.parents[0], commit.sha)
        if tree is None:
            return None
        if tree != objects.commits[tip].tree:
            tip = objects.commit(tree, (tip,), FORGE, commit.message, at)
    return tip if tip != base else None


def _applied(objects: Objects, files: Tree, old: str, new: str) -> str | None:
    """The difference from `old` to `new` put onto `files`."""
    before, after, merged = objects.files(old), objects.files(new), dict(files)
    for path in {*before, *after}:
        if before.get(path) == after.get(path):
            continue
        if files.get(path) not in (before.get(path), after.get(path)):
            return None
        if path in after:
            merged[path] = after[path]
        else:
            merged.pop(path, None)
    return objects.tree(merged)
