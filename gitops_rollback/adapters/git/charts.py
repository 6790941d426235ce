"""Undoing a commit that raised the version of a chart, where published versions only go forward.

The version is taken out of the question: the commit, what stood before it, and what stands now are all read as if they
said the version that comes next. So it neither conflicts nor goes back, and the result has it already.
Source: git.md 5.5, Chart version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gitops_rollback.adapters.git.conflicts import LATER_LIMIT
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.history import log
from gitops_rollback.adapters.git.ladder import NOBODY, Ladder
from gitops_rollback.adapters.git.objects import ObjectReader, find_entry, put_files
from gitops_rollback.adapters.git.undoing import Step, Undoing
from gitops_rollback.adapters.git.writer import ObjectWriter
from gitops_rollback.core.chart_versions import (
    FIELD,
    is_chart,
    is_newer,
    next_patch,
    version_of,
    with_version,
)
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import Explanation, FieldEdit
from gitops_rollback.core.policy import ChartVersions

CHART_BYTES = 1 << 20
HISTORY_SEEN = 300  # commits in which the habit of a chart is looked for
HABIT_SEEN, HABIT_LEAST = 10, 3  # changes of its folder that are asked, and that say enough
ONLY = "all that the commit did here was to publish a version, which cannot go back"
UNWRITABLE = "its version must go forward, and does not stand there so that it can be set"
PUBLISH = "Publish the next version by hand."


class Charts:
    """The versions of one repository's charts; keeps nothing."""

    def __init__(self, git: Git, reader: ObjectReader, writer: ObjectWriter, ladder: Ladder) -> None:
        self._git = git
        self._reader = reader
        self._writer = writer
        self._ladder = ladder

    def edits(self, works: Sequence[Undoing], rule: ChartVersions) -> dict[str, FieldEdit]:
        """By file each version that goes forward: one that the commits raised, to the next above all there were."""
        if rule is ChartVersions.AS_BEFORE:
            return {}
        found: dict[str, FieldEdit] = {}
        for path in dict.fromkeys(path for work in works for path in work.undone if is_chart(path)):
            changes = [work.undone[path] for work in works if path in work.undone]
            head = works[0].head
            now = self._version(self._blob(head.tree, path))
            if rule is ChartVersions.FORWARD and any(map(self._is_unclear, changes)):
                found[path] = FieldEdit(path, FIELD, now or "", "")  # which cannot be set, so a person is asked
            if now is None or not any(self._raises(change) for change in changes):
                continue
            if rule is ChartVersions.DETECT and not self._is_habit(path, head.sha):
                continue
            after = next_patch(self._highest(now, self._said(path, works, changes)))
            if after is not None:
                found[path] = FieldEdit(path, FIELD, now, after)
        return found

    def undo(self, work: Undoing, edits: Mapping[str, FieldEdit]) -> Step:
        """The commit undone, with each chart that changes at its next version."""
        own = {path: edit for path, edit in edits.items() if path in work.undone}
        if not own:
            return self._ladder.undo(work)
        lifted = self._lifted(work, own)
        if lifted is None:
            return _left(None, UNWRITABLE, own)
        if not lifted.undone:
            return _left(work.tree, ONLY, own)
        step = self._ladder.undo(lifted)
        return step if step.tree is None else self._settled(work, lifted, step, own)

    def _lifted(self, work: Undoing, edits: Mapping[str, FieldEdit]) -> Undoing | None:
        """The same commit between trees that all say the next version already; None if one cannot say it."""
        trees = [self._at_next(tree, edits) for tree in (work.before, work.after, work.tree)]
        before, after, tree = trees
        if before is None or after is None or tree is None:
            return None
        base = self._writer.commit(after, (work.culprit.sha,), "base of a merge\n", work.culprit.committed, NOBODY)
        undone = {change.path: change for change in work.differences.between(before, after)}
        return replace(work, before=before, after=after, tree=tree, undone=undone, base=base)

    def _at_next(self, tree: str, edits: Mapping[str, FieldEdit]) -> str | None:
        """The tree with the versions set; a chart that it does not have stays absent. None: one cannot be written."""
        files: dict[str, bytes | None] = {}
        for path, edit in edits.items():
            content = self._content(self._blob(tree, path))
            if content is None:
                continue
            files[path] = with_version(content, edit.after)
            if files[path] is None:
                return None
        return put_files(self._git, self._reader, tree, files)

    def _settled(self, work: Undoing, lifted: Undoing, step: Step, edits: Mapping[str, FieldEdit]) -> Step:
        """The step's result, with the version of a chart as it was where nothing else of that chart changes."""
        changed = [change.path for change in work.differences.between(lifted.tree, str(step.tree))]
        moved = {path: edit for path, edit in edits.items() if any(one.startswith(_folder(path)) for one in changed)}
        tree = self._at_next(str(step.tree), moved)
        if tree is None:
            return _left(None, UNWRITABLE, moved)
        still = {path: self._content(self._blob(work.tree, path)) for path in edits if path not in moved}
        tree = put_files(self._git, self._reader, tree, still) if still else tree
        return replace(step, tree=tree, edits=(*moved.values(),))

    def _said(self, path: str, works: Sequence[Undoing], changes: Iterable[FileChange]) -> set[str]:
        """All versions that the chart had since the oldest of the commits."""
        oldest = works[-1]
        ends = (oldest.culprit.sha, oldest.head.sha)
        later = log(self._git, *ends, LATER_LIMIT, paths=[path]) if oldest.ancestor else ()
        since = [change for commit in later for change in commit.changes if change.path == path]
        return {version for one in (*changes, *since) if (version := self._version(one.new_blob)) is not None}

    def _highest(self, now: str, others: Iterable[str]) -> str:
        for version in others:
            now = version if is_newer(version, now) else now
        return now

    def _is_habit(self, path: str, head: str) -> bool:
        """Has each of the last commits to the chart's folder raised its version?"""
        seen: list[FileChange | None] = []
        for commit in log(self._git, None, head, HISTORY_SEEN):
            if not any(one.startswith(_folder(path)) for one in commit.paths):
                continue
            change = next((one for one in commit.changes if one.path == path), None)
            if len(seen) >= HABIT_SEEN or (change is not None and change.old_blob is None):
                break  # enough; or the chart came, or a clone of the last days ends here
            seen.append(change)
        return len(seen) >= HABIT_LEAST and all(change is not None and self._raises(change) for change in seen)

    def _is_unclear(self, change: FileChange) -> bool:
        """The chart stays, and one side does not say its version plainly."""
        blobs = (change.old_blob, change.new_blob)
        return None not in blobs and any(self._version(blob) is None for blob in blobs)

    def _raises(self, change: FileChange) -> bool:
        return is_newer(self._version(change.new_blob), self._version(change.old_blob))

    def _blob(self, tree: str, path: str) -> str | None:
        found = find_entry(self._reader, tree, path)
        return found.sha if found is not None and found.kind == "blob" else None

    def _content(self, blob: str | None) -> bytes | None:
        info = None if blob is None else self._reader.info(blob)
        if blob is None or (info is not None and info[1] > CHART_BYTES):
            return None
        return self._reader.read(blob, CHART_BYTES)[1]

    def _version(self, blob: str | None) -> str | None:
        return version_of(self._content(blob))


def _left(tree: str | None, why: str, paths: Iterable[str]) -> Step:
    told = tuple(Explanation(path, FIELD, None, why, PUBLISH) for path in paths)
    return Step(tree, reason=Reason.REVERT_CONFLICT, explained=told)


def _folder(path: str) -> str:
    """What each path of the chart begins with; "" for a chart at the root."""
    return path[: path.rfind("/") + 1]
