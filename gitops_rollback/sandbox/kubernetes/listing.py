"""What does a list answer: which version, which page, and how does it go on?

Source: k8s.io/apiserver pkg/storage/continue.go and etcd3/store.go; Kubernetes docs, api-concepts.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from gitops_rollback.sandbox.kubernetes.answers import Refusal, bad_request, expired_page, failure, too_new
from gitops_rollback.sandbox.kubernetes.forms import kept_as, list_metadata, listed
from gitops_rollback.sandbox.kubernetes.kinds import Kind
from gitops_rollback.sandbox.kubernetes.selectors import Selects, everything
from gitops_rollback.sandbox.kubernetes.store import Store
from gitops_rollback.sandbox.rendering import Json

AT_PRESENT = -1


@dataclass(frozen=True)
class Wanted:
    """What a list asks for; versions are texts as they came."""

    namespace: str
    limit: int
    token: str
    version: str
    match: str


def number(text: str) -> int:
    """A resourceVersion as a number; 0 for none. Raises: Refusal 400."""
    if text and not text.isdigit():
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text or 0)


def page(store: Store, kind: Kind, wanted: Wanted, selects: Selects, lagging_at: int | None) -> Json:
    """One page of a list. `lagging_at`: what a cache shows that has stopped there; quorum reads see the truth."""
    check_versions(wanted)
    start = ""
    if wanted.token:
        version, start = _read_token(wanted.token)
        at, items = _continued(store, kind, wanted, version, start)
    else:
        at, items = store.held_at(kept_as(kind), wanted.namespace, _version(store, wanted, lagging_at))
    items = [item for item in items if selects(item) and _key(wanted, item) >= start]
    limit = 0 if wanted.version == "0" else wanted.limit  # the cache answers all it has
    if not limit or len(items) <= limit:
        return listed(kind, items, list_metadata(kind, at, "", None))
    token = _token(kind, at, f"{_key(wanted, items[limit - 1])}\0")
    remaining = len(items) - limit if selects is everything else None
    return listed(kind, items[:limit], list_metadata(kind, at, token, remaining))


def check_versions(wanted: Wanted) -> None:
    """Raises: Refusal 400 or 422 for versions that do not go together."""
    if wanted.match and wanted.match not in ("Exact", "NotOlderThan"):
        raise forbidden_match(f'Unsupported value: "{wanted.match}": supported values: "Exact", "NotOlderThan", ""')
    if wanted.match and not wanted.version:
        raise forbidden_match("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
    if wanted.match == "Exact" and wanted.version == "0":
        raise forbidden_match('Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if wanted.token and wanted.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def forbidden_match(complaint: str) -> Refusal:
    """A resourceVersionMatch that does not go with the rest."""
    causes = [{"reason": "FieldValueForbidden", "message": complaint, "field": "resourceVersionMatch"}]
    details = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}
    return Refusal(
        failure(422, f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {complaint}', "", details)
    )


def _version(store: Store, wanted: Wanted, lagging_at: int | None) -> int | None:
    """The version to show; None for the present."""
    version = number(wanted.version)
    if wanted.match == "Exact" or (wanted.limit and version and not wanted.match):
        return version
    shown = store.version if lagging_at is None else lagging_at
    if version > shown:
        raise too_new(version, shown)
    return lagging_at


def _continued(store: Store, kind: Kind, wanted: Wanted, version: int, start: str) -> tuple[int, list[Json]]:
    try:
        return store.held_at(kept_as(kind), wanted.namespace, None if version == AT_PRESENT else version)
    except Refusal as exc:
        raise expired_page(_token(kind, AT_PRESENT, start)) from exc


def _key(wanted: Wanted, item: Json) -> str:
    metadata = item["metadata"]
    return str(metadata["name"]) if wanted.namespace else f"{metadata.get('namespace', '')}/{metadata['name']}"


def _token(kind: Kind, version: int, start: str) -> str:
    start = f"/{start}" if kind.custom else start
    body = {"v": "meta.k8s.io/v1", "rv": version, "start": start}
    return base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(body["rv"]), str(body["start"]).removeprefix("/")
    except (ValueError, KeyError, TypeError) as exc:
        raise bad_request(f"continue key is not valid: {exc}") from exc
