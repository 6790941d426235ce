"""One commit that is being undone, and what a rung of the ladder made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.adapters.git.difference import Differences
from gitops_rollback.adapters.git.merge import Merge
from gitops_rollback.adapters.git.revisions import RawCommit
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Explanation


@dataclass(frozen=True)
class Undoing:
    """One commit to undo on `tree`. `undone` is what the commit did, by path: its parent -> itself."""

    culprit: RawCommit
    parent: RawCommit
    head: RawCommit
    tree: str
    undone: Mapping[str, FileChange]
    ancestor: bool  # the culprit lies in the head's history
    differences: Differences
    good: RawCommit | None = None  # an older state of the culprit's history that is to come back


@dataclass(frozen=True)
class Step:
    """What one rung made of an `Undoing`: a tree, or why not. `rung` 0: nothing was left to undo.

    `merge` is git's merge where that was a conflict, for the rungs behind it. `superseded` are later commits whose
    values are taken back as well, `whole` the files that go back to the last good state in one piece.
    """

    tree: str | None
    rung: int = 0
    reason: Reason | None = None
    explained: tuple[Explanation, ...] = ()
    merge: Merge | None = None
    superseded: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


def inverse(change: FileChange) -> FileChange:
    """The change back."""
    return FileChange(change.path, change.new_mode, change.old_mode, change.new_blob, change.old_blob)


def joined(tree: str, rung: int, steps: Sequence[Step], shas: Collection[str]) -> Step:
    """The steps of several commits as one; what is undone itself is not superseded."""
    superseded = dict.fromkeys(sha for step in steps for sha in step.superseded if sha not in shas)
    told = {one.path: one for step in steps for one in step.explained}
    whole = dict.fromkeys(path for step in steps for path in step.whole)
    return Step(tree, rung, explained=(*told.values(),), superseded=(*superseded,), whole=(*whole,))
