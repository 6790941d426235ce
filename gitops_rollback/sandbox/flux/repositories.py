"""What do Flux's controllers of the sandbox read of git, and write to it? Here are the ways by a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.people import People
from gitops_rollback.sandbox.rendering import Tree


class Repository(Protocol):
    """One repository, read only. Raises: RepositoryError, in the words of git."""

    def resolve(self, revision: str) -> str:
        """The full SHA of a branch, tag or SHA."""
        ...

    def tree(self, sha: str) -> Tree:
        """The files at commit `sha`."""
        ...

    def listing(self, sha: str) -> Sequence[str]:
        """All file paths at `sha`, sorted."""
        ...

    def blobs(self, sha: str, paths: Sequence[str]) -> dict[str, bytes]:
        """The bytes of each of `paths` at `sha` that is a file there."""
        ...


class Branch(Protocol):
    """A branch that a controller writes. Raises: RepositoryError, in the words of git."""

    def head(self) -> str:
        """The newest commit."""
        ...

    def texts(self, sha: str, under: str) -> Mapping[str, str]:
        """The files below a directory at `sha`, by path."""
        ...

    def push(self, message: str, files: Mapping[str, str], at: datetime, author: str, base: str) -> str:
        """Land a commit with these files on `base`, without force; its full SHA."""
        ...


Branches = Callable[[str], Branch]  # by a branch's name


class BareBranch:
    """`Branch` of a bare repository on a disk."""

    def __init__(self, bare: Path, name: str) -> None:
        self._people = People(bare, name)

    def head(self) -> str:
        """As in `Branch`."""
        return self._people.head()

    def texts(self, sha: str, under: str) -> Mapping[str, str]:
        """As in `Branch`."""
        try:
            paths = self._people.git("ls-tree", "-r", "--name-only", sha, "--", under).splitlines()
        except RuntimeError as exc:
            raise RepositoryError(str(exc)) from exc
        return {path: self._people.read(path, sha) for path in paths}

    def push(self, message: str, files: Mapping[str, str], at: datetime, author: str, base: str) -> str:
        """As in `Branch`."""
        try:
            return self._people.push(message, files, at, author, base=base)
        except RuntimeError as exc:
            raise RepositoryError(str(exc)) from exc
