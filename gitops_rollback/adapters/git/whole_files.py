"""Files that go back as a whole to the last good state, since nothing smaller of them can.

No key can be set where a file is no YAML or JSON, where it came or went as a whole, or where it cannot be edited by
key. Then all commits that touched it since the last good state are undone as one: only if each of them is known, and
one follows on the other without a gap. Half of an encrypted, binary or generated file's story is nobody's to choose.
Source: git.md 5.2, rung 4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.merge import OURS, Merge
from gitops_rollback.adapters.git.objects import Entry, ObjectReader, find_entry
from gitops_rollback.adapters.git.revisions import RawCommit
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.plan import Explanation

KINDS = frozenset({"contents", "modify/delete", "add/add"})
READ = "Read what was set there since, before you approve it."

Text = Callable[[str], "bytes | None"]  # a blob's content; None if it is too large to be looked at


@dataclass(frozen=True)
class WholeFile:
    """`entry` is the file in the last good state, None if it goes; `commits` touched it since then, newest first."""

    entry: Entry | None
    commits: tuple[str, ...]


class WholeFiles:
    """What can go back as a whole in one conflict. `history` is the mainline of (good, head], newest first."""

    def __init__(
        self, reader: ObjectReader, text: Text, good: RawCommit, head: RawCommit, history: Sequence[Commit]
    ) -> None:
        self._reader = reader
        self._text = text
        self._good = good
        self._head = head
        self._history = history

    def of(self, merge: Merge, undone: Mapping[str, FileChange], paths: Collection[str]) -> dict[str, WholeFile] | None:
        """All of `paths`, each with what becomes of it; None if one of them cannot go back so."""
        found: dict[str, WholeFile] = {}
        for path in paths:
            change, kinds = undone.get(path), merge.conflicts.get(path, ())
            modes = {mode for mode, _ in merge.versions.get(path, {}).values()}
            if change is None or not kinds or not KINDS.issuperset(kinds) or not _ordinary(modes):
                return None
            whole = self._whole(path, change, merge)
            if whole is None:
                return None
            found[path] = whole
        return found

    def _whole(self, path: str, change: FileChange, merge: Merge) -> WholeFile | None:
        entry = find_entry(self._reader, self._good.tree, path)
        if entry is None and change.old_blob is not None:
            return None  # the commit only changed it: that it came since is not what has to be undone
        if entry is not None and not _ordinary({entry.mode}):
            return None
        blobs = [entry.sha] if entry is not None else []
        blobs += [blob for _, blob in merge.versions[path].values()]
        if not all(self._is_plain(path, blob) for blob in blobs):
            return None
        now = find_entry(self._reader, self._head.tree, path)
        touched = [(one.sha, done) for one in self._history for done in one.changes if done.path == path]
        line = [_blob(now), *_links(touched), _blob(entry)]
        if not touched or line[0::2] != line[1::2]:
            return None
        return WholeFile(entry, tuple(sha for sha, _ in touched))

    def _is_plain(self, path: str, blob: str) -> bool:
        content = self._text(blob)
        if content is None or b"\0" in content or gates.ENCRYPTED.search(content):
            return False
        return not gates.is_generated(path, content)


def explained(files: Mapping[str, WholeFile], merge: Merge, good: RawCommit) -> tuple[Explanation, ...]:
    """What a person must know of these files before approving the plan, by path."""
    return tuple(
        Explanation(path, None, whole.commits[0], _why(whole, OURS in merge.versions[path], good.sha[:12]), READ)
        for path, whole in files.items()
    )


def _why(whole: WholeFile, is_here: bool, good: str) -> str:
    if whole.entry is None:
        return f"it goes as a whole: the last good state {good} does not have it"
    back = "goes back" if is_here else "comes back"
    return f"it {back} as a whole to what it was in the last good state {good}"


def _ordinary(modes: Collection[str]) -> bool:
    return all(mode.startswith(gates.FILE_MODES) for mode in modes)


def _blob(entry: Entry | None) -> str | None:
    return None if entry is None else entry.sha


def _links(touched: Sequence[tuple[str, FileChange]]) -> Iterator[str | None]:
    """What each commit left and found, newest first: a story without a gap has equal neighbours."""
    for _, change in touched:
        yield change.new_blob
        yield change.old_blob
