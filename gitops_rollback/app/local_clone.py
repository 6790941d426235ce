"""A clone on this machine, as its newest commit has it: its files, and where it was cloned from."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from gitops_rollback.adapters.git.door import Git, git_dir_of
from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.adapters.git.objects import SYMLINK_MODE, ObjectReader, list_files, tree_of
from gitops_rollback.core.closure.tree import Tree
from gitops_rollback.core.errors import RollbackError, SettingsInvalid

FILE_BYTES = 1 << 20
KEPT_TEXTS, KEPT_BYTES = 20_000, 32 << 20


class LocalClone:
    """Give it a folder of a work tree; `with` ends its processes."""

    def __init__(self, folder: Path) -> None:
        """Raises: SettingsInvalid if the folder lies in no git repository with a work tree."""
        self.root = _root_of(folder)
        self._git = Git(git_dir_of(self.root))
        self._reader = ObjectReader(self._git)

    def __enter__(self) -> LocalClone:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._reader.close()

    def tree(self) -> Tree:
        """What the newest commit holds. Raises: SettingsInvalid if there is none yet."""
        head = self._git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}", ok=(0, 1, 128))
        if not head:
            raise SettingsInvalid(str(self.root), "has no commit yet: an engine would see nothing in it")
        return tree_in(self._git, self._reader, tree_of(self._reader, head))

    def urls(self) -> tuple[str, ...]:
        """The addresses of its remotes, that of `origin` first."""
        told = self._git.run("config", "-z", "--get-regexp", r"^remote\..*\.url$", ok=(0, 1)).stdout
        pairs = [one.partition("\n") for one in told.decode("utf-8", "replace").split("\0") if one]
        pairs.sort(key=lambda pair: pair[0] != "remote.origin.url")
        return tuple(dict.fromkeys(url for _, _, url in pairs if url))

    def branch(self) -> str:
        """The remote's default branch, as it was when it was cloned; else the one that is checked out; else ""."""
        for ref in ("refs/remotes/origin/HEAD", "HEAD"):
            found = self._git.text("symbolic-ref", "--quiet", ref, ok=(0, 1, 128))
            if found:
                return found.removeprefix("refs/remotes/origin/").removeprefix("refs/heads/")
        return ""


def tree_in(git: Git, reader: ObjectReader, tree: str) -> Tree:
    """The tree with this id, whose files are read when they are asked for. Raises: RollbackError."""
    entries = list_files(git, tree, reader=reader)
    blobs = {path: entry.sha for path, entry in entries if entry.kind == "blob"}
    links = frozenset(path for path, entry in entries if entry.mode == SYMLINK_MODE)
    modules = frozenset(path for path, entry in entries if entry.kind == "commit")

    texts: Kept[bytes] = Kept(KEPT_TEXTS, KEPT_BYTES)  # each application asks for the same manifests

    def read(blob: str) -> bytes | None:
        known = texts.get(blob)
        if known is not None:
            return known
        found = reader.info(blob)
        if found is None or found[1] > FILE_BYTES:
            return None
        return texts.put(blob, reader.read(blob, FILE_BYTES)[1])

    return Tree(blobs, read, links, modules)


def _root_of(folder: Path) -> Path:
    """The work tree that a folder lies in."""
    for one in (folder.absolute(), *folder.absolute().parents):
        if (one / ".git").exists():
            try:
                git_dir_of(one)
            except RollbackError as error:
                raise SettingsInvalid(str(folder), "lies in no usable git repository") from error
            return one
    raise SettingsInvalid(str(folder), "lies in no git repository: name a clone of the config repository")
