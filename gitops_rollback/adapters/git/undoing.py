"""One commit that is being undone, and what a rung of the ladder made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.adapters.git.difference import Differences
from gitops_rollback.adapters.git.merge import Merge
from gitops_rollback.adapters.git.revisions import RawCommit
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Explanation, FieldEdit
from gitops_rollback.core.rendering import Rendered


@dataclass(frozen=True)
class Undoing:
    """One commit to undo on `tree`. `undone` is what the commit did, by path: from the tree `before` to `after`.

    Those are its parent's tree and its own, and `base` is itself, unless they are read with something left out.
    """

    culprit: RawCommit
    parent: RawCommit
    head: RawCommit
    tree: str
    undone: Mapping[str, FileChange]
    ancestor: bool  # the culprit lies in the head's history
    differences: Differences
    before: str
    after: str
    base: str  # the commit of `after`
    good: RawCommit | None = None  # an older state of the culprit's history that is to come back


@dataclass(frozen=True)
class Step:
    """What one rung made of an `Undoing`: a tree, or why not. `rung` 0: nothing was left to undo.

    `merge` is git's merge where that was a conflict, for the rungs behind it. `superseded` are later commits whose
    values are taken back as well, `whole` the files that go back to the last good state in one piece, `edits` fields
    that are set to something new. A tree with a `reason` stays as it was, since there is nothing that can be undone.
    """

    tree: str | None
    rung: int = 0
    reason: Reason | None = None
    explained: tuple[Explanation, ...] = ()
    merge: Merge | None = None
    superseded: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    edits: tuple[FieldEdit, ...] = ()
    rendered: tuple[Rendered, ...] = ()


def inverse(change: FileChange) -> FileChange:
    """The change back."""
    return FileChange(change.path, change.new_mode, change.old_mode, change.new_blob, change.old_blob)


def joined(tree: str, steps: Sequence[Step], shas: Collection[str]) -> Step:
    """The steps of several commits as one; what is undone itself is not superseded."""
    superseded = dict.fromkeys(sha for step in steps for sha in step.superseded if sha not in shas)
    told = {one.path: one for step in steps for one in step.explained}
    whole = dict.fromkeys(path for step in steps for path in step.whole)
    edits = {edit.path: edit for step in steps for edit in step.edits}
    rung = max(step.rung for step in steps)
    return Step(tree, rung, None, (*told.values(),), None, (*superseded,), (*whole,), (*edits.values(),))
