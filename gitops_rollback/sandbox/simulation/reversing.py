"""The inverse of commits on a later one, by three-way merges of whole files: what git does where no line is shared.

A file that both sides changed is a conflict. As `git merge-tree` does, the merge makes a tree all the same, with
markers in that file; it is nobody's to push. The real merge of lines is judged with real git elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.adapters.git.gates import protected_because
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.how_many import how_many
from gitops_rollback.core.plan import Explanation, PlanOutcome, Reversal
from gitops_rollback.sandbox.simulation.objects import Objects, difference


def reverse(objects: Objects, at: str, reverts: Sequence[str], mainline: int | None = None) -> Reversal:
    """As `ConfigRepo.reverse`; every name is known to exist."""
    head, shas = objects.commits[at], tuple(reverts)
    if not shas:
        return Reversal(PlanOutcome.REFUSED, at, shas, gate_reason=Reason.NO_SUSPECT, message="Refused: nobody named.")
    files = dict(objects.files(at))
    for sha in shas:
        culprit = objects.commits[sha]
        number = 1 if mainline is None else mainline
        if not 1 <= number <= len(culprit.parents):
            return Reversal(
                PlanOutcome.REFUSED, at, shas, gate_reason=Reason.ROOT_COMMIT, message="Refused: no such parent."
            )
        for change in difference(objects.files(culprit.parents[number - 1]), objects.files(sha)):
            if _merge(objects, files, change):
                return _conflict(at, shas, sha, change.path)
    tree = objects.tree(files)
    if tree == head.tree:
        return Reversal(PlanOutcome.EMPTY, at, shas, tree=tree, message="already undone: nothing to do.")
    return _clean(objects, at, shas, tree)


def _merge(objects: Objects, files: dict[str, str], change: FileChange) -> bool:
    """Put one file back to what stood there before the change; True if somebody else has changed it since."""
    now = files.get(change.path)
    conflicting = now not in (change.new_blob, change.old_blob)
    if conflicting:
        files[change.path] = objects.blob(_with_markers(objects, now, change.old_blob))
    elif change.old_blob is None:
        files.pop(change.path, None)
    else:
        files[change.path] = change.old_blob
    return conflicting


def _with_markers(objects: Objects, ours: str | None, theirs: str | None) -> bytes:
    sides = [objects.blobs[blob] if blob is not None else b"" for blob in (ours, theirs)]
    return b"<<<<<<< ours\n%s=======\n%s>>>>>>> theirs\n" % (sides[0], sides[1])


def _conflict(at: str, shas: tuple[str, ...], sha: str, path: str) -> Reversal:
    why = Explanation(path, None, None, "it was changed since", "Write the change by hand.")
    message = f"{sha[:12]} cannot be undone at {at[:12]} without a person: see {path}."
    reason = Reason.REVERT_CONFLICT
    return Reversal(PlanOutcome.CONFLICT, at, shas, explained=(why,), gate_reason=reason, message=message)


def _clean(objects: Objects, at: str, shas: tuple[str, ...], tree: str) -> Reversal:
    changes = tuple(difference(objects.files(at), objects.trees[tree]))
    seen = [(change.path, protected_because(change)) for change in changes]
    explained = [Explanation(path, None, None, why, "Look at it.") for path, why in seen if why is not None]
    reason = Reason.PROTECTED_PATH if explained else None
    strangers = [sha for sha in shas if not objects.is_ancestor(sha, at)]
    if strangers:
        reason = Reason.NOT_FIRST_PARENT
    files = how_many(len(changes), "file")
    return Reversal(
        PlanOutcome.CLEAN, at, shas, tree=tree, rung=1, changes=changes, explained=tuple(explained),
        gate_reason=reason, message=f"Undoing {how_many(len(shas), 'commit')} changes {files}.",
    )  # fmt: skip
