"""A config repository at one revision, as the tree in which applications are looked for."""

from __future__ import annotations

from gitops_rollback.core.closure.tree import YAML_ENDINGS, Tree
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import ConfigRepo

LINK, MODULE = "120000", "160000"


def tree_at(repo: ConfigRepo, revision: str) -> Tree:
    """Its files; one that is too large is as one that is not there. Raises: RollbackError."""
    entries = repo.files(revision)
    blobs = {entry.path: entry.blob for entry in entries if entry.mode != MODULE}
    links = frozenset(entry.path for entry in entries if entry.mode == LINK)
    modules = frozenset(entry.path for entry in entries if entry.mode == MODULE)
    repo.bring([blob for path, blob in blobs.items() if path.endswith(YAML_ENDINGS)])

    def read(blob: str) -> bytes | None:
        try:
            return repo.read(blob)
        except RollbackError:
            return None

    return Tree(blobs, read, links, modules)
