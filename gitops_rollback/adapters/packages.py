"""What other installed packages bring, by their entry points."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

# Named here, since policies are read without what a cluster or a metric store needs.
ENGINE_GROUP = "gitops_rollback.engines"
METRIC_GROUP = "gitops_rollback.metric_providers"


@lru_cache(maxsize=8)
def names_in(group: str) -> frozenset[str]:
    """The names of all entry points of a group; none of their code runs for this."""
    return frozenset(entry.name for entry in entry_points(group=group))


def metric_providers() -> frozenset[str]:
    """The names of all installed metric providers, as policies say `provider`."""
    return names_in(METRIC_GROUP)


def engines() -> frozenset[str]:
    """The names of all installed engines, as policies say `engine`."""
    return names_in(ENGINE_GROUP)


def loaded(group: str, name: str) -> Any:
    """What the entry point names. Raises: whatever the package's code raises."""
    (entry, *_) = entry_points(group=group, name=name)
    return entry.load()
