"""What objects are there, and what became of them? The one truth behind the API server and the sandbox's controllers.

One counter gives every write its resourceVersion. Reads give copies; writes raise `Refusal` in the server's own words.
A controller inside the sandbox reads and writes here directly, and hears of changes by a subscription or a callback.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.kubernetes.answers import already_exists, conflict, invalid, not_found
from gitops_rollback.sandbox.kubernetes.fields import Owner, after_update, applied
from gitops_rollback.sandbox.kubernetes.history import ADDED, DELETED, MODIFIED, Change, History, Ref
from gitops_rollback.sandbox.kubernetes.kinds import NAMESPACE, Kind
from gitops_rollback.sandbox.kubernetes.lists import as_object
from gitops_rollback.sandbox.kubernetes.patching import Patch
from gitops_rollback.sandbox.kubernetes.rules import condemned, created, gone, same, stamp, updated
from gitops_rollback.sandbox.rendering import Json, copied

UNKNOWN = "unknown"


@dataclass(frozen=True)
class By:
    """Who writes and where: the field manager, whether by `/status`, and whether it only asks what would happen."""

    manager: str = UNKNOWN
    status: bool = False
    dry_run: bool = False


@dataclass(eq=False)
class Subscription:
    """`wake` is set by every write and by the end of the subscription; `closed` says which."""

    wake: threading.Event = field(default_factory=threading.Event)
    closed: bool = False


class Store:
    """All objects. Thread-safe. `keep` changes are remembered for watches; `new_uid` makes identities."""

    def __init__(
        self, clock: SandboxClock, *, keep: int = 2000, new_uid: Callable[[], str] = lambda: str(uuid.uuid4())
    ) -> None:
        self.clock = clock
        self._new_uid = new_uid
        self.lock = threading.RLock()  # held during each write; for who writes several things as one
        self._lock = threading.Condition(self.lock)
        self._objects: dict[Ref, Json] = {}
        self._history = History(keep)
        self._subscriptions: list[Subscription] = []
        self._callbacks: list[Callable[[Change], None]] = []

    def now(self) -> datetime:
        """The present, aware UTC."""
        return self.clock.now()

    @property
    def version(self) -> int:
        """The resourceVersion of the newest write; 0 before the first."""
        with self._lock:
            return self._history.version

    @property
    def oldest(self) -> int:
        """The oldest version after which every change is still known."""
        with self._lock:
            return self._history.compacted

    # Reading

    def find(self, kind: Kind, name: str, namespace: str = "") -> Json | None:
        """One object; None if it is not there."""
        with self._lock:
            return copied(self._objects.get(Ref(kind, namespace, name)))

    def get(self, kind: Kind, name: str, namespace: str = "") -> Json:
        """One object. Raises: Refusal NotFound."""
        found = self.find(kind, name, namespace)
        if found is None:
            raise not_found(kind, name)
        return found

    def objects(self, kind: Kind, namespace: str = "") -> list[Json]:
        """The objects of a kind, of one namespace or of all (""), by namespace and name."""
        return self.objects_at(kind, namespace)[1]

    def objects_at(self, kind: Kind, namespace: str = "", version: int | None = None) -> tuple[int, list[Json]]:
        """As `objects`, with the version it is of: the present, or one that passed. Raises: Refusal 410, 504."""
        now, held = self.held_at(kind, namespace, version)
        return now, copied(held)

    def held(self, kind: Kind, name: str, namespace: str = "") -> Json | None:
        """As `find`, but the very object: never alter it. A write makes a new one, so it stays as it is."""
        with self._lock:
            return self._objects.get(Ref(kind, namespace, name))

    def held_at(self, kind: Kind, namespace: str = "", version: int | None = None) -> tuple[int, list[Json]]:
        """As `objects_at`, but the very objects: never alter them. For thousands, a copy of all takes seconds."""
        with self._lock:
            now = self._history.version if version is None else version
            objects = self._objects if now == self._history.version else self._history.undo(now, self._objects)
            refs = [ref for ref in objects if ref.kind == kind and namespace in ("", ref.namespace)]
            return now, [objects[ref] for ref in sorted(refs, key=lambda ref: f"{ref.namespace}/{ref.name}")]

    def changes(self, after: int, kind: Kind | None = None, namespace: str = "") -> Sequence[Change]:
        """The writes after a version, of a kind and a namespace or all. Raises: Refusal 410 Expired, 504."""
        with self._lock:
            return [
                change
                for change in self._history.since(after)
                if kind in (None, change.ref.kind) and namespace in ("", change.ref.namespace)
            ]

    def has_namespace(self, name: str) -> bool:
        """Whether a namespace is there: by its own object, by an object in it, or since the beginning."""
        with self._lock:
            own = any(ref.kind is NAMESPACE and ref.name == name for ref in self._objects)
            return own or name == "default" or any(ref.namespace == name for ref in self._objects)

    # Writing

    def create(self, kind: Kind, manifest: Json, by: By = By()) -> Json:
        """A new object, in the namespace that its metadata names. Raises: Refusal AlreadyExists."""
        with self._writing() as heard:
            body = created(kind, manifest, self._new_uid(), self.now())
            ref = self._ref(kind, body["metadata"])
            if ref in self._objects:
                raise already_exists(kind, ref.name)
            return self._commit(heard, ref, None, self._owned({}, body, kind, by), by)

    def replace(self, kind: Kind, manifest: Json, by: By = By()) -> Json:
        """PUT: the whole object anew. Raises: Refusal NotFound, Conflict (resourceVersion or uid), Invalid."""
        with self._writing() as heard:
            ref = self._ref(kind, manifest["metadata"])
            before = self._objects.get(ref)
            if before is None and kind.create_on_update and not by.status and not manifest["metadata"].get("uid"):
                return self.create(kind, manifest, by)
            if before is None:
                raise not_found(kind, ref.name)
            if not manifest["metadata"].get("resourceVersion") and not kind.blind_update:
                complaint = "Invalid value: 0: must be specified for an update"
                raise invalid(kind, ref.name, "metadata.resourceVersion", "FieldValueInvalid", complaint)
            return self._update(heard, ref, before, copied(manifest), by)

    def change(self, kind: Kind, name: str, namespace: str, mutate: Callable[[Json], object], by: By = By()) -> Json:
        """Read, alter in place with `mutate`, write, as one step. Raises: Refusal NotFound, and as `mutate`."""

        def altered(body: Json) -> Json:
            mutate(body)
            return body

        return self.transform(kind, name, namespace, altered, by)

    def transform(
        self, kind: Kind, name: str, namespace: str, transform: Callable[[Json], Json], by: By = By()
    ) -> Json:
        """Write what `transform` makes of an object, as one step. Raises: Refusal NotFound, Conflict, its own."""
        with self._writing() as heard:
            ref = Ref(kind, namespace, name)
            before = self._objects.get(ref)
            if before is None:
                raise not_found(kind, name)
            return self._update(heard, ref, before, transform(copied(before)), by)

    def patch(self, kind: Kind, name: str, namespace: str, patch: Patch, by: By = By()) -> Json:
        """PATCH; one that holds a resourceVersion is optimistic. Raises: Refusal NotFound, Conflict, 400, 422."""
        return self.transform(kind, name, namespace, patch.of, by)

    def apply(self, kind: Kind, manifest: Json, by: By, force: bool = False) -> Json:
        """Server-side apply by `by.manager`; makes what is missing. Raises: Refusal Conflict (who owns what)."""
        with self._writing() as heard:
            ref = self._ref(kind, manifest["metadata"])
            before = self._objects.get(ref)
            owner = Owner(by.manager, "Apply", "status" if by.status else "", kind.api_version)
            if before is None:
                if by.status:
                    raise not_found(kind, ref.name)
                body = created(kind, manifest, self._new_uid(), self.now())
                entries = after_update({}, manifest, owner, stamp(self.now()), kind.custom)
                body["metadata"]["managedFields"] = entries
                return self._commit(heard, ref, None, body, by)
            given = manifest["metadata"].get("resourceVersion")
            body = applied(before, manifest, owner, stamp(self.now()), kind.custom, force)
            body["metadata"]["resourceVersion"] = given or before["metadata"]["resourceVersion"]
            return self._update(heard, ref, before, body, by, body["metadata"]["managedFields"])

    def delete(
        self, kind: Kind, name: str, namespace: str = "", uid: str = "", version: str = "", *, orphan: bool = False
    ) -> Json:
        """Delete, with what it owns unless `orphan`, or mark as deleted while finalizers hold it; the last state.

        Raises: Refusal NotFound, Conflict (`uid` or `version` is another).
        """
        with self._writing() as heard:
            ref = Ref(kind, namespace, name)
            before = self._objects.get(ref)
            if before is None:
                raise not_found(kind, name)
            for key, wanted in (("uid", uid), ("resourceVersion", version)):
                if wanted and wanted != before["metadata"][key]:
                    raise conflict(kind, name, _unmet(key, wanted, before["metadata"][key]))
            if "deletionTimestamp" in before["metadata"]:
                return copied(before)
            if before["metadata"].get("finalizers"):
                return self._commit(heard, ref, before, condemned(before, self.now()), By())
            self._remove(heard, ref, before, orphan)
            return copied(before)

    # Hearing of changes

    def subscribe(self) -> Subscription:
        """Be woken by every write from now on."""
        subscription = Subscription()
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hear no more."""
        with self._lock, contextlib.suppress(ValueError):
            self._subscriptions.remove(subscription)

    def close_subscriptions(self) -> None:
        """End every subscription, as a server that stops ends its watches."""
        with self._lock:
            closed, self._subscriptions = self._subscriptions, []
        for subscription in closed:
            subscription.closed = True
            subscription.wake.set()

    def wake(self) -> None:
        """Wake every subscription though nothing was written: something else has changed that it looks at."""
        with self._lock:
            for subscription in self._subscriptions:
                subscription.wake.set()

    def on_change(self, callback: Callable[[Change], None]) -> None:
        """Call `callback` after every write, in order, in the writer's thread; it must be quick and must not write."""
        with self._lock:
            self._callbacks.append(callback)

    def wait_for(self, condition: Callable[[], bool], real_seconds: float) -> bool:
        """Wait until `condition` holds after some write; False after `real_seconds`."""
        deadline = time.monotonic() + real_seconds
        with self._lock:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0 or not self._lock.wait(left):
                    return condition()
            return True

    def compact(self, upto: int | None = None) -> None:
        """Forget the changes up to a version (default: all): watches from before it get 410."""
        with self._lock:
            self._history.compact(self._history.version if upto is None else upto)

    def load(self, objects: Iterable[tuple[Kind, Json]], version: int, oldest: int | None = None) -> None:
        """Hold just these whole objects at this version, as after a restore from a backup: no change comes of it.

        `oldest`: the version after which watches may begin (default: the present). Watches that are open break.
        """
        with self._lock:
            self._objects = {self._ref(kind, body["metadata"]): copied(body) for kind, body in objects}
            self._history.restart(version, version if oldest is None else oldest)
            self._lock.notify_all()
        self.close_subscriptions()

    # How a write is made

    @contextlib.contextmanager
    def _writing(self) -> Iterator[list[Change]]:
        """Hold the lock for one write; then tell everybody of what it changed."""
        heard: list[Change] = []
        with self._lock:
            yield heard
            for change in heard:
                for callback in self._callbacks:
                    callback(change)
            if heard:
                self._lock.notify_all()
                self.wake()

    def _ref(self, kind: Kind, metadata: Json) -> Ref:
        return Ref(kind, metadata.get("namespace", "") if kind.namespaced else "", metadata.get("name", ""))

    def _update(
        self, heard: list[Change], ref: Ref, before: Json, body: Json, by: By, entries: list[Json] | None = None
    ) -> Json:
        metadata = as_object(body.get("metadata"))
        if metadata.get("uid") not in (None, before["metadata"]["uid"]):
            raise conflict(ref.kind, ref.name, _unmet("uid", metadata["uid"], before["metadata"]["uid"]))
        if metadata.get("resourceVersion") not in (None, "", before["metadata"]["resourceVersion"]):
            raise conflict(ref.kind, ref.name)
        after = updated(ref.kind, before, body, by.status)
        if same(before, after) and entries in (None, before["metadata"].get("managedFields")):
            return copied(before)
        after = self._owned(before, after, ref.kind, by) if entries is None else _with_entries(after, entries)
        if gone(after) and not by.dry_run:
            self._remove(heard, ref, before)
            return copied(after)
        return self._commit(heard, ref, before, after, by)

    def _owned(self, before: Json, after: Json, kind: Kind, by: By) -> Json:
        owner = Owner(by.manager, "Update", "status" if by.status else "", kind.api_version)
        # A status that the schema gave to a new object has no owner.
        ours = after if before else {key: value for key, value in after.items() if key != "status" or not kind.status}
        entries = after_update(before, ours, owner, stamp(self.now()), kind.custom)
        return _with_entries(after, entries)

    def _commit(self, heard: list[Change], ref: Ref, before: Json | None, after: Json, by: By) -> Json:
        if by.dry_run:
            return copied(after)
        version = self._history.version + 1
        stored = {**after, "metadata": {**after["metadata"], "resourceVersion": str(version)}}
        self._objects[ref] = stored
        self._note(heard, Change(version, MODIFIED if before else ADDED, ref, before, stored))
        return copied(stored)

    def _remove(self, heard: list[Change], ref: Ref, before: Json, orphan: bool = False) -> None:
        """Delete an object, and then what it owned, unless that shall stay."""
        version = self._history.version + 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(version)}}
        del self._objects[ref]
        self._note(heard, Change(version, DELETED, ref, before, last))
        uid = before["metadata"]["uid"]
        for owned in () if orphan else [one for one, body in self._objects.items() if _owned_by(body, uid)]:
            if owned in self._objects:
                self._remove(heard, owned, self._objects[owned])

    def _note(self, heard: list[Change], change: Change) -> None:
        self._history.add(change)
        heard.append(change)


def _with_entries(body: Json, entries: list[Json]) -> Json:
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": {**metadata, **({"managedFields": entries} if entries else {})}}


def _owned_by(body: Json, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in body["metadata"].get("ownerReferences", ()))


def _unmet(key: str, wanted: str, found: str) -> str:
    word = "UID" if key == "uid" else "ResourceVersion"
    return f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
