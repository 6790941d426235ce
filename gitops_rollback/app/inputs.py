"""Names the state of an application's own files at any commit or tree, so that states can be compared."""

from __future__ import annotations

import hashlib
import posixpath
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.core.paths import Paths
from gitops_rollback.ports import ConfigRepo

MAX_CACHED = 5000
FOLDERS_KEPT, FILES_KEPT = 2000, 100_000
WILD = "*?"


class Inputs:
    """Fingerprints of the files that `Paths` names; equal ones are the same files with the same contents."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo
        self._cached: OrderedDict[tuple[str, Paths], str] = OrderedDict()
        self._lock = threading.Lock()  # looks run side by side
        self._folders: Kept[Mapping[str, str]] = Kept(FOLDERS_KEPT, FILES_KEPT)

    def of(self, treeish: str, own: Paths) -> str:
        """The fingerprint at `treeish`; of no files at all it is one, too. Raises: ObjectMissing."""
        key = (self._repo.tree(treeish), own)
        with self._lock:
            known = self._cached.get(key)
        if known is not None:
            return known
        found = self._fingerprint(key[0], own)
        with self._lock:
            self._cached[key] = found
            while len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return found

    def _fingerprint(self, tree: str, own: Paths) -> str:
        digest = hashlib.sha256()
        for pattern in own.patterns:
            digest.update(f"{pattern}\0{self._state(tree, pattern)}\0".encode("utf-8", "surrogateescape"))
        for path, blob in self._single(tree, own):
            digest.update(f"={path}\0{blob}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _single(self, tree: str, own: Paths) -> Iterator[tuple[str, str]]:
        """The single files with their blobs, "" for one that is absent. A folder that stays is looked into once."""
        folders: dict[str, list[str]] = {}
        for path in sorted(own.files):
            folders.setdefault(posixpath.dirname(path), []).append(path)
        for folder, paths in folders.items():
            if not folder:
                yield from ((path, self._repo.entry_id(tree, path) or "") for path in paths)
                continue
            below = self._below(tree, folder)
            yield from ((path, below.get(posixpath.basename(path), "")) for path in paths)

    def _below(self, tree: str, folder: str) -> Mapping[str, str]:
        """The blobs of a folder's own files, by name."""
        id = self._repo.entry_id(tree, folder)
        if id is None:
            return {}
        known = self._folders.get(id)
        if known is None:
            names = {entry.path.removeprefix(f"{folder}/"): entry.blob for entry in self._repo.files(tree, folder)}
            known = self._folders.put(id, {name: blob for name, blob in names.items() if "/" not in name})
        return known

    def _state(self, tree: str, pattern: str) -> str:
        plain = pattern.strip("/")
        if not any(sign in plain for sign in WILD):
            return self._repo.entry_id(tree, plain) or ""
        named = Paths((pattern,))
        return "\0".join(
            f"{entry.mode} {entry.blob} {entry.path}"
            for entry in self._repo.files(tree, _fixed_part(plain))
            if entry.path in named
        )


def _fixed_part(pattern: str) -> str:
    """The directories before the first wildcard."""
    parts: list[str] = []
    for part in pattern.split("/")[:-1]:
        if any(sign in part for sign in WILD):
            break
        parts.append(part)
    return "/".join(parts)


def taken_back(states: Sequence[str]) -> frozenset[str]:
    """Of a line of states, oldest first: those that a later return to an earlier state took back.

    What comes back after it was taken back is the same fault again: it takes back nothing of before, only what is new
    since it last came.
    """
    found: set[str] = set()
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for index, state in enumerate(states):
        if index and state != states[index - 1] and state in first:
            again = state in found
            since = last[state] if again else first[state]
            between = states[since + 1 : index]
            found.update(one for one in between if one != state and (not again or first[one] > since))
        first.setdefault(state, index)
        last[state] = index
    return frozenset(found)
