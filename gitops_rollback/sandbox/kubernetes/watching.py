"""What does one watcher get, line by line? Initial events, changes, bookmarks, errors, and how the stream ends.

Source: k8s.io/apiserver pkg/endpoints/handlers/watch.go, pkg/storage/cacher; the recorded streams.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.sandbox.kubernetes.answers import Refusal
from gitops_rollback.sandbox.kubernetes.faults import Faults, Order
from gitops_rollback.sandbox.kubernetes.forms import bookmark, kept_as, shown
from gitops_rollback.sandbox.kubernetes.history import ADDED, DELETED, MODIFIED, Change
from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.kubernetes.selectors import Selects
from gitops_rollback.sandbox.kubernetes.store import Store, Subscription
from gitops_rollback.sandbox.rendering import Json

LONGEST_LOOK = 5.0  # sandbox seconds after which a quiet stream sees whether its client is still there
LAST_BOOKMARK = 2.0  # seconds before its end a stream bookmarks once more
INITIAL_END = {"k8s.io/initial-events-end": "true"}


class Cut(Exception):
    """The stream ends in the middle, as by a broken connection."""


@dataclass(frozen=True)
class Watch:
    """What a watch asks for; `after` None: begin with the present objects."""

    kind: Kind
    namespace: str
    selects: Selects
    after: int | None
    bookmarks: bool
    initial: bool  # asked for the present objects with a mark at their end
    seconds: float


class Watcher:
    """One open watch. `send` writes bytes to the client and raises OSError when it has gone."""

    def __init__(self, store: Store, faults: Faults, bookmark_every: float, send: Callable[[bytes], None]) -> None:
        self._store = store
        self._faults = faults
        self._bookmark_every = timedelta(seconds=bookmark_every)
        self._send = send
        self._position = 0
        self._lose = 0
        self._orders: deque[Order] = deque()

    def run(self, watch: Watch, begin: Callable[[], None], present: Callable[[], bool]) -> None:
        """Stream until the time is over, the client gone (`present`), or the server stopped. Raises: Cut.

        `begin` sends the status line and headers: whoever has seen them can be sure that faults reach this stream.
        """
        subscription = self._store.subscribe()
        self._orders = self._faults.streams.join()
        end = self._store.now() + timedelta(seconds=watch.seconds)
        try:
            begin()
            self._begin(watch)
            bookmark = self._next_bookmark(end)
            while not subscription.closed and present() and self._store.now() < end:
                subscription.wake.clear()
                if self._obey_all(subscription, present):
                    return
                self._changes(watch)
                if self._bookmark_if_due(watch, bookmark):
                    bookmark = self._next_bookmark(end)
                if not self._orders:
                    self._wait(min(bookmark, end), subscription)
            if subscription.closed:
                raise Cut
            self._bookmark_if_due(watch, bookmark)
        except Refusal as exc:
            self._event("ERROR", exc.status)
        finally:
            self._faults.streams.leave(self._orders)
            self._store.unsubscribe(subscription)

    def _begin(self, watch: Watch) -> None:
        if watch.after is not None:
            self._position = watch.after
            self._since(watch)  # what is too old is refused at once
        if watch.after is None or watch.initial:
            kind = kept_as(watch.kind)
            version, items = self._store.held_at(kind, watch.namespace, self._faults.lagging_at)
            self._position = version
            for item in items:
                if watch.selects(item):
                    self._event(ADDED, shown(watch.kind, item))
        if watch.initial and watch.bookmarks:
            self._bookmark(watch.kind, INITIAL_END)

    def _next_bookmark(self, end: datetime) -> datetime:
        """At intervals, and a last one just before the end."""
        now = self._store.now()
        last = end - timedelta(seconds=LAST_BOOKMARK)
        regular = now + self._bookmark_every
        return min(regular, last) if last > now else regular

    def _wait(self, moment: datetime, subscription: Subscription) -> None:
        left = (moment - self._store.now()).total_seconds()
        if left > 0:
            self._store.clock.wait(min(left, LONGEST_LOOK), subscription.wake)

    def _obey_all(self, subscription: Subscription, present: Callable[[], bool]) -> bool:
        """Do what the faults ask of this stream; True: it has ended."""
        while self._orders:
            if self._obey(self._orders.popleft(), subscription, present):
                return True
        return False

    def _obey(self, order: Order, subscription: Subscription, present: Callable[[], bool]) -> bool:
        if order.cut:
            raise Cut
        if order.error:
            self._event("ERROR", order.error)
        while order.mute and not subscription.closed and present():
            subscription.wake.clear()
            self._store.clock.wait(LONGEST_LOOK, subscription.wake)
        self._lose += order.lose
        if order.back:
            self._position = max(self._store.oldest, self._position - order.back)
        return order.gone or order.mute or order.error is not None

    def _changes(self, watch: Watch) -> None:
        now = self._store.version
        changes = self._since(watch)
        if self._orders or self._faults.streams.held:
            return  # what was ordered before these changes comes first
        for change in changes:
            if self._faults.lagging_at is not None and change.version > self._faults.lagging_at:
                return
            for word, body in seen(change, watch.selects):
                if self._lose:
                    self._lose -= 1
                else:
                    self._event(word, shown(watch.kind, body))
            self._position = change.version
        if self._faults.lagging_at is None:
            self._position = max(self._position, now)

    def _since(self, watch: Watch) -> Sequence[Change]:
        """What has not been sent. A version that has not come is waited for, however long, as the real cache does."""
        if self._position > self._store.version:
            return ()
        return self._store.changes(self._position, kept_as(watch.kind), watch.namespace)

    def _bookmark_if_due(self, watch: Watch, moment: datetime) -> bool:
        if self._store.now() < moment:
            return False
        if watch.bookmarks and not self._faults.streams.held:
            self._bookmark(watch.kind, None)
        return True

    def _bookmark(self, kind: Kind, annotations: dict[str, str] | None) -> None:
        metadata: Json = {"annotations": annotations} if annotations else {}
        metadata["resourceVersion"] = str(self._position)
        self._event("BOOKMARK", bookmark(kind, metadata))

    def _event(self, word: str, body: Json) -> None:
        text = json.dumps({"type": word, "object": body}, separators=(",", ":"))
        self._send(f"{text}\n".encode())


def seen(change: Change, selects: Selects) -> Iterator[tuple[str, Json]]:
    """A change as a watcher with a selector sees it: what begins to fit is added, what ends to fit is deleted."""
    before = change.before is not None and selects(change.before)
    after = change.type != DELETED and selects(change.after)
    if before and after:
        yield MODIFIED, change.after
    elif after:
        yield ADDED, change.after
    elif before and change.before is not None:
        metadata = {**change.before["metadata"], "resourceVersion": str(change.version)}
        yield DELETED, {**change.before, "metadata": metadata}
