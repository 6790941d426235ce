"""What the sandbox's API server holds: Application objects, their events, and who watches them.

Every write makes a new object with a higher `resourceVersion`; an object once handed out never changes, so readers need
no lock. Watchers get each write once, lose what overflows their buffer, and are told nothing about the loss.
Source: argo-cd v3.5.1 server/broadcast/broadcaster.go, server/application/application.go (1000 events buffered).
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.rendering import Json

Key = tuple[str, str]  # namespace, name

_BUFFERED_EVENTS = 1000
_KEPT_KUBERNETES_EVENTS = 200
_FIRST_VERSION = 400


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Subscription:
    """One watcher. `pending` is filled by writes and emptied by the watcher, who waits on `wake`."""

    def __init__(self, internal: bool = False) -> None:
        self.internal = internal  # the server's own: faults of the streams do not touch it
        self.pending: deque[tuple[str, Json]] = deque()
        self.wake = threading.Event()
        self.closed = False

    def offer(self, kind: str, application: Json) -> None:
        """Buffer one event; a full buffer loses it."""
        if len(self.pending) < _BUFFERED_EVENTS:
            self.pending.append((kind, application))
        self.wake.set()

    def close(self) -> None:
        """End the watch in the middle, as a restart of the server does."""
        self.closed = True
        self.wake.set()


class _Waiter:
    """Someone who waits for a condition; what asking raises is raised to them, not to the writer."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self.met = threading.Event()
        self.error: Exception | None = None
        self._condition = condition

    def look(self) -> None:
        """Ask, unless it has held before."""
        if self.met.is_set():
            return
        try:
            held = self._condition()
        except Exception as exc:
            self.error = exc
            held = True
        if held:
            self.met.set()


class Store:
    """The Application objects. All methods may be called from any thread."""

    def __init__(self, clock: SandboxClock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.version = _FIRST_VERSION
        self.drops = 0  # so many of the next watch events get lost
        self._applications: dict[Key, Json] = {}
        self._events: dict[Key, deque[Json]] = {}
        self._subscriptions: list[Subscription] = []
        self._waiters: list[_Waiter] = []
        self._stale: dict[Key, Json] | None = None

    def now(self) -> str:
        """The present, as it stands in objects."""
        return stamp(self.clock.now())

    def add(self, application: Json) -> None:
        """Create an Application."""
        with self.lock:
            self._put("ADDED", copy.deepcopy(application))

    def delete(self, key: Key) -> None:
        """Remove an Application; absent is no error."""
        with self.lock:
            gone = self._applications.pop(key, None)
            if gone is not None:
                self._tell("DELETED", self._numbered(copy.deepcopy(gone)))

    def get(self, key: Key) -> Json | None:
        """The Application as it is now, or None."""
        return self._applications.get(key)

    def names(self) -> list[Key]:
        """All Applications, by name."""
        with self.lock:
            return sorted(self._applications, key=lambda key: (key[1], key[0]))

    def shown(self, key: Key) -> Json | None:
        """The Application as readers of the API see it: an older one while reads are stale."""
        return self.get(key) if self._stale is None else self._stale.get(key)

    @property
    def reads_frozen(self) -> bool:
        """Whether readers see older objects."""
        return self._stale is not None

    def freeze_reads(self, frozen: bool) -> None:
        """Let readers see the objects as they are now, whatever is written, until unfrozen."""
        with self.lock:
            now = {key: found for key in self.names() if (found := self.get(key)) is not None}
            self._stale = now if frozen else None

    def write(self, key: Key, change: Callable[[Json], None], metadata_only: bool = False) -> Json | None:
        """Apply `change` to a copy and make that the new object; no change makes no event. None if it is gone."""
        with self.lock:
            before = self._applications.get(key)
            if before is None:
                return None
            after = copy.deepcopy(before)
            change(after)
            if after == before:
                return before
            if not metadata_only:
                after["metadata"]["generation"] += 1
            return self._put("MODIFIED", after)

    def wait_for(self, condition: Callable[[], bool], real_seconds: float) -> bool:
        """Wait until `condition` holds; False after `real_seconds`. It is asked on each write, by whoever writes.

        So a state that lasts no longer than the next write is not missed.
        """
        waiter = _Waiter(condition)
        with self.lock:
            waiter.look()
            self._waiters.append(waiter)
        waiter.met.wait(real_seconds)
        with self.lock:
            self._waiters.remove(waiter)
        if waiter.error is not None:
            raise waiter.error
        return waiter.met.is_set()

    def notify(self) -> None:
        """Something that a condition may ask about has changed without a write."""
        with self.lock:
            for waiter in self._waiters:
                waiter.look()

    def subscribe(self, internal: bool = False) -> tuple[Subscription, list[Json]]:
        """A new watcher and what it sees first: every Application there is."""
        with self.lock:
            subscription = Subscription(internal)
            self._subscriptions.append(subscription)
            return subscription, [found for key in self.names() if (found := self.get(key)) is not None]

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a watcher."""
        with self.lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def close_watches(self) -> None:
        """End every client's watch."""
        with self.lock:
            for subscription in self._subscriptions:
                if not subscription.internal:
                    subscription.close()

    def record_event(self, key: Key, reason: str, message: str) -> None:
        """Remember a Kubernetes event about an Application."""
        with self.lock:
            application = self.get(key)
            if application is None:
                return
            about = application["metadata"]
            self.version += 1
            event = _event(about, application["spec"]["destination"], reason, message, str(self.version))
            moment = self.now()
            event["metadata"]["creationTimestamp"] = event["firstTimestamp"] = event["lastTimestamp"] = moment
            self._events.setdefault(key, deque(maxlen=_KEPT_KUBERNETES_EVENTS)).append(event)

    def events(self, key: Key) -> list[Json]:
        """The events about an Application, oldest first."""
        with self.lock:
            return list(self._events.get(key, ()))

    def _put(self, kind: str, application: Json) -> Json:
        self._numbered(application)
        metadata = application["metadata"]
        self._applications[(metadata["namespace"], metadata["name"])] = application
        self._tell(kind, application)
        return application

    def _numbered(self, application: Json) -> Json:
        self.version += 1
        application["metadata"]["resourceVersion"] = str(self.version)
        return application

    def _tell(self, kind: str, application: Json) -> None:
        lost = self.drops > 0
        self.drops -= 1 if lost else 0
        for subscription in self._subscriptions:
            if subscription.internal or not lost:
                subscription.offer(kind, application)
        self.notify()


def _event(about: Json, destination: Json, reason: str, message: str, version: str) -> Json:
    return {
        "metadata": {
            "name": f"{about['name']}.{int(version):016x}",
            "namespace": about["namespace"],
            "uid": f"00000000-0000-4000-8000-{int(version):012x}",
            "resourceVersion": version,
            "annotations": {"dest-namespace": destination["namespace"], "dest-server": destination["server"]},
        },
        "involvedObject": {
            "kind": "Application",
            "namespace": about["namespace"],
            "name": about["name"],
            "uid": about["uid"],
            "apiVersion": "argoproj.io/v1alpha1",
            "resourceVersion": about["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {"component": "argocd-application-controller"},
        "count": 1,
        "type": "Normal",
        "eventTime": None,
    }
