"""The recorded answers of a Kubernetes API, and their requests made again on the sandbox's.

The objects that a recording shows are put into the store as they were; then its requests are made again, in order.
What differs by nature is named here: identities and times of what is new, and who wrote which field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox_kubernetes_world import Reply, ask, cluster

from gitops_rollback.sandbox.kubernetes import KINDS, Kind, KubernetesSandbox, kind_of
from gitops_rollback.sandbox.kubernetes.kinds import EVENT

Json = dict[str, Any]
BEFORE_THE_LEASE = 915  # the version just before the recorded client made its Lease
LISTED = 918  # that of the recorded lists of Pods and Events
OLDEST = 410  # "too old resource version: 1 (410)"
NEW = ("uid", "creationTimestamp", "managedFields")
NOT_HEADERS = {"date", "audit-id", "content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Recorded:
    """One recorded request with its answer."""

    note: str
    request: Json
    response: Json


def recorded(path: Path) -> list[Recorded]:
    """The recorded requests of one file, in their order."""
    entries = map(json.loads, path.read_text().splitlines())
    return [Recorded(one.get("note", ""), one.get("request", {}), one["response"]) for one in entries]


def objects_in(answers: Sequence[Recorded], lists: Iterable[Json]) -> Iterator[tuple[Kind, Json]]:
    """Every object that the recording shows, the first time it does."""
    shown = [one.response["body"] for one in answers if one.request.get("method") == "GET"]
    seen: set[tuple[str, str, str]] = set()
    for body in [*lists, *(body for body in shown if isinstance(body, dict) and "apiVersion" in body)]:
        for item in body.get("items", [body]):
            whole = {"apiVersion": body["apiVersion"], "kind": body["kind"].removesuffix("List"), **item}
            key = (whole["kind"], whole["metadata"].get("namespace", ""), whole["metadata"].get("name", ""))
            if whole["kind"] in {kind.kind for kind in KINDS} - {"Lease"} and key not in seen:
                seen.add(key)
                yield kind_of(whole), whole
        if body["kind"] == "EventList":  # the recording shows how many more there were
            for left in range(body["metadata"]["remainingItemCount"]):
                yield EVENT, {**whole, "metadata": {**whole["metadata"], "name": f"later-{left}"}}


def replayed(answers: Sequence[Recorded], lists: Iterable[Json] = ()) -> dict[str, Reply]:
    """What each recorded request gets from the sandbox, by its note; `lists` show more objects."""
    objects = list(objects_in(answers, lists))
    found: dict[str, Reply] = {}
    with cluster(speed=20.0) as sandbox:
        sandbox.store.load(objects, 908, OLDEST)
        for one in answers:
            if one.note == "create lease":
                sandbox.store.load(objects, BEFORE_THE_LEASE)
            if one.note == "pods":
                sandbox.store.load(objects, LISTED)
            found[one.note] = made_again(sandbox, one, found)
    return found


def made_again(sandbox: KubernetesSandbox, one: Recorded, before: dict[str, Reply]) -> Reply:
    if not one.request:  # its request was not kept, but what it says is known
        return ask(sandbox, "GET", "/api/v1/pods", token="wrong")
    body = one.request["body"]
    if one.request["method"] == "PUT" and "leases" in one.request["path"]:  # the identity is the new Lease's own
        body["metadata"]["uid"] = before["create lease"].json["metadata"]["uid"]
    media = one.request["headers"].get("Content-Type", "")
    return ask(sandbox, one.request["method"], one.request["path"], body, media)


def told(body: Any) -> Any:
    """A body without what is new at each time, as text, so that the order of fields counts."""
    if isinstance(body, dict) and body.get("kind") == "Lease":
        body = {**body, "metadata": {key: value for key, value in body["metadata"].items() if key not in NEW}}
    if isinstance(body, dict) and body.get("status") == "Success":
        body = {**body, "details": {key: value for key, value in body["details"].items() if key not in NEW}}
    return json.dumps(body)


def assert_answered_as_recorded(one: Recorded, reply: Reply) -> None:
    """Status, body with the order of its fields, headers, length."""
    body, wanted = one.response["body"], one.response.get("headers")
    assert (one.note, reply.status) == (one.note, one.response["status"])
    assert (one.note, told(reply.text if isinstance(body, str) else reply.json)) == (one.note, told(body))
    if wanted:
        assert (one.note, set(reply.headers) - NOT_HEADERS) == (one.note, set(wanted) - NOT_HEADERS)
        assert "audit-id" in reply.headers
        for name in {*wanted, "content-length", "transfer-encoding"} - {"date", "audit-id"}:
            assert (one.note, reply.headers.get(name)) == (one.note, wanted.get(name))
