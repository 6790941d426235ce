"""Whose review is asked for: the owners of the files that a plan changes."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_rollback.core.code_owners import MAX_BYTES, owner_rules, owners_of, places
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.ports import ConfigRepo


def owners_at(repo: ConfigRepo, kind: str, revision: str, paths: Sequence[str]) -> tuple[str, ...]:
    """Logins and teams by the CODEOWNERS file at `revision`; () where there is none that can be read."""
    for place in places(kind):
        try:
            blob = repo.entry_id(revision, place)
            if blob is not None:
                text = repo.read(blob, MAX_BYTES).decode("utf-8", "replace")
                return owners_of(paths, owner_rules(text, kind))
        except RollbackError:
            return ()
    return ()
