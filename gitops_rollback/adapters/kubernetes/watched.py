"""An engine's view of a Kubernetes API: lists from what is watched, single objects from the API itself.

A list of what is watched costs no request. As soon as a watch is in trouble, or silent for too long, the API is asked,
which says itself what is wrong: what may be old is never shown as what is there now.
Source: contracts/flux-kubernetes.md section 13.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gitops_rollback.adapters.kubernetes.cache import Change
from gitops_rollback.adapters.kubernetes.client import Kubernetes, Listing, Object
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.adapters.kubernetes.watching import DEFAULT_TIMES, Reflector, View, WatchTimes
from gitops_rollback.adapters.kubernetes.wire import Call

TRY_SECONDS = 10.0
FROM_WATCH = "watched"  # stands for the version of a list that is no answer of the API, or of several


class WatchedCluster:
    """What the engines call `Cluster` and `Changes`, over one client. Usable from several threads.

    With `namespaces` only those are looked into, one by one, so that a Role in each of them is enough.
    """

    def __init__(self, client: Kubernetes, times: WatchTimes = DEFAULT_TIMES, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._times = times
        self._namespaces = tuple(dict.fromkeys(namespaces)) or ("",)
        self._lock = threading.Lock()
        self._followed: dict[Resource, tuple[Reflector, ...]] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Always from the API."""
        return self._client.get(resource, namespace, name)

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        """What is watched, if that goes well; else from the API."""
        if namespace:
            return self._client.list_objects(resource, namespace, label_selector)
        views = self._watched(resource) if not label_selector else ()
        if views and all(view.current for view in views):
            return Listing(FROM_WATCH, tuple(one for view in views for one in view.objects.values()))
        return self._listed(resource, label_selector)

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, object]) -> Object:
        return self._client.merge_patch(resource, namespace, name, patch)

    def try_patch(self, resource: Resource, namespace: str, name: str) -> None:
        """As a patch, but nothing is changed. Raises: CredentialsRejected where we may not."""
        self._client.merge_patch(resource, namespace, name, {}, dry_run=True)

    def try_watch(self, resource: Resource) -> None:
        """Open a watch, and close it. Raises: CredentialsRejected where we may not."""
        for namespace in self._namespaces:
            call = Call(TRY_SECONDS)
            with self._client.watch(resource, namespace, "0", 1, call):
                pass

    def follow(self, resource: Resource, changed: Callable[[Object], None], stop: threading.Event) -> None:
        """Watch until `stop`; from the first list on `list_objects` is served by it."""

        def hear(change: Change) -> None:
            found = change.now or change.before
            if found is not None:
                changed(found)

        make = partial(Reflector, self._client, resource, hear, times=self._times)
        reflectors = tuple(make(namespace=namespace) for namespace in self._namespaces)
        with self._lock:
            self._followed[resource] = reflectors
        others = [threading.Thread(target=one.run, args=(stop,), daemon=True) for one in reflectors[1:]]
        for thread in others:
            thread.start()
        try:
            reflectors[0].run(stop)
            for thread in others:
                thread.join()
        finally:
            with self._lock:
                self._followed.pop(resource, None)

    def _watched(self, resource: Resource) -> tuple[View, ...]:
        with self._lock:
            reflectors = self._followed.get(resource, ())
        return tuple(one.view() for one in reflectors)

    def _listed(self, resource: Resource, label_selector: str) -> Listing:
        if len(self._namespaces) == 1:
            return self._client.list_objects(resource, self._namespaces[0], label_selector)
        found = [self._client.list_objects(resource, one, label_selector) for one in self._namespaces]
        return Listing(FROM_WATCH, tuple(item for listing in found for item in listing.items))
