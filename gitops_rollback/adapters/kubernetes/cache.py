"""What do we know of one resource, and what did a list or an event change? Pure; the loop around it is `watching`.

Versions are compared as numbers where both are numbers, which apimachinery allows within one resource: what is older
than what was seen is not believed. `slim` takes away managed fields and kubectl's copy of the manifest.
Source: contracts/flux-kubernetes.md, section 13; apimachinery pkg/util/resourceversion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_rollback.adapters.kubernetes.client import Listing, Object, WatchEvent
from gitops_rollback.core.errors import EngineUnavailable

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NUMBER = re.compile(r"[0-9]{1,30}")


@dataclass(frozen=True, order=True)
class Key:
    """Which object of a resource."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Change:
    """What became of an object; `now` is None if it is gone. A new uid under the same key is a change, too."""

    key: Key
    before: Object | None
    now: Object | None


class Stale(EngineUnavailable):
    """A list or an event is older than what was seen: the server lags, repeats itself, or is a restored backup."""


class Cache:
    """The objects of one resource. Not thread-safe; objects are never changed once they are in."""

    def __init__(self, subject: str, limit: int) -> None:
        self.objects: dict[Key, Object] = {}
        self.version = ""  # the newest that was seen; "" before the first list
        self._subject = subject
        self._limit = limit

    def replace(self, listing: Listing) -> tuple[Change, ...]:
        """Hold what `listing` holds. What went or came while nobody looked is found by the difference.

        Raises: Stale; EngineUnavailable for more objects than the limit. Both change nothing.
        """
        if is_older(listing.version, self.version):
            raise Stale(self._subject, f"the list is of version {listing.version}, {self.version} was seen already")
        if len(listing.items) > self._limit:
            raise EngineUnavailable(self._subject, f"more than {self._limit} objects")
        found = {key_of(item): item for item in listing.items}
        objects = {key: item if self._differs(key, item) else self.objects[key] for key, item in found.items()}
        before, self.objects, self.version = self.objects, objects, listing.version
        gone = [Change(key, item, None) for key, item in before.items() if key not in objects]
        return (
            *gone,
            *(Change(key, before.get(key), item) for key, item in objects.items() if before.get(key) is not item),
        )

    def apply(self, event: WatchEvent) -> Change | None:
        """Hold what `event` says; None if it says nothing new.

        Raises: Stale, since the events of one watch come in order; EngineUnavailable for more objects than the limit.
        """
        version = _version(event.object)
        if is_older(version, self.version):
            raise Stale(self._subject, f"an event is of version {version}, {self.version} was seen already")
        key = key_of(event.object) if event.kind != "BOOKMARK" else None
        before = self.objects.get(key) if key is not None else None
        if key is not None and before is None and event.kind != "DELETED" and len(self.objects) >= self._limit:
            raise EngineUnavailable(self._subject, f"more than {self._limit} objects")
        self.version = version
        if key is None:
            return None
        if event.kind == "DELETED":
            return None if self.objects.pop(key, None) is None else Change(key, before, None)
        if not self._differs(key, event.object):
            return None
        self.objects[key] = slim(event.object)
        return Change(key, before, self.objects[key])

    def _differs(self, key: Key, item: Object) -> bool:
        before = self.objects.get(key)
        return before is None or _identity(before) != _identity(item)


def is_older(version: str, than: str) -> bool:
    """True if both are numbers and `version` is the smaller; what cannot be compared is not older."""
    if not _NUMBER.fullmatch(version) or not _NUMBER.fullmatch(than):
        return False
    return int(version) < int(than)


def key_of(found: Mapping[str, Any]) -> Key:
    """The key of an object of the API, which has a name."""
    metadata = found["metadata"]
    return Key(str(metadata.get("namespace") or ""), str(metadata["name"]))


def slim(found: Object) -> Object:
    """The object without what is of no use to us and makes half of its size."""
    metadata = dict(found["metadata"])
    metadata.pop("managedFields", None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and LAST_APPLIED in annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
    return {**found, "metadata": metadata}


def _identity(found: Object) -> tuple[object, object]:
    return found["metadata"].get("uid"), _version(found)


def _version(found: Object) -> str:
    return str(found["metadata"].get("resourceVersion") or "")
