"""What other installed packages bring, by their entry points."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

ENGINE_GROUP = "gitops_rollback.engines"  # named here, since policies are read without what a cluster needs


@lru_cache(maxsize=8)
def names_in(group: str) -> frozenset[str]:
    """The names of all entry points of a group; none of their code runs for this."""
    return frozenset(entry.name for entry in entry_points(group=group))


def loaded(group: str, name: str) -> Any:
    """What the entry point names. Raises: whatever the package's code raises."""
    (entry, *_) = entry_points(group=group, name=name)
    return entry.load()
