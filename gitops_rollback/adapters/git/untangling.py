"""The second look at a conflict: each conflicted file by line and by key, and what the keys would be set back to.

Git stops where two hunks touch. Neighbouring lines are merged here all the same, and YAML and JSON by key path. Where
the same key was set again since, only the target state is left: its value from before the culprit, and the names of
all commits that this supersedes.
Source: git.md 5.2, rungs 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from gitops_rollback.adapters.git import gates
from gitops_rollback.adapters.git.conflicts import LATER_LIMIT
from gitops_rollback.adapters.git.door import LOSSLESS
from gitops_rollback.adapters.git.merge import BASE, OURS, THEIRS, Merge
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.merging.keys import KeyMerge, merge_keys, set_differently, take_keys
from gitops_rollback.core.merging.lines import is_undone, merged_lines
from gitops_rollback.core.merging.matching import Path
from gitops_rollback.core.merging.nodes import Data, Unreadable, read_documents

TEXT_CONFLICT = ("contents",)
MOVE_CONFLICT = ("rename/delete",)

Good = Callable[[str], "bytes | None"]  # a path's content in the last good state; None if it has none to read
Reading = Callable[[str], "bytes | None"]  # a blob's content; None if it is too large to be looked at


@dataclass(frozen=True)
class Untangled:
    """`files` are the merged contents (None: it goes), if all conflicted files could be merged; `faults` says why not.

    `clashes` are the keys that both sides set, by path: with a target state they are set back, else they stand in the
    way.
    """

    files: Mapping[str, bytes | None]
    faults: Mapping[str, str]
    clashes: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)


def untangle(merge: Merge, read: Reading, target: bool = False, good: Good | None = None) -> Untangled:
    """What becomes of the conflicted files of `merge`; with `target`, keys that clash are set to what they were.

    That is what they were before the culprit, or what the file says of them in `good`, where that is given.
    """
    files: dict[str, bytes | None] = {}
    faults: dict[str, str] = {}
    clashes: dict[str, tuple[Path, ...]] = {}
    for path, kinds in merge.conflicts.items():
        if _only_moved(merge, path, kinds):
            files[path] = None
            continue
        texts = _texts(merge, path, kinds, read)
        if texts is None:
            faults[path] = ""
            continue
        merged = _merged(path, texts, target)
        if merged.clashes:
            clashes[path] = merged.clashes
        if merged.clashes and merged.text is not None and good is not None:
            merged = _as_good(merged.text, _text(good(path)), merged.clashes)
        fault = _fault(path, merged, texts)
        if merged.text is None or fault is not None:
            faults[path] = fault or merged.why
        else:
            files[path] = merged.text.encode(*LOSSLESS)
    return Untangled(files, faults, clashes)


def setters(
    history: Sequence[Commit], clashes: Mapping[str, Collection[Path]], read: Reading
) -> dict[tuple[str, Path], tuple[str, ...]]:
    """For each clashing key the commits of `history` that set it, in its order.

    A file that one of them brought, removed, or made unreadable by key counts as set. Raises: ObjectMissing.
    """
    found: dict[tuple[str, Path], tuple[str, ...]] = {}
    for commit in history:
        for change in commit.changes:
            keys = clashes.get(change.path, ())
            if not keys:
                continue
            sides = [b"" if blob is None else read(blob) for blob in (change.old_blob, change.new_blob)]
            texts = [_text(side) for side in sides]
            for key in keys:
                before, after = texts
                if before is None or after is None or set_differently(before, after, key):
                    place = (change.path, key)
                    found[place] = (*found.get(place, ()), commit.sha)
    return found


def is_complete(history: Sequence[Commit]) -> bool:
    """Whether all later commits were looked through."""
    return len(history) < LATER_LIMIT


def _only_moved(merge: Merge, path: str, kinds: tuple[str, ...]) -> bool:
    """Was a file that the culprit brought moved since, and not a byte of it changed? Then it goes from where it is."""
    versions = merge.versions.get(path, {})
    if kinds != MOVE_CONFLICT or set(versions) != {BASE, OURS}:
        return False
    return versions[BASE] == versions[OURS] and versions[OURS][0].startswith(gates.FILE_MODES)


def _texts(merge: Merge, path: str, kinds: tuple[str, ...], read: Reading) -> tuple[str, str, str] | None:
    """The three versions, if the conflict is one of text between three ordinary files."""
    versions = merge.versions.get(path, {})
    if kinds != TEXT_CONFLICT or set(versions) != {BASE, OURS, THEIRS}:
        return None
    if any(not mode.startswith(gates.FILE_MODES) for mode, _ in versions.values()):
        return None
    base, ours, theirs = (_text(read(versions[stage][1])) for stage in (BASE, OURS, THEIRS))
    return None if base is None or ours is None or theirs is None else (base, ours, theirs)


def _as_good(text: str, good: str | None, keys: Collection[Path]) -> KeyMerge:
    if good is None:
        return KeyMerge(None, why="the last good state has no such file that can be read")
    return take_keys(text, good, keys)


def _text(content: bytes | None) -> str | None:
    """Bytes that are no UTF-8 stay what they are: lines can be told apart all the same, keys cannot be read then."""
    return None if content is None or b"\0" in content else content.decode(*LOSSLESS)


def _merged(path: str, texts: tuple[str, str, str], target: bool) -> KeyMerge:
    """By line first, which is finer inside block scalars and unkeyed lists, unless keys say otherwise; else by key.

    Where a line stands beside what comes back, its neighbours decide what it belongs to; only keys see that. Where keys
    clash, as where one was renamed since, they have nothing to say.
    """
    if is_undone(*texts):
        return KeyMerge(texts[1])
    by_line = KeyMerge(merged_lines(*texts))
    if by_line.text is not None and _fault(path, by_line, texts) is not None:
        by_line = KeyMerge(None)
    if not gates.YAML_NAMES.fullmatch(PurePosixPath(path).name.lower()):
        return by_line
    if by_line.text is None:
        return merge_keys(*texts, target)
    by_key = merge_keys(*texts)
    return by_line if by_key.text is None or _says_the_same(by_line.text, by_key.text) else by_key


def _says_the_same(one: str, other: str) -> bool:
    """The order of documents, keys and elements apart."""
    try:
        sides = [[document.root.data for document in read_documents(_plain(text))] for text in (one, other)]
    except Unreadable:
        return True
    return sides[0] == sides[1] or _unordered(("list", tuple(sides[0]))) == _unordered(("list", tuple(sides[1])))


def _plain(text: str) -> str:
    """Without a byte order mark and the line ends of Windows."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _unordered(data: Data) -> Data:
    kind, value = data
    if isinstance(value, dict):
        return (kind, {key: _unordered(one) for key, one in sorted(value.items())})
    return (kind, tuple(sorted(map(_unordered, value), key=repr))) if isinstance(value, tuple) else data


def _fault(path: str, merged: KeyMerge, texts: tuple[str, str, str]) -> str | None:
    if merged.text is None:
        return None
    before = tuple(text.encode(*LOSSLESS) for text in texts[1:])
    return gates.text_fault(gates.MergedText(path, merged.text.encode(*LOSSLESS), before))
