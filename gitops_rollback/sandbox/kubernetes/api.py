"""What does each verb do? One method per verb; the HTTP part only sends what it answers.

Source: k8s.io/apiserver pkg/endpoints/handlers; the recorded answers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import yaml

from gitops_rollback.sandbox.kubernetes.access import Access, Wish
from gitops_rollback.sandbox.kubernetes.answers import (
    Answer,
    Refusal,
    bad_request,
    failure,
    found,
    not_found,
    plain,
    success,
    too_new,
    unsupported_media,
)
from gitops_rollback.sandbox.kubernetes.faults import Faults
from gitops_rollback.sandbox.kubernetes.forms import kept_as, kept_body, partial_of, shown
from gitops_rollback.sandbox.kubernetes.kinds import POD, Kind
from gitops_rollback.sandbox.kubernetes.listing import Wanted, forbidden_match, number, page
from gitops_rollback.sandbox.kubernetes.lists import as_object
from gitops_rollback.sandbox.kubernetes.patching import APPLY_PATCH, CUSTOM_PATCHES, PLAIN_PATCHES, Patch
from gitops_rollback.sandbox.kubernetes.routing import Request, Target
from gitops_rollback.sandbox.kubernetes.selectors import selection
from gitops_rollback.sandbox.kubernetes.store import By, Store
from gitops_rollback.sandbox.kubernetes.validation import validate
from gitops_rollback.sandbox.kubernetes.watching import Watch
from gitops_rollback.sandbox.rendering import Json

BODIES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
LONG_WATCH_SECONDS = (1800.0, 3600.0)
REVIEWS = "selfsubjectaccessreviews"


class Api:
    """The verbs over one store."""

    def __init__(self, store: Store, access: Access, faults: Faults, kinds: Sequence[Kind]) -> None:
        self.store = store
        self.access = access
        self.faults = faults
        self.kinds = kinds

    def answer(self, request: Request) -> Answer:
        """The answer to one request that is no watch. Raises: Refusal."""
        if request.target.plural == REVIEWS and request.method == "POST":
            return self._review(request)
        kind = self._kind(request)
        if kind is None:
            return _nothing_there(request.target)
        verbs = {"get": self._get, "list": self._list, "create": self._create, "update": self._update}
        act = {**verbs, "patch": self._patch, "delete": self._delete}.get(request.verb)
        if act is None or (request.verb == "create" and request.target.name):
            message = "the server does not allow this method on the requested resource"
            raise Refusal(failure(405, message, details={}))
        return act(kind, request)

    def watch(self, request: Request) -> Watch | Answer:
        """What a watch wants to see, or why there is nothing to watch. Raises: Refusal."""
        kind = self._kind(request)
        if kind is None:
            return _nothing_there(request.target)
        fields = request.one("fieldSelector")
        if request.target.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={request.target.name}")))
        version, match = request.one("resourceVersion"), request.one("resourceVersionMatch")
        initial = request.yes("sendInitialEvents")
        if initial != (match == "NotOlderThan") or (match and not initial):
            raise forbidden_match(
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                if initial
                else "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
        after = number(version) or None
        if initial and after is not None and after > self.store.version:
            raise too_new(after, self.store.version)
        return Watch(
            kind,
            request.target.namespace,
            selection(kind, request.one("labelSelector"), fields),
            None if initial else after,
            request.yes("allowWatchBookmarks"),
            initial,
            float(number(request.one("timeoutSeconds"))) or random.uniform(*LONG_WATCH_SECONDS),
        )

    def _kind(self, request: Request) -> Kind | None:
        self.access.require(request.user, request.wish)
        kind = request.target.kind(self.kinds)
        known = kind is not None and (request.target.subresource == "" or self._has_subresource(kind, request.target))
        return kind if known else None

    def _has_subresource(self, kind: Kind, target: Target) -> bool:
        return target.subresource == "status" and kind.status

    # Reading

    def _get(self, kind: Kind, request: Request) -> Answer:
        target = request.target
        version = number(request.one("resourceVersion"))
        at = self._lag(request)
        newest = self.store.version if at is None else at
        if version > newest:
            raise too_new(version, newest)
        _, items = self.store.held_at(kept_as(kind), target.namespace, at)
        for item in items:
            if item["metadata"]["name"] == target.name:
                return found(partial_of(item) if request.metadata_alone else shown(kind, item))
        raise not_found(kind, target.name)

    def _lag(self, request: Request) -> int | None:
        """Where the cache stands, if this read comes from it."""
        cached = bool(request.one("resourceVersion")) and request.one("resourceVersionMatch") != "Exact"
        return self.faults.lagging_at if cached or self.faults.lagging_quorum else None

    def _list(self, kind: Kind, request: Request) -> Answer:
        wanted = Wanted(
            request.target.namespace,
            number(request.one("limit")),
            request.one("continue"),
            request.one("resourceVersion"),
            request.one("resourceVersionMatch"),
        )
        selects = selection(kind, request.one("labelSelector"), request.one("fieldSelector"))
        return found(page(self.store, kind, wanted, selects, self._lag(request)))

    # Writing

    def _by(self, request: Request) -> By:
        dry = request.one("dryRun")
        if dry not in ("", "All"):
            raise bad_request(f'Invalid value: "{dry}": supported values: "All"')
        return By(request.manager, request.target.subresource == "status", bool(dry))

    def _create(self, kind: Kind, request: Request) -> Answer:
        body = self._body(kind, request)
        namespace = request.target.namespace
        if namespace and not self.store.has_namespace(namespace):
            message = f'namespaces "{namespace}" not found'
            raise Refusal(failure(404, message, details={"name": namespace, "kind": "namespaces"}))
        if not body["metadata"].get("generateName") or body["metadata"].get("name"):
            validate(kind, body)
        made = self.store.create(kept_as(kind), kept_body(kind, body), self._by(request))
        return found(shown(kind, made), 201)

    def _update(self, kind: Kind, request: Request) -> Answer:
        body = self._body(kind, request)
        validate(kind, body)
        stored_kind, target = kept_as(kind), request.target
        there = self.store.find(stored_kind, target.name, target.namespace) is not None
        made = self.store.replace(stored_kind, kept_body(kind, body), self._by(request))
        return found(shown(kind, made), 200 if there else 201)

    def _patch(self, kind: Kind, request: Request) -> Answer:
        accepted = CUSTOM_PATCHES if kind.custom else PLAIN_PATCHES
        if request.media not in accepted:
            raise unsupported_media(accepted)
        target, by = request.target, self._by(request)
        if request.media == APPLY_PATCH:
            return self._apply(kind, request, by)
        patch = Patch(request.media, _parsed(request))

        def transform(stored: Json) -> Json:
            body = patch.of(shown(kind, stored))
            validate(kind, body)
            return kept_body(kind, body)

        stored_kind = kept_as(kind)
        made = self.store.transform(stored_kind, target.name, target.namespace, transform, by)
        return found(shown(kind, made))

    def _apply(self, kind: Kind, request: Request, by: By) -> Answer:
        if not request.one("fieldManager"):
            complaint = "fieldManager: Required value: is required for apply patch"
            raise bad_request(f'PatchOptions.meta.k8s.io "" is invalid: {complaint}')
        body = self._body(kind, request)
        if body["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        target, stored_kind = request.target, kept_as(kind)
        there = self.store.find(stored_kind, target.name, target.namespace) is not None
        made = self.store.apply(stored_kind, kept_body(kind, body), by, request.yes("force"))
        return found(shown(kind, made), 200 if there else 201)

    def _delete(self, kind: Kind, request: Request) -> Answer:
        options = as_object(_parsed(request)) if request.body else {}
        wanted = as_object(options.get("preconditions"))
        target = request.target
        stored_kind = kept_as(kind)
        if "All" in (request.one("dryRun"), *options.get("dryRun", ())):
            return found(shown(kind, self.store.get(stored_kind, target.name, target.namespace)))
        orphan = "Orphan" in (request.one("propagationPolicy"), options.get("propagationPolicy"))
        last = self.store.delete(
            *(stored_kind, target.name, target.namespace),
            uid=wanted.get("uid", ""),
            version=wanted.get("resourceVersion", ""),
            orphan=orphan,
        )
        if kind is POD or "deletionTimestamp" in last["metadata"]:
            return found(shown(kind, last))
        return found(success(kind, target.name, last["metadata"]["uid"]))

    def _body(self, kind: Kind, request: Request) -> Json:
        """The object that was sent, with the namespace and name of the path."""
        if request.method != "PATCH" and request.media not in ("", *BODIES[:2]):
            raise unsupported_media(BODIES)
        body = _parsed(request)
        if not isinstance(body, dict):
            raise bad_request(f"Object 'Kind' is missing in '{request.body.decode(errors='replace')[:200]}'")
        target = request.target
        if kind.custom or "kind" in body or "apiVersion" in body:
            _same("API version in the data", body.get("apiVersion"), kind.api_version)
            _same("kind in the data", body.get("kind"), kind.kind)
        metadata = dict(as_object(body.get("metadata")))
        if metadata.get("namespace", target.namespace) != target.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if target.name and metadata.get("name") != target.name:
            name = metadata.get("name", "")
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
        if kind.namespaced:
            metadata["namespace"] = target.namespace
        return {**body, "metadata": metadata}

    def _review(self, request: Request) -> Answer:
        body = _parsed(request)
        asked = as_object(as_object(as_object(body).get("spec")).get("resourceAttributes"))
        resource = str(asked.get("resource", ""))
        if asked.get("subresource"):
            resource += f"/{asked['subresource']}"
        texts = [str(asked.get(key, "")) for key in ("namespace", "name")]
        wish = Wish(str(asked.get("verb", "")), str(asked.get("group", "")), resource, *texts)
        allowed = self.access.allows(request.user, wish)
        head = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
        return found({**head, "spec": as_object(body).get("spec", {}), "status": {"allowed": allowed}}, 201)


def _same(what: str, found_value: object, wanted: str) -> None:
    if found_value != wanted:
        short = what.partition(" in")[0]
        raise bad_request(f"the {what} ({found_value or ''}) does not match the expected {short} ({wanted})")


def _parsed(request: Request) -> Any:
    try:
        if request.media in (APPLY_PATCH, BODIES[1]):
            return yaml.safe_load(request.body)
        return json.loads(request.body)
    except (ValueError, yaml.YAMLError) as exc:
        raise bad_request(f"error decoding body: {exc}") from exc


def _nothing_there(target: Target) -> Answer:
    """A resource that is not served: built-in groups say so in a Status, others in words."""
    if target.group in ("", "apps", "batch", "coordination.k8s.io", "events.k8s.io"):
        return found(failure(404, "the server could not find the requested resource", details={}), 404)
    return plain(404, "404 page not found\n")
