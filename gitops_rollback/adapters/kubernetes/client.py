"""Read and change objects of the Kubernetes API, as plain dicts: no models, no discovery, no memory.

Works with the extra `[kubernetes]` only; without it everything else of the product does.
Source: contracts/flux-kubernetes.md, section 13; Kubernetes docs, API concepts.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gitops_rollback.adapters.extras import install
from gitops_rollback.adapters.json_node import Node, load
from gitops_rollback.adapters.kubernetes.answer import JSON_TYPE, Answer, error_of
from gitops_rollback.adapters.kubernetes.errors import Expired
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.wire import Call, Sent, Wire
from gitops_rollback.core.errors import EngineUnavailable, SettingsInvalid

FIELD_MANAGER = "gitops-rollback"
METADATA_ALONE = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
MERGE_PATCH = "application/merge-patch+json"
LIST_TRIES = 3
DEFAULTS = KubernetesSettings()
MAX_LINE = 8 << 20  # bytes of one watch event; etcd holds no object over 1.5 MiB

Object = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """All objects of a list, as of one resourceVersion."""

    version: str
    items: tuple[Object, ...]


@dataclass(frozen=True)
class WatchEvent:
    """`kind` is ADDED, MODIFIED, DELETED or BOOKMARK (whose object has a resourceVersion only)."""

    kind: str
    object: Object


class Kubernetes:
    """One API with one identity. Safe for several threads. Each method ends within its time-out.

    All raise: EngineUnavailable (with its kind `ApiUnavailable`); CredentialsRejected; `errors.Unserved`;
    `errors.Refused`.
    """

    def __init__(self, wire: Wire, namespace: str, settings: KubernetesSettings = DEFAULTS, server: str = "") -> None:
        self.namespace = namespace  # where our own objects live
        self.server = server  # its address
        self.subject = wire.subject
        self._wire = wire
        self._settings = settings

    def version(self) -> str:
        """The server's own version, such as `1.36`; a provider may add a `+`."""
        found = Node(self._send("GET", "/version").value())
        return f"{found.get('major').text()}.{found.get('minor').text()}"

    def served(self, api_version: str) -> Mapping[str, tuple[Resource, bool]]:
        """Each kind of a group and version: how it is addressed, and whether its objects have a namespace."""
        group, _, version = api_version.rpartition("/")
        answer = Node(self._send("GET", f"/apis/{group}/{version}" if group else f"/api/{version}").value())
        listed = (one for one in answer.get("resources").items() if "/" not in one.get("name").text())
        return {
            one.get("kind").text(): (Resource(group, version, one.get("name").text()), one.get("namespaced").flag())
            for one in listed
        }

    def get(self, resource: Resource, namespace: str, name: str, timeout: timedelta | None = None) -> Object | None:
        """One object, as fresh as the API has it; None only if the API itself says that there is none."""
        answer = self._send("GET", resource.path(namespace, name), timeout=timeout)
        if answer.says_not_found(name):
            return None
        return self._about(answer.value(), resource, namespace, name)

    def exists(self, resource: Resource, namespace: str, name: str) -> bool:
        """Whether there is an object; False only if the API itself says that there is none.

        Its metadata alone is asked for, and dropped: an annotation may repeat what `kubectl apply` was given. A server
        that knows no such answer refuses, and sends nothing else instead.
        """
        path = resource.path(namespace, name)
        sent = Sent("GET", path, accept=METADATA_ALONE)
        answer = self._wire.send(sent, self._settings.timeout.total_seconds())
        if answer.says_not_found(name):
            return False
        found = Node(answer.value())
        metadata = found.get("metadata")
        same = (metadata.get("namespace").text(), metadata.get("name").text()) == (namespace, name)
        if not same or found.get("kind").text() != "PartialObjectMetadata":
            raise EngineUnavailable(self.subject, f"the answer is not the metadata of {resource} {namespace}/{name}")
        return True

    def list_objects(
        self,
        resource: Resource,
        namespace: str = "",
        label_selector: str = "",
        keep: Callable[[Object], Object] = lambda found: found,
    ) -> Listing:
        """All objects of `namespace`, or of all (""), read in pages that are one consistent state.

        `keep` says what of each object is held, page by page, so that the rest never piles up.
        Raises besides: `errors.Expired` if that failed three times.
        """
        expired: Exception | None = None
        for _ in range(LIST_TRIES):
            try:
                return self._list(resource, namespace, label_selector, keep)
            except Expired as exc:
                expired = exc
        raise Expired(self.subject, f"the list of {resource} changed faster than it could be read") from expired

    def merge_patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Mapping[str, object],
        timeout: timedelta | None = None,
        dry_run: bool = False,
    ) -> Object:
        """The object after the merge patch, which is only imagined in a `dry_run`.

        Raises besides: `errors.Missing`; `errors.Conflict`.
        """
        path = resource.path(namespace, name)
        answer = self._send("PATCH", path, _by_us(dry_run), patch, MERGE_PATCH, timeout)
        return self._about(answer.value(), resource, namespace, name)

    def create(
        self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None, dry_run: bool = False
    ) -> Object:
        """The object as created. Raises besides: `errors.Conflict` if there is one already; `errors.Missing`."""
        namespace, name = _key(body)
        query = _by_us(dry_run)
        answer = self._send("POST", resource.path(namespace), query, body, timeout=timeout)
        return self._about(answer.value(), resource, namespace, name)

    def replace(
        self, resource: Resource, body: Mapping[str, Any], timeout: timedelta | None = None, dry_run: bool = False
    ) -> Object:
        """The object as replaced, if it still has `metadata.resourceVersion`. Raises besides: Conflict; Missing."""
        namespace, name = _key(body)
        query = _by_us(dry_run)
        answer = self._send("PUT", resource.path(namespace, name), query, body, timeout=timeout)
        return self._about(answer.value(), resource, namespace, name)

    @contextmanager
    def watch(
        self, resource: Resource, namespace: str, version: str, seconds: int, call: Call
    ) -> Iterator[Iterator[WatchEvent]]:
        """What changed since `version`, as it happens, until the server ends it after `seconds`, or `call` ends.

        Raises besides: `errors.Expired` if `version` is too old, also while events are read.
        """
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        with self._wire.stream(Sent("GET", resource.path(namespace), query), call) as chunks:
            yield self._events(chunks, call)

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def _events(self, chunks: Iterator[bytes], call: Call) -> Iterator[WatchEvent]:
        """What stands after the last line end was cut off, and comes again."""
        rest = bytearray()
        for chunk in chunks:
            rest += chunk
            if b"\n" in chunk:
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    if line.strip() and not call.was_cut:
                        yield self._event(bytes(line))
            if len(rest) > MAX_LINE:
                raise EngineUnavailable(self.subject, f"an event of the watch is larger than {MAX_LINE} bytes")

    def _event(self, line: bytes) -> WatchEvent:
        try:
            root = Node(load(line))
        except ValueError as exc:
            raise EngineUnavailable(self.subject, "an event of the watch is no readable JSON") from exc
        kind, found = root.get("type").text(), root.get("object")
        if kind == "ERROR":
            raise error_of(self.subject, found.get("code").number() or 500, found)
        if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK") or not isinstance(found.value, dict):
            raise EngineUnavailable(self.subject, "an event of the watch is of no known kind")
        metadata = found.get("metadata")
        if not metadata.get("resourceVersion").text() or not (metadata.get("name").text() or kind == "BOOKMARK"):
            raise EngineUnavailable(self.subject, "an event of the watch is about no object")
        return WatchEvent(kind, found.value)

    def _list(
        self, resource: Resource, namespace: str, label_selector: str, keep: Callable[[Object], Object]
    ) -> Listing:
        query = {"limit": str(self._settings.page)}
        if label_selector:
            query["labelSelector"] = label_selector
        items: list[Object] = []
        version, pages = "", 0
        while True:
            page = Node(self._send("GET", resource.path(namespace), query).value())
            metadata = page.get("metadata")
            found = metadata.get("resourceVersion").text()
            if version and found != version:
                raise Expired(self.subject, f"two pages of {resource} are of two versions")
            version = found
            items += map(keep, self._items(page, resource))
            if len(items) > self._settings.max_objects:
                raise EngineUnavailable(self.subject, f"more than {self._settings.max_objects} {resource}")
            token = metadata.get("continue").text()
            if not token:
                return Listing(version, tuple(items))
            pages += 1
            if token == query.get("continue") or pages > self._settings.max_objects:
                raise EngineUnavailable(self.subject, f"the list of {resource} does not end")
            query["continue"] = token

    def _items(self, page: Node, resource: Resource) -> list[Object]:
        """The objects of a page. What is no list, or is none of ours, is never an empty list."""
        kind = page.get("kind").text()
        values = page.mapping().get("items", ...)
        same = kind.endswith("List") and page.get("apiVersion").text() == resource.api_version
        if not same or not isinstance(values, list | None) or not page.get("metadata", "resourceVersion").text():
            raise EngineUnavailable(self.subject, f"the answer is no list of {resource}")
        for value in values or []:
            metadata = Node(value).get("metadata") if isinstance(value, dict) else Node(None)
            if not metadata.get("name").text() or not metadata.get("resourceVersion").text():
                raise EngineUnavailable(self.subject, f"an entry in the list of {resource} is no object")
            value.setdefault("apiVersion", resource.api_version)  # lists of built-in kinds leave both out
            value.setdefault("kind", kind.removesuffix("List"))
        return values or []

    def _about(self, found: Object, resource: Resource, namespace: str, name: str) -> Object:
        metadata = Node(found).get("metadata")
        same = (metadata.get("namespace").text(), metadata.get("name").text()) == (namespace, name)
        if not same or found.get("apiVersion") != resource.api_version:
            raise EngineUnavailable(self.subject, f"the answer is not about {resource} {namespace}/{name}")
        return found

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        content_type: str = JSON_TYPE,
        timeout: timedelta | None = None,
    ) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        seconds = (timeout or self._settings.timeout).total_seconds()
        return self._wire.send(Sent(method, path, query or {}, content, content_type), seconds)


def connect(settings: KubernetesSettings = DEFAULTS) -> Kubernetes:
    """The API that the settings, the Pod or the kubeconfig name; nothing is asked yet.

    Raises: SettingsInvalid, also if the extra is not installed; CredentialsRejected for an unusable token.
    """
    try:
        access = importlib.import_module("gitops_rollback.adapters.kubernetes.access")
        transport = importlib.import_module("gitops_rollback.adapters.kubernetes.transport")
    except ModuleNotFoundError as exc:
        needed = f"needs the extra: {install('kubernetes')}"
        raise SettingsInvalid("Kubernetes", f"{needed} ({exc.name} is missing)") from exc
    found = access.find_access(settings)
    wire = transport.Transport(found.server, found.tls, found.credentials, settings.max_body, found.server_name)
    return Kubernetes(wire, found.namespace, settings, found.server)


def _by_us(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return metadata["namespace"], metadata["name"]
