"""What do Flux's controllers of the sandbox read of git? `BareRepository` is all of it, from a disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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
