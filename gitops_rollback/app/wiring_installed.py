"""Makes the engines that other packages bring, where there is a way to a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from gitops_rollback.adapters.engines.installed import Access, installed, installed_engine
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.ports import Clock, Engine

LOOK_EVERY = timedelta(seconds=30)  # of policy time
SHORTEST_LOOK = timedelta(milliseconds=50)


def installed_engines(client: Kubernetes | None, clock: Clock, others: Iterable[Engine]) -> tuple[Engine, ...]:
    """One for each entry point. Raises: SettingsInvalid for one that cannot be made, or has the name of another."""
    if client is None:
        return ()
    names = installed()
    for engine in others:
        if engine.instance in names:
            raise SettingsInvalid(
                engine.instance, "an installed engine has this name, too: name the instance otherwise"
            )
    every = max(SHORTEST_LOOK.total_seconds(), clock.real_seconds(LOOK_EVERY))
    return tuple(installed_engine(Access(name, client, clock.now, every)) for name in sorted(names))
