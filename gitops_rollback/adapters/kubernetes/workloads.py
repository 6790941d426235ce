"""What does a workload consist of now, followed by watches of the namespaces that are asked about?

A namespace is followed from the first question on, and left when nobody asked for a while. Over the limit, and while a
watch is in trouble or silent, the API is asked each time: what may be old is never shown as what is there now.
Source: contracts/flux-kubernetes.md sections 13 and 15.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gitops_rollback.adapters.kubernetes.cache import Change, Key
from gitops_rollback.adapters.kubernetes.client import Kubernetes, Object
from gitops_rollback.adapters.kubernetes.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    STATEFUL_SETS,
    Resource,
)
from gitops_rollback.adapters.kubernetes.watching import DEFAULT_TIMES, Reflector, WatchTimes
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload

WORKLOADS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS, "Rollout": ROLLOUTS}
MAX_FOLLOWED = 120  # watches, each with its threads and its connection
LEFT_AFTER_SECONDS = 900.0
FIRST_LIST = timedelta(seconds=10)


@dataclass
class _Followed:
    reflector: Reflector
    stop: threading.Event = field(default_factory=threading.Event)
    asked_at: float = 0.0


class ClusterWorkloads:
    """Reads through one client. Usable from several threads; `wake` is called when Pods fail in a new way."""

    def __init__(
        self,
        client: Kubernetes,
        now: Callable[[], datetime],
        wake: Callable[[], None] = lambda: None,
        times: WatchTimes = DEFAULT_TIMES,
    ) -> None:
        self._client = client
        self._now = now
        self.wake = wake
        self._times = times
        self._lock = threading.Lock()
        self._followed: dict[tuple[Resource, str], _Followed] = {}
        self._changed_at: dict[tuple[Resource, Key], datetime] = {}

    def read(self, workload: Workload) -> WorkloadFacts:
        """`workload` and all that it owns. Raises: EngineUnavailable; CredentialsRejected; what the API refuses."""
        resource = WORKLOADS.get(workload.kind)
        if resource is None:
            raise EngineUnavailable(self._client.subject, f"a {workload.kind} has no Pods that are known how to judge")
        found = self._one(resource, workload)
        if found is None:
            return WorkloadFacts(None)
        owners = {_uid(found)}
        sets: tuple[Object, ...] = ()
        if workload.kind in ("Deployment", "Rollout"):
            sets = _owned(self._all(REPLICA_SETS, workload.namespace), owners)
            owners |= {_uid(one) for one in sets}
        pods = _owned(self._all(PODS, workload.namespace), owners)
        with self._lock:
            changed_at = self._changed_at.get((resource, Key(workload.namespace, workload.name)))
        return WorkloadFacts(found, sets, pods, changed_at)

    def close(self) -> None:
        """Leave all namespaces."""
        with self._lock:
            followed, self._followed = list(self._followed.values()), {}
        for one in followed:
            one.stop.set()

    def _one(self, resource: Resource, workload: Workload) -> Object | None:
        reflector = self._reflector(resource, workload.namespace)
        if reflector is None or not reflector.view().current:
            return self._client.get(resource, workload.namespace, workload.name)
        return reflector.get(workload.namespace, workload.name)

    def _all(self, resource: Resource, namespace: str) -> Iterable[Object]:
        reflector = self._reflector(resource, namespace)
        view = reflector.view() if reflector is not None else None
        if view is None or not view.current:
            return self._client.list_objects(resource, namespace).items
        return view.objects.values()

    def _reflector(self, resource: Resource, namespace: str) -> Reflector | None:
        """The one that follows it, with its first list; None where it has none, or there are too many."""
        with self._lock:
            self._leave_unasked()
            one = self._followed.get((resource, namespace))
            if one is None and len(self._followed) < MAX_FOLLOWED:
                one = self._followed[resource, namespace] = self._follow(resource, namespace)
            if one is None:
                return None
            one.asked_at = time.monotonic()
        return one.reflector if one.reflector.wait_for_first_list(self._patience(one)) else None

    def _patience(self, one: _Followed) -> timedelta:
        return timedelta(0) if one.reflector.view().trouble else FIRST_LIST

    def _follow(self, resource: Resource, namespace: str) -> _Followed:
        def hear(change: Change) -> None:
            self._hear(resource, change)

        one = _Followed(Reflector(self._client, resource, hear, namespace, self._times))
        name = f"watch-{resource.plural}-{namespace}"
        threading.Thread(target=one.reflector.run, args=(one.stop,), name=name, daemon=True).start()
        return one

    def _leave_unasked(self) -> None:
        """The lock is held."""
        horizon = time.monotonic() - LEFT_AFTER_SECONDS
        for key, one in list(self._followed.items()):
            if one.asked_at < horizon:
                one.stop.set()
                del self._followed[key]
                self._changed_at = {seen: at for seen, at in self._changed_at.items() if seen[1].namespace != key[1]}

    def _hear(self, resource: Resource, change: Change) -> None:
        if resource == PODS:
            if _signs(change.now) - _signs(change.before):
                self.wake()
        elif change.before is not None and change.now is not None and _template(change.before) != _template(change.now):
            with self._lock:
                self._changed_at[resource, change.key] = self._now()


def _owned(found: Iterable[Object], owners: set[str]) -> tuple[Object, ...]:
    return tuple(one for one in found if _owner(one) in owners)


def _owner(found: Object) -> str:
    references = found["metadata"].get("ownerReferences") or ()
    return next((str(one.get("uid")) for one in references if one.get("controller") is True), "")


def _uid(found: Object) -> str:
    return str(found["metadata"].get("uid"))


def _template(found: Object) -> Any:
    return (found.get("spec") or {}).get("template")


def _signs(pod: Object | None) -> set[tuple[str, str, str]]:
    """What a container of a Pod waits for, and how often it restarted: a new sign is worth a look at once.

    Of an init container only what it waits for: many restart until what they wait for is there.
    """
    status = (pod or {}).get("status")
    shown = status if isinstance(status, dict) else {}
    found: set[tuple[str, str, str]] = set()
    for name, of_main in (("containerStatuses", True), ("initContainerStatuses", False)):
        containers = shown.get(name)
        for one in containers if isinstance(containers, list) else ():
            restarts = (one.get("restartCount") or 0) if of_main else 0
            waiting = (one.get("state") or {}).get("waiting") or {}
            reason = str(waiting.get("reason") or "")
            if restarts or reason not in ("", "ContainerCreating", "PodInitializing"):
                found.add((str(one.get("name")), reason, str(restarts)))
    return found
