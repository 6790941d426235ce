"""What in the cluster is no longer as the newest release applied it?

Source: helm-controller internal/action/diff.go: a server-side apply that is only asked for, against what is there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from gitops_rollback.sandbox.flux.helm.actions import OWNER, decorated
from gitops_rollback.sandbox.flux.helm.request import Request
from gitops_rollback.sandbox.kubernetes import By, kind_of
from gitops_rollback.sandbox.rendering import Json

_OF_THE_SERVER = ("managedFields", "resourceVersion", "generation")


def drifted(request: Request) -> list[Json]:
    """The release's objects that somebody changed or deleted; none where drift is not looked for."""
    asked = request.spec.spec.get("driftDetection") or {}
    if asked.get("mode") not in ("enabled", "warn"):
        return []
    ignored = [path for rule in asked.get("ignore") or () if not rule.get("target") for path in rule["paths"]]
    last, store = request.releases[-1], request.subject.store
    labels = {f"{OWNER}/name": request.subject.name, f"{OWNER}/namespace": request.subject.namespace}
    found = []
    for one in last.manifests:
        body = decorated(one, last)
        body["metadata"]["labels"] |= labels
        kind = kind_of(body)
        live = store.find(kind, body["metadata"]["name"], body["metadata"].get("namespace") or "")
        wanted = store.apply(kind, body, By(request.subject.manager, dry_run=True), force=True)
        if live is None or _compared(live, ignored) != _compared(wanted, ignored):
            found.append(body)
    return found


def _compared(body: Json, ignored: Iterable[str]) -> Json:
    body = copy.deepcopy(body)
    body.pop("status", None)
    for name in _OF_THE_SERVER:
        body["metadata"].pop(name, None)
    for pointer in ignored:
        _take_away(body, [part.replace("~1", "/").replace("~0", "~") for part in pointer.strip("/").split("/")])
    return body


def _take_away(body: Json, way: Sequence[str]) -> None:
    """What a JSON pointer names, if it is there."""
    place: Any = body
    for part in way[:-1]:
        if isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            place = place.get(part) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.pop(way[-1], None)
