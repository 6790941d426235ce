"""In which version does this cluster serve a kind of Flux's, if not in the newest?

Flux gave its kinds their final versions one after the other: HelmRelease in 2.3, OCIRepository in 2.6, the image
automations in 2.7. What is read of them stands in the older versions under the same names. So each kind is asked for in
its final version first, and in older ones where the API says that it serves no such thing.
Source: contracts/flux-kubernetes.md section 1 (version floor); release notes of Flux 2.2, 2.3, 2.6 and 2.7.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from gitops_rollback.adapters.engines.cluster import Changes, Cluster, Object
from gitops_rollback.adapters.engines.flux_sources import BUCKET, HELM_REPOSITORY, OCI
from gitops_rollback.adapters.engines.flux_world import (
    HELM_CHARTS,
    HELM_RELEASES,
    IMAGE_POLICIES,
    IMAGE_WRITERS,
    SOURCE_RESOURCES,
)
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import RollbackError

OLDER: Mapping[Resource, tuple[str, ...]] = {
    HELM_RELEASES: ("v2beta2",),
    HELM_CHARTS: ("v1beta2",),
    SOURCE_RESOURCES[HELM_REPOSITORY]: ("v1beta2",),
    SOURCE_RESOURCES[BUCKET]: ("v1beta2",),
    SOURCE_RESOURCES[OCI]: ("v1beta2",),
    IMAGE_WRITERS: ("v1beta2", "v1beta1"),
    IMAGE_POLICIES: ("v1beta2",),
}
ASKED_AGAIN_SECONDS = 300.0  # for older versions of what is not there in any

_Found = TypeVar("_Found")


class ServedVersions:
    """`Cluster` and `Changes` that take a resource in its final version and use the one that is served."""

    def __init__(self, cluster: Cluster, changes: Changes, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._changes = changes
        self._elapsed = elapsed  # real seconds
        self._lock = threading.Lock()
        self._served: dict[Resource, Resource] = {}
        self._absent_since: dict[Resource, float] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._with(resource, lambda served: self._cluster.get(served, namespace, name))

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        return self._with(resource, lambda served: self._cluster.list_objects(served, namespace, label_selector))

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, object]) -> Object:
        return self._with(resource, lambda served: self._cluster.merge_patch(served, namespace, name, patch))

    def try_patch(self, resource: Resource, namespace: str, name: str) -> None:
        self._with(resource, lambda served: self._cluster.try_patch(served, namespace, name))

    def try_watch(self, resource: Resource) -> None:
        self._with(resource, self._cluster.try_watch)

    def follow(self, resource: Resource, changed: Callable[[Object], None], stop: threading.Event) -> None:
        """In the version that is served at the start; what is not there yet is waited for in its final one."""
        if resource in OLDER:
            with suppress(RollbackError):  # the loop that follows meets the same, and tells
                self.try_watch(resource)
        self._changes.follow(self._served.get(resource, resource), changed, stop)

    def _with(self, resource: Resource, act: Callable[[Resource], _Found]) -> _Found:
        """Raises besides: Unserved where no version is served."""
        unserved: Unserved | None = None
        for served in self._candidates(resource):
            try:
                found = act(served)
            except Unserved as exc:
                unserved = unserved or exc
                continue
            with self._lock:
                self._served[resource] = served
                self._absent_since.pop(resource, None)
            return found
        with self._lock:
            self._served.pop(resource, None)
            self._absent_since.setdefault(resource, self._elapsed())
        raise unserved or Unserved("Flux", f"{resource} is not served")

    def _candidates(self, resource: Resource) -> tuple[Resource, ...]:
        with self._lock:
            known, absent = self._served.get(resource), self._absent_since.get(resource)
            if absent is not None and self._elapsed() - absent < ASKED_AGAIN_SECONDS:
                return (resource,)
            self._absent_since.pop(resource, None)
        versions = (resource, *(replace(resource, version=one) for one in OLDER.get(resource, ())))
        return tuple(dict.fromkeys((known, *versions) if known is not None else versions))
