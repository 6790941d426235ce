"""A file of a commit, and a tree with some files changed: in the object database alone."""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.core.commit import FileChange
from gitops_rollback.ports import ConfigRepo

SYNTHETIC = "side of a plan\n"  # no ref ever reaches such a commit


def edited(repo: ConfigRepo, base: str, tree: str, files: Mapping[str, bytes]) -> tuple[str, tuple[FileChange, ...]]:
    """`tree` with these files' contents, and how it differs from `base`. Written as objects alone."""
    date = repo.commit(base).committed_at
    side = repo.write_commit(tree, base, SYNTHETIC, date)
    changed = repo.tree(repo.write_files(side, files, SYNTHETIC, date))
    return changed, repo.commit(repo.write_commit(changed, base, SYNTHETIC, date)).changes


def content_at(repo: ConfigRepo, head: str, path: str) -> bytes | None:
    """A file's content at a commit; None if there is none."""
    blob = repo.entry_id(head, path)
    return None if blob is None else repo.read(blob)
