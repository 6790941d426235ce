"""The ladder: one way after the other to undo one commit; the first whose result is sound counts.

Source: git.md 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from gitops_rollback.adapters.git.conflicts import (
    LATER_LIMIT,
    explain_clashes,
    explain_conflicts,
    explain_generated,
    later_commits,
)
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.history import log
from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.adapters.git.merge import Merge, merge_commits
from gitops_rollback.adapters.git.objects import ObjectReader, find_entry, put_entries, put_files
from gitops_rollback.adapters.git.soundness import Soundness
from gitops_rollback.adapters.git.undoing import Step, Undoing, inverse
from gitops_rollback.adapters.git.untangling import Untangled, is_complete, setters, untangle
from gitops_rollback.adapters.git.whole_files import WholeFile, WholeFiles, explained
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.merging.matching import Path

NOBODY = "gitops-rollback <gitops-rollback@localhost>"  # of synthetic commits, which no ref ever reaches

KEPT_MERGES = 64

Rung = Callable[[Undoing, Step], Step]


class Ladder:
    """Climbs for one repository; keeps the newest merges, since a plan that waits is made anew at each look."""

    def __init__(self, git: Git, reader: ObjectReader, writer: ObjectWriter) -> None:
        self._git = git
        self._reader = reader
        self._writer = writer
        self._sound = Soundness(git, reader)
        self._merges: Kept[Merge] = Kept(KEPT_MERGES)
        # In this order; the first sound result counts.
        self._rungs: tuple[Rung, ...] = (self._merge, self._by_key, self._target_state)

    def undo(self, work: Undoing) -> Step:
        """The first rung's step that is sound; the last one's fault if none is."""
        step = Step(work.tree)
        for rung in self._rungs if work.undone else ():
            step = rung(work, step)
            if step.tree is not None:
                break
        return step

    def _merge(self, work: Undoing, _: Step) -> Step:
        """Rungs 1 and 2: one merge gives both; untouched paths must come out as the culprit found them."""
        theirs = self._synthetic(work, work.before)
        itself = work.base == work.culprit.sha
        on_head = itself and work.ancestor and work.tree == work.head.tree  # then the culprit is the merge base already
        merge = self._merged(work.head.sha if on_head else self._synthetic(work, work.tree), theirs)
        if merge.tree is None:
            later = later_commits(self._git, work.culprit.sha, work.head.sha, merge.conflicts)
            generated = [path for path in merge.conflicts if self._sound.is_generated(work, path)]
            explained = explain_generated(explain_conflicts(merge.conflicts, work.undone, later), generated)
            return Step(None, reason=Reason.REVERT_CONFLICT, explained=explained, merge=merge)
        changes = work.differences.between(work.tree, merge.tree)
        untouched = set(changes) == {inverse(change) for change in work.undone.values()}
        return self._sound.judged(work, Step(merge.tree, 1 if untouched else 2), changes)

    def _by_key(self, work: Undoing, before: Step) -> Step:
        """Rung 3: the conflicted files by line and by key. Where keys clash, the explanations name them."""
        if before.merge is None:
            return before
        untangled = untangle(before.merge, self._sound.text)
        if not untangled.faults:
            tree = put_files(self._git, self._reader, before.merge.marked, untangled.files)
            return self._last(work, Step(tree, 3), before)
        by = self._setters(work, untangled)
        return replace(before, explained=explain_clashes(before.explained, untangled.clashes, by))

    def _target_state(self, work: Undoing, before: Step) -> Step:
        """Rung 4: what was set again since goes back to the last good state, or to what stood before the culprit.

        By key; with a last good state that is named also whole files, where no key can be set. Only where every commit
        that this supersedes is known.
        """
        if before.merge is None or not work.ancestor:
            return before
        untangled = untangle(before.merge, self._sound.text, target=True, good=self._good(work))
        whole = self._whole_files(work, before.merge, untangled.faults)
        if whole is None:
            return before
        by = self._setters(work, untangled)
        places = [(path, key) for path, keys in untangled.clashes.items() if path not in whole for key in keys]
        if not all(by.get(place) for place in places):
            return before
        found = [*(by[place] for place in places), *(file.commits for file in whole.values())]
        tree = put_files(self._git, self._reader, before.merge.marked, untangled.files)
        tree = put_entries(self._git, self._reader, tree, {path: file.entry for path, file in whole.items()})
        told = explained(whole, before.merge, work.good) if work.good is not None else ()
        superseded = tuple(dict.fromkeys(sha for shas in found for sha in shas))
        return self._last(work, Step(tree, 4, explained=told, superseded=superseded, whole=tuple(whole)), before)

    def _whole_files(self, work: Undoing, merge: Merge, paths: Collection[str]) -> dict[str, WholeFile] | None:
        """What becomes of the files that cannot be merged by key; None if one of them is left to a person."""
        if not paths:
            return {}
        history = self._since(work, paths)
        if work.good is None or history is None or any(self._sound.is_generated(work, path) for path in paths):
            return None
        files = WholeFiles(self._reader, self._sound.text, work.good, work.head, history)
        return files.of(merge, work.undone, paths)

    def _last(self, work: Undoing, step: Step, before: Step) -> Step:
        """The step, if it passes the gates and a second undoing finds nothing more to do; else the one before."""
        judged = self._sound.judged(work, step, work.differences.between(work.tree, str(step.tree)))
        return judged if judged.tree is not None and self._once(work, judged.tree) else before

    def _once(self, work: Undoing, tree: str) -> bool:
        """Where lines or elements repeat themselves, undoing again may take back their twins."""
        theirs = self._synthetic(work, work.before)
        merge = self._merged(self._synthetic(work, tree), theirs)
        if merge.tree is not None:
            return merge.tree == tree
        again = untangle(merge, self._sound.text, target=True, good=self._good(work))
        return bool(again.faults) or put_files(self._git, self._reader, merge.marked, again.files) == tree

    def _merged(self, ours: str, theirs: str) -> Merge:
        """Two ids say what comes out; only its tree may be gone, since no ref reaches it."""
        known = self._merges.get((ours, theirs))
        if known is not None and self._reader.info(known.tree or known.marked) is not None:
            return known
        return self._merges.put((ours, theirs), merge_commits(self._git, ours, theirs))

    def _good(self, work: Undoing) -> Callable[[str], bytes | None] | None:
        """The files of the last good state; None where none was named."""
        good = work.good
        if good is None:
            return None

        def read(path: str) -> bytes | None:
            found = find_entry(self._reader, good.tree, path)
            return None if found is None or found.kind != "blob" else self._sound.text(found.sha)

        return read

    def _setters(self, work: Undoing, untangled: Untangled) -> dict[tuple[str, Path], tuple[str, ...]]:
        """Who set each clashing key since the culprit, or since the last good state; {} where nobody can say."""
        history = self._since(work, untangled.clashes) if untangled.clashes else None
        if history is None:
            return {}
        others = [commit for commit in history if commit.sha != work.culprit.sha]
        return setters(others, untangled.clashes, self._sound.text)

    def _since(self, work: Undoing, paths: Collection[str]) -> tuple[Commit, ...] | None:
        """Who changed these files since the culprit, or the last good state; None: nobody, or too many to tell."""
        if work.culprit.sha == work.head.sha and work.good is None:
            return None
        history = log(self._git, (work.good or work.culprit).sha, work.head.sha, LATER_LIMIT, paths=paths)
        return history if is_complete(history) else None

    def _synthetic(self, work: Undoing, tree: str) -> str:
        """A commit of `tree` on the base, which makes that the merge base.

        Its time must not lie before the head's, else git walks the whole history to find that base.
        """
        seconds = max(work.head.committed, work.culprit.committed)
        return self._writer.commit(tree, (work.base,), "side of a merge\n", seconds, NOBODY)
