"""What is there of one resource now, and who must look again? Our own list-and-watch loop.

It lists once, then follows the changes from that version, for ever. It starts over only when the API has forgotten the
version (410), or when events cannot be read; then the difference to the cache tells what was missed, deletions
included. While it does not get through, the cache stays as it was and says since when. A cluster that was restored from
a backup stays in that state until the controller is started anew, as Kubernetes advises for all that watches.
Source: contracts/flux-kubernetes.md, section 13; client-go tools/cache/reflector.go.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from gitops_rollback.adapters.engines.argocd_exchange import Backoff
from gitops_rollback.adapters.kubernetes.cache import Cache, Change, Key, Stale, slim
from gitops_rollback.adapters.kubernetes.client import Kubernetes, Object
from gitops_rollback.adapters.kubernetes.errors import ApiUnavailable, Expired, Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.adapters.kubernetes.wire import Call
from gitops_rollback.core.errors import EngineUnavailable, RollbackError, TransientError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WatchTimes:
    """Seconds. A watch is asked to last `shortest` to `longest`, by chance, so that not all reconnect at once.

    A half-open connection is silent for ever, but an API server sends a bookmark about once a minute. Who has not heard
    of it for `believed` no longer holds what is there now, and after `quiet` the connection is given up.
    """

    shortest: int = 300
    longest: int = 600
    slack: float = 10.0  # after which a watch is ended that should have ended by itself
    believed: float = 80.0
    quiet: float = 150.0
    first_wait: float = 0.8
    longest_wait: float = 30.0
    healthy: float = 120.0  # after so long without a failure the next one is a first one
    unserved: float = 60.0  # until it is asked again for a kind that is not installed
    list_every: float = 900.0  # at the end of a watch, so that an event that got lost is not lost for ever


@dataclass(frozen=True)
class Counts:
    """What happened since the start."""

    lists: int = 0
    watches: int = 0
    changes: int = 0
    drops: int = 0  # a watch that did not end as asked
    expired: int = 0  # 410: listed again
    stale: int = 0  # lists and events that were not believed


@dataclass(frozen=True)
class View:
    """What is known. `objects` must not be changed.

    `synced`: False until the first list. `current`: it is what is there now, as far as a watch can tell.
    `trouble`: what is wrong now, "" if nothing.
    """

    objects: Mapping[Key, Object]
    synced: bool
    current: bool
    trouble: str
    counts: Counts


DEFAULT_TIMES = WatchTimes()


class Reflector:
    """Follows one resource, in `namespace` or everywhere (""). `run` is for one thread, all else for any."""

    def __init__(
        self,
        client: Kubernetes,
        resource: Resource,
        changed: Callable[[Change], None],
        namespace: str = "",
        times: WatchTimes = DEFAULT_TIMES,
        limit: int = 50_000,
    ) -> None:
        """`changed` is called in the thread of `run` and must return soon; it may read this reflector."""
        self.resource = resource
        self._client = client
        self._changed = changed
        self._namespace = namespace
        self._times = times
        self._list_again = True
        self._listed_at = 0.0
        self._first_list = threading.Event()
        self._answered = threading.Event()  # with the first list, or by what keeps it away
        self._lock = threading.Lock()  # over all that follows
        self._cache = Cache(f"{client.subject} {resource}", limit)
        self._heard_at = 0.0
        self._trouble = ""
        self._counts = Counts()
        self._call: Call | None = None

    def view(self) -> View:
        """All that is known, as of one moment."""
        with self._lock:
            objects, synced = dict(self._cache.objects), self._first_list.is_set()
            heard = time.monotonic() - self._heard_at < self._times.believed
            return View(objects, synced, synced and heard and not self._trouble, self._trouble, self._counts)

    def get(self, namespace: str, name: str) -> Object | None:
        """One object as last seen."""
        with self._lock:
            return self._cache.objects.get(Key(namespace, name))

    def wait_for_first_list(self, timeout: timedelta) -> bool:
        """True once the first list is there; False if it takes longer, and at once where something keeps it away."""
        self._answered.wait(timeout.total_seconds())
        return self._first_list.is_set()

    def run(self, stop: threading.Event) -> None:
        """List and watch until `stop`, whatever happens in between; ends soon after it is set."""
        watcher = threading.Thread(
            target=self._cut_when, args=(stop,), name=f"stop-{self.resource.plural}", daemon=True
        )
        watcher.start()
        backoff = Backoff(timedelta(seconds=self._times.first_wait), timedelta(seconds=self._times.longest_wait))
        failed_at = time.monotonic()
        while not stop.is_set():
            try:
                self._round(stop)
            except RollbackError as exc:
                if stop.is_set():
                    break
                if time.monotonic() - failed_at > self._times.healthy:
                    backoff.reset()
                failed_at = time.monotonic()
                self._failed(exc)
                stop.wait(self._pause(exc, backoff))
        watcher.join()

    def _pause(self, exc: RollbackError, backoff: Backoff) -> float:
        if isinstance(exc, Unserved):
            return self._times.unserved
        return max(backoff.next_seconds(), exc.retry_after if isinstance(exc, ApiUnavailable) else 0.0)

    def _cut_when(self, stop: threading.Event) -> None:
        stop.wait()
        with self._lock:
            call = self._call
        if call is not None:
            call.cut()

    def _round(self, stop: threading.Event) -> None:
        """One list, if it is due, and one watch. Raises: whatever did not work."""
        if self._list_again or time.monotonic() - self._listed_at >= self._times.list_every:
            self._list()
        self._watch(stop)

    def _list(self) -> None:
        listing = self._client.list_objects(self.resource, self._namespace, keep=slim)
        with self._lock:
            changes = self._cache.replace(listing)
            self._heard(lists=1, changes=len(changes))
        self._list_again, self._listed_at = False, time.monotonic()
        self._first_list.set()
        self._answered.set()
        for change in changes:
            self._changed(change)

    def _watch(self, stop: threading.Event) -> None:
        seconds = random.randint(self._times.shortest, self._times.longest)
        call = Call(seconds + self._times.slack, self._times.quiet)
        with self._lock:
            self._call = call
        if stop.is_set():
            return  # set before the call could be seen and cut
        started, events = time.monotonic(), 0
        with self._client.watch(self.resource, self._namespace, self._cache.version, seconds, call) as found:
            with self._lock:
                self._heard(watches=1)
            for event in found:
                events += 1
                with self._lock:
                    change = self._cache.apply(event)
                    self._heard(changes=int(change is not None))
                if change is not None:
                    self._changed(change)
        if not stop.is_set() and not events and time.monotonic() - started < min(1.0, seconds):
            raise ApiUnavailable(self._client.subject, f"the watch of {self.resource} ended at once")

    def _heard(self, **more: int) -> None:
        """A sign of life, so all is well; the lock is held."""
        self._heard_at = time.monotonic()
        self._trouble = ""
        self._counts = _added(self._counts, more)

    def _failed(self, exc: RollbackError) -> None:
        """Decide whether the next round lists. A broken connection does not need it: the version is still good."""
        unreadable = isinstance(exc, EngineUnavailable) and not isinstance(exc, ApiUnavailable)
        expired = isinstance(exc, Expired)
        self._list_again = self._list_again or unreadable or expired or not isinstance(exc, TransientError)
        more = {"drops": 1, "expired": int(expired), "stale": int(isinstance(exc, Stale))}
        with self._lock:
            told, self._trouble = self._trouble == exc.message, exc.message
            self._counts = _added(self._counts, more)
        self._answered.set()
        if isinstance(exc, Unserved):
            if not told:
                again = f"{exc.message}; asked again every {self._times.unserved:g} s"
                log.info("not served", resource=str(self.resource), message=again)
            return
        log.info("watch interrupted", resource=str(self.resource), message=exc.message, list_again=self._list_again)


def _added(counts: Counts, more: Mapping[str, int]) -> Counts:
    return replace(counts, **{name: getattr(counts, name) + number for name, number in more.items()})
