"""One replica's way to the Kubernetes API: watches that lag, lists from the past, lost answers, writes done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from gitops_rollback.adapters.engines.cluster import Object
from gitops_rollback.adapters.engines.flux_objects import REQUESTED_AT
from gitops_rollback.adapters.engines.flux_world import KUSTOMIZATIONS
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.sandbox.kubernetes import KINDS, By, Kind
from gitops_rollback.sandbox.kubernetes.answers import Refusal
from gitops_rollback.sandbox.kubernetes.patching import merged
from gitops_rollback.sandbox.kubernetes.selectors import selection
from gitops_rollback.sandbox.simulation.files import POISON
from gitops_rollback.sandbox.simulation.flux.cluster import NAMESPACE, FluxCluster
from gitops_rollback.sandbox.simulation.gate import Gate
from gitops_rollback.sandbox.simulation.schedule import START

T = TypeVar("T")
SUBJECT = "kubernetes"
BY = By("gitops-rollback")
POISONED: Object = {  # what the list has of the poison: hardly anything of its status is of the right type
    "kind": "Kustomization",
    "metadata": {"name": POISON, "namespace": NAMESPACE, "uid": "uid-poison", "generation": "first"},
    "spec": {"sourceRef": {"kind": "GitRepository", "name": "config"}, "path": f"./apps/{POISON}", "interval": 60},
    "status": {"conditions": "none", "history": [{"digest": 7}], "lastAppliedRevision": ["x"], "inventory": 3},
}
_KINDS = {(kind.group, kind.plural): kind for kind in KINDS}


class SimApi:
    """`adapters.engines.cluster.Cluster` and `Changes`. `may_patch` False: our account has no right to write."""

    def __init__(self, gate: Gate, cluster: FluxCluster, may_patch: bool) -> None:
        self._gate = gate
        self._cluster = cluster
        self._may_patch = may_patch
        self._behind: dict[Kind, tuple[datetime, int]] = {}  # watches that have stopped: until when, at which version

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """As the client's: always what is there now."""
        if name == POISON:
            self._call("flux.get", lambda: None)
            raise ApiUnavailable(SUBJECT, "the answer is no JSON")
        kind = _kind(resource)
        return self._call("flux.get", lambda: self._cluster.store.held(kind, name, namespace))

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        """As the client's: what is watched costs no request, and may lag; with a selector it is asked for."""
        kind, store = _kind(resource), self._cluster.store
        if label_selector:
            selects = selection(kind, label_selector, "")
            found = self._call("flux.list", lambda: store.held_at(kind, namespace)[1])
            return Listing("asked", tuple(one for one in found if selects(one)))
        poison = (POISONED,) if resource == KUSTOMIZATIONS else ()
        if poison:
            self._call("flux.watch", lambda: None)
        try:
            return Listing("watched", (*store.held_at(kind, version=self._version(kind))[1], *poison))
        except Refusal:  # nobody knows any more how it was then
            return Listing("watched", (*store.held_at(kind)[1], *poison))

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, object]) -> Object:
        """As the client's."""
        kind, store = _kind(resource), self._cluster.store
        if not self._may_patch:
            self._call("flux.patch", lambda: None)
            raise CredentialsRejected(SUBJECT, "forbidden")

        asked = merged({}, dict(patch)).get("metadata", {}).get("annotations", {}).get(REQUESTED_AT, "")

        def write() -> Object:
            return store.transform(kind, name, namespace, lambda body: merged(body, dict(patch)), BY)

        def heard() -> Object:
            self._cluster.requested(self._gate.who, f"{resource.plural}/{name}", asked.partition("/")[0])
            return write()

        made = self._call("flux.patch", heard)
        return write() if self._gate.is_twice() else made

    def try_patch(self, resource: Resource, namespace: str, name: str) -> None:
        """As the client's; nobody asks in a simulation."""

    def try_watch(self, resource: Resource) -> None:
        """As the client's; nobody asks in a simulation."""

    def follow(self, resource: Resource, changed: Callable[[Object], None], stop: threading.Event) -> None:
        """As in `Changes`; the simulation has no streams."""

    def _version(self, kind: Kind) -> int | None:
        """As of when a watch tells: of now, of where it stopped, or of what a server had cached long ago."""
        cluster, gate, now = self._cluster, self._gate, self._cluster.schedule.now
        until, version = self._behind.get(kind, (START, 0))
        if now < until:
            return version
        if not gate.is_stale():
            return None
        lag = timedelta(seconds=gate.seconds(1, 45))
        if gate.seconds(0, 1) < 0.5:
            self._behind[kind] = now + lag, cluster.store.version
            return None
        return max((version for at, version in cluster.versions if at <= now - lag), default=None)

    def _call(self, port: str, effect: Callable[[], T]) -> T:
        if self._cluster.schedule.now < self._cluster.down_until:
            self._gate.call(port, lambda: None, _away)
            raise _away()
        return self._gate.call(port, effect, _away)


def _kind(resource: Resource) -> Kind:
    found = _KINDS.get((resource.group, resource.plural))
    if found is None:
        raise Unserved(SUBJECT, f"{resource} is not served")
    return found


def _away() -> ApiUnavailable:
    return ApiUnavailable(SUBJECT, "did not answer")
