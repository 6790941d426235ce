"""Is the tree that a rung made sound? The gates, asked of each file that it changes."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.attributes import is_marked_generated
from gitops_rollback.adapters.git.conflicts import later_commits
from gitops_rollback.adapters.git.door import LOSSLESS, Git
from gitops_rollback.adapters.git.objects import ObjectReader, find_entry
from gitops_rollback.adapters.git.revisions import is_partial
from gitops_rollback.adapters.git.undoing import Step, Undoing
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Explanation

TEXT_BYTES = 16 << 20
CHECK = "Write the change by hand, and check the file as a whole."
RENAMES = ("diff-tree", "-r", "-z", "--name-status", "--diff-filter=R", "-M50%", "-l7000", "--no-ext-diff")


class Soundness:
    """Judges trees of one repository; keeps nothing."""

    def __init__(self, git: Git, reader: ObjectReader) -> None:
        self._git = git
        self._reader = reader

    def judged(self, work: Undoing, step: Step, changes: Sequence[FileChange]) -> Step:
        """The step, if its tree passes the gates."""
        faults = self._faults(work, changes)
        if not faults:
            return step
        later = later_commits(self._git, work.culprit.sha, work.head.sha, faults)
        explained = tuple(Explanation(path, None, later.get(path), why, CHECK) for path, why in faults.items())
        return Step(None, reason=Reason.GATE_FAILED, explained=explained)

    def _faults(self, work: Undoing, changes: Sequence[FileChange]) -> dict[str, str]:
        """What is wrong with a clean merge, by path; {} if it may be committed."""
        odd = {c.path: why for c in changes if (why := gates.blob_fault(c, work.undone.get(c.path))) is not None}
        followed = self._followed(work, changes) if odd else {}
        faults = {path: why for path, why in odd.items() if path not in followed}
        whole = {change.old_blob for change in work.undone.values()}
        partial = is_partial(self._git.git_dir)
        for change in changes:
            if change.path in faults or not gates.is_restored(change):
                continue
            if gates.is_merged(change, whole):
                undone = work.undone.get(change.path)
                before = followed.get(change.path) or (change.old_blob, undone.old_blob if undone else None)
                fault = self._merge_fault(work, change, before)
            else:  # in a partial clone a look at what merely comes back would cost a fetch for each file
                fault = None if partial else gates.marker_fault(self.text(str(change.new_blob)) or b"")
            if fault is not None:
                faults[change.path] = fault
        return faults

    def _followed(self, work: Undoing, changes: Sequence[FileChange]) -> dict[str, tuple[str | None, ...]]:
        """Each path where git followed a rename -> the blobs that were merged there: at the head, before the culprit.

        The culprit's file was moved since, so its new path changes; or the culprit itself moved it, and what was edited
        at the new path comes back at the old one.
        """
        since = self._renames(work.after, work.tree)
        own = {old: new for new, old in self._renames(work.before, work.after).items()}
        at_head = {change.path: change.old_blob for change in changes}
        found: dict[str, tuple[str | None, ...]] = {}
        for path, blob in at_head.items():
            source, twin = work.undone.get(since.get(path, "")), work.undone.get(own.get(path, ""))
            if source is not None:
                found[path] = (blob, source.old_blob)
            elif twin is not None and at_head.get(twin.path, twin.new_blob) != twin.new_blob:
                found[path] = (at_head[twin.path], work.undone[path].old_blob)
        return found

    def _renames(self, old_tree: str, new_tree: str) -> dict[str, str]:
        """New path -> old path."""
        words = self._git.run(*RENAMES, old_tree, new_tree).stdout.decode(*LOSSLESS).split("\0")
        return {new: old for old, new in zip(words[1::3], words[2::3], strict=False)}

    def _merge_fault(self, work: Undoing, change: FileChange, before: Sequence[str | None]) -> str | None:
        if is_marked_generated(self._reader, work.head.tree, change.path):
            return gates.GENERATED
        content = self.text(str(change.new_blob))
        versions = [self.text(blob) for blob in before if blob is not None]
        known = tuple(version for version in versions if version is not None)
        if content is None or len(known) < len(versions):
            return "it is too large to check what the merge made of it"
        return gates.text_fault(gates.MergedText(change.path, content, known))

    def is_generated(self, work: Undoing, path: str) -> bool:
        """Does its name, its head, or the repository's own word say that nobody writes it by hand?"""
        found = find_entry(self._reader, work.tree, path)
        content = self.text(found.sha) if found is not None and found.kind == "blob" else b""
        return gates.is_generated(path, content or b"") or is_marked_generated(self._reader, work.head.tree, path)

    def text(self, blob: str) -> bytes | None:
        """None if it is too large to be looked at. Raises: ObjectMissing; RepositoryUnavailable."""
        found = self._reader.info(blob)
        return None if found is not None and found[1] > TEXT_BYTES else self._reader.read(blob, TEXT_BYTES)[1]
