"""What an engine that is read by its objects needs of the Kubernetes API, and how a missing right is told.

`adapters.kubernetes.watched.WatchedCluster` is all of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from gitops_rollback.adapters.kubernetes.applied import READ
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import CredentialsRejected, RollbackError

Object = dict[str, Any]
NOBODY = "gitops-rollback.dev/only-asked=whether-we-may"  # a selector that fits nothing, so that nothing is sent


class Tried(Protocol):
    """What is tried on the Kubernetes API to see which rights there are; nothing is changed by it."""

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing: ...

    def try_patch(self, resource: Resource, namespace: str, name: str) -> None: ...

    def try_watch(self, resource: Resource) -> None: ...


class Cluster(Tried, Protocol):
    """Objects by name, and their change."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None: ...

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, object]) -> Object: ...


class Changes(Protocol):
    """Follows all objects of a resource until `stop`, over any interruption, and hands over what has changed."""

    def follow(self, resource: Resource, changed: Callable[[Object], None], stop: threading.Event) -> None: ...


def is_served(cluster: Tried, resource: Resource) -> bool:
    """False where the API does not know the resource; true where we may not see it. Raises: RollbackError."""
    try:
        cluster.list_objects(resource, label_selector=NOBODY)
    except Unserved:
        return False
    except CredentialsRejected:
        return True
    return True


def is_refused(act: Callable[[], object]) -> bool:
    """Only a clear no is one: what else goes wrong says nothing about rights."""
    try:
        act()
    except CredentialsRejected:
        return True
    except RollbackError:
        return False
    return False


def unseen_workloads(cluster: Tried) -> tuple[str, ...]:
    """A sentence if some of what the guards ask about may not be listed; () if all of it may."""
    refused = [one for one in READ if is_refused(partial(cluster.list_objects, one, label_selector=NOBODY))]
    if not refused:
        return ()
    named = ", ".join(map(str, refused))
    return (f"the right to list {named} is missing: the guards do not see what runs, and a person is asked",)
