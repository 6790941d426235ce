"""Flux's view of a Kubernetes API: lists from what is watched, single objects from the API itself.

A list of what is watched costs no request. As soon as a watch is in trouble the API is asked, which says itself what is
wrong: what may be old is never shown as what is there now.
Source: contracts/flux-kubernetes.md section 13.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from gitops_rollback.adapters.engines.flux import Object
from gitops_rollback.adapters.kubernetes.cache import Change
from gitops_rollback.adapters.kubernetes.client import Kubernetes, Listing
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.adapters.kubernetes.watching import DEFAULT_TIMES, Reflector, WatchTimes

FROM_WATCH = "watched"  # stands for the version of a list that is no answer of the API


class WatchedCluster:
    """`flux.Cluster` and `flux.Changes` over one client. Usable from several threads."""

    def __init__(self, client: Kubernetes, times: WatchTimes = DEFAULT_TIMES) -> None:
        self._client = client
        self._times = times
        self._lock = threading.Lock()
        self._followed: dict[Resource, Reflector] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Always from the API."""
        return self._client.get(resource, namespace, name)

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        """What is watched, if that goes well; else from the API."""
        with self._lock:
            reflector = self._followed.get(resource) if not (namespace or label_selector) else None
        view = reflector.view() if reflector is not None else None
        if view is None or not view.synced or view.trouble:
            return self._client.list_objects(resource, namespace, label_selector)
        return Listing(FROM_WATCH, tuple(view.objects.values()))

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, object]) -> Object:
        return self._client.merge_patch(resource, namespace, name, patch)

    def follow(self, resource: Resource, changed: Callable[[Object], None], stop: threading.Event) -> None:
        """Watch until `stop`; from the first list on `list_objects` is served by it."""

        def hear(change: Change) -> None:
            found = change.now or change.before
            if found is not None:
                changed(found)

        reflector = Reflector(self._client, resource, hear, times=self._times)
        with self._lock:
            self._followed[resource] = reflector
        try:
            reflector.run(stop)
        finally:
            with self._lock:
                self._followed.pop(resource, None)
