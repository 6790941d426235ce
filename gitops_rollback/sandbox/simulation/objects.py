"""What is a commit in memory? Blobs, trees and commits with git's semantics, shared by the remote and all clones.

A tree is a mapping of paths to blobs; ids are hashes of contents, so equal contents have equal ids, as in git.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice

from gitops_rollback.core.commit import ABSENT_MODE, REGULAR_MODE, Commit, FileChange
from gitops_rollback.core.errors import ObjectMissing
from gitops_rollback.sandbox.simulation.files import is_marked, without_marks

Tree = Mapping[str, str]  # path -> blob id; every file is an ordinary one


class Objects:
    """All objects that anybody ever made. Who may see a commit is for the clones to say."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, Tree] = {}
        self.commits: dict[str, Commit] = {}
        self._bits: dict[str, int] = {}
        self._ancestors: dict[str, int] = {}
        self._lines: dict[str, int] = {}
        self._entries: dict[tuple[str, str], str | None] = {}
        self._between: dict[tuple[str | None, str, int], tuple[Commit, ...]] = {}
        self._unmarked: dict[str, str] = {}

    def blob(self, content: bytes) -> str:
        """The id of this content."""
        name = hashlib.sha1(b"blob\0" + content, usedforsecurity=False).hexdigest()
        self.blobs[name] = content
        return name

    def tree(self, files: Tree) -> str:
        """The id of a tree with these files."""
        listed = "\0".join(f"{path} {files[path]}" for path in sorted(files))
        name = hashlib.sha1(f"tree\0{listed}".encode(), usedforsecurity=False).hexdigest()
        self.trees.setdefault(name, dict(files))
        return name

    def commit(self, tree: str, parents: tuple[str, ...], author: str, message: str, date: datetime) -> str:
        """The id of this commit; the same arguments give the same one."""
        stamp = int(date.timestamp())
        text = f"commit\0{tree} {' '.join(parents)} {author} {stamp}\0{message}"
        name = hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        if name in self.commits:
            return name
        before = self.files(self.commits[parents[0]].tree) if parents else {}
        changes = tuple(difference(before, self.trees[tree]))
        whole = datetime.fromtimestamp(stamp, date.tzinfo)
        self.commits[name] = Commit(name, parents, tree, author, author, whole, message.rstrip("\n"), changes)
        self._bits[name] = 1 << len(self._bits)
        mask = self._bits[name]
        for parent in parents:
            mask |= self._ancestors[parent]
        self._ancestors[name] = mask
        self._lines[name] = self._bits[name] | (self._lines[parents[0]] if parents else 0)
        return name

    def files(self, treeish: str) -> Tree:
        """The files of a commit or tree. Raises: ObjectMissing."""
        known = self.trees.get(treeish)
        if known is not None:
            return known
        commit = self.commits.get(treeish)
        if commit is None:
            raise ObjectMissing(treeish[:80], "no such object")
        return self.trees[commit.tree]

    def text(self, treeish: str, path: str) -> bytes | None:
        """A file's content; None if it is absent."""
        blob = self.files(treeish).get(path)
        return None if blob is None else self.blobs[blob]

    def entry(self, treeish: str, path: str) -> str | None:
        """The id of a file or directory; None if absent."""
        tree = treeish if treeish in self.trees else self.commits[treeish].tree
        if path == "":
            return tree
        key = (tree, path)
        if key not in self._entries:
            self._entries[key] = self._entry(self.trees[tree], path)
        return self._entries[key]

    def _entry(self, files: Tree, path: str) -> str | None:
        if path in files:
            return files[path]
        below = {name[len(path) + 1 :]: blob for name, blob in files.items() if name.startswith(f"{path}/")}
        return self.tree(below) if below else None

    def unmarked(self, tree: str) -> str:
        """The id of the same tree without the marks of image automations; `tree` itself where there are none."""
        if tree in self.trees and tree not in self._unmarked:
            files, plain = self.trees[tree], {}
            for path, blob in files.items():
                plain[path] = self.blob(without_marks(self.blobs[blob])) if is_marked(self.blobs[blob]) else blob
            self._unmarked[tree] = self.tree(plain)
        return self._unmarked.get(tree, tree)

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """True too if they are the same; False if either does not exist."""
        return bool(self._ancestors.get(descendant, 0) & self._bits.get(ancestor, 0))

    def on_first_parent(self, sha: str, tip: str) -> bool:
        """True if the first-parent line of `tip` holds the commit."""
        return bool(self._lines.get(tip, 0) & self._bits.get(sha, 0))

    def reach(self, sha: str) -> int:
        """All that is reachable from a commit, as a set of bits."""
        return self._ancestors[sha]

    def bit(self, sha: str) -> int:
        """The bit of one commit; 0 if it does not exist."""
        return self._bits.get(sha, 0)

    def first_parents(self, tip: str) -> Iterator[Commit]:
        """The first-parent line, newest first."""
        at: str | None = tip
        while at is not None:
            commit = self.commits[at]
            yield commit
            at = commit.parents[0] if commit.parents else None

    def between(self, since: str | None, until: str, limit: int) -> tuple[Commit, ...]:
        """The first-parent line of `until`, newest first, to where `since` has it. What is behind a commit is fixed."""
        key = (since, until, limit)
        if key not in self._between:
            self._between[key] = tuple(islice(self._line(since, until), limit))
        return self._between[key]

    def _line(self, since: str | None, until: str) -> Iterator[Commit]:
        for commit in self.first_parents(until):
            if since is not None and self.is_ancestor(commit.sha, since):
                return
            yield commit

    def with_files(self, base: str | None, put: Mapping[str, bytes | None]) -> str:
        """A tree: that of `base` with these files put (None: removed)."""
        files = dict(self.files(base)) if base is not None else {}
        for path, content in put.items():
            if content is None:
                files.pop(path, None)
            else:
                files[path] = self.blob(content)
        return self.tree(files)


def difference(old: Tree, new: Tree) -> Iterator[FileChange]:
    """The files that differ, by path."""
    for path in sorted(_differing(old, new)):
        before, after = old.get(path), new.get(path)
        modes = (ABSENT_MODE if before is None else REGULAR_MODE, ABSENT_MODE if after is None else REGULAR_MODE)
        yield FileChange(path, *modes, before, after)


def _differing(old: Tree, new: Tree) -> Iterable[str]:
    return {path for path, _ in old.items() ^ new.items()}
