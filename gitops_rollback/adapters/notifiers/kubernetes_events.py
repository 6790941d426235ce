"""Kubernetes Events on the application's own object, so that `kubectl describe` and Argo CD show what was done to it.

What people are told of is a transition already, and an Event is named by its key: told again, after a restart too, it
is the same Event. An object that is not in this cluster has none.
Source: contracts/flux-kubernetes.md section 13, Events; Kubernetes pkg/apis/core/validation/events.go; kubectl and
Argo CD find the Events of an object by its uid.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.engines.flux_world import HELM_RELEASES, KUSTOMIZATIONS
from gitops_rollback.adapters.kubernetes.client import Kubernetes, Object
from gitops_rollback.adapters.kubernetes.errors import Conflict, Missing
from gitops_rollback.adapters.kubernetes.resources import APPLICATIONS, EVENTS, Resource
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.texts import body_lines, quoted
from gitops_rollback.core.errors import CredentialsRejected, RollbackError
from gitops_rollback.ports import Clock, Message

RESOURCES: Mapping[str, Resource] = {
    "Application": APPLICATIONS,
    "Kustomization": KUSTOMIZATIONS,
    "HelmRelease": HELM_RELEASES,
}
CONTROLLER = "gitops-rollback.dev/controller"
WELL = frozenset({"started", "verified", "stopped"})  # the others want somebody's eyes
PATIENCE = timedelta(seconds=10)
LONGEST_NOTE = 1024  # bytes
LONGEST_WORD = 128  # bytes of `reason`, `action`, `reportingInstance`
LONGEST_NAME = 253
MOST_OBJECTS = 50  # of one message

Place = tuple[str, str, str]  # kind, namespace and name of an object


class KubernetesEvents:
    """One cluster. `instances` are the engines whose applications are objects of it."""

    folds = False

    def __init__(self, client: Kubernetes, instances: Collection[str], clock: Clock) -> None:
        self._client = client
        self._instances = frozenset(instances)
        self._clock = clock

    def send(self, message: Message) -> Receipt:
        """One Event on each of its objects. Raises: CredentialsRejected, EngineUnavailable, Refused."""
        said = [self._say(message, place) for place in objects_of(message, self._instances)]
        return Receipt(Outcome.DELIVERED, "; ".join(dict.fromkeys(filter(None, said))))

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        """The client is shared, and not ours to close."""

    def missing_rights(self, names: Iterable[str]) -> tuple[str, ...]:
        """A sentence for each right that is missing to say something of these applications; nothing is written.

        One object of each kind and namespace is tried.
        """
        places: dict[tuple[str, str], Place] = {}
        for name in names:
            for place in objects_of(Message("", name, "", "", "", ""), self._instances):
                places.setdefault(place[:2], place)
        return tuple(dict.fromkeys(line for place in places.values() for line in self._missing(place)))

    def _missing(self, place: Place) -> Iterator[str]:
        kind, namespace, name = place
        test = Message("stopped", "", "Whether this may be said", "", f"{namespace}/test", "Quiet")
        try:
            found = self._client.get(RESOURCES[kind], namespace, name, PATIENCE)
            if found is not None:
                event = event_about(test, found, self._clock.now())
                self._client.create(EVENTS, event, PATIENCE, dry_run=True)
        except CredentialsRejected:
            yield f"the right to get {RESOURCES[kind]} or to create {EVENTS} in {namespace} is missing"
        except RollbackError as error:
            yield error.message

    def _say(self, message: Message, place: Place) -> str:
        kind, namespace, name = place
        found = self._client.get(RESOURCES[kind], namespace, name, PATIENCE)
        if found is None:
            return f"{kind} {namespace}/{name} is gone"
        try:
            self._client.create(EVENTS, event_about(message, found, self._clock.now()), PATIENCE)
        except (Conflict, Missing) as error:
            return error.message  # it was said before, or its namespace is going
        return ""


def objects_of(message: Message, instances: Collection[str]) -> Iterator[Place]:
    """The objects that a message is about; none where it is about a repository, or another cluster."""
    named = (message.details or {}).get("applications")
    names = [message.application, *(one for one in (named if isinstance(named, list | tuple) else ()))]
    for name in list(dict.fromkeys(map(str, names)))[:MOST_OBJECTS]:
        parts = name.split("/")
        if len(parts) == 4 and all(parts) and parts[0] in instances and parts[1] in RESOURCES:
            yield parts[1], parts[2], parts[3]


def event_about(message: Message, found: Object, at: datetime) -> Object:
    """The Event, as `events.k8s.io/v1` takes it."""
    metadata = found["metadata"]
    key = hashlib.sha256(f"{message.key or message.title + message.text}\n{metadata.get('uid')}".encode()).hexdigest()
    name = f"{metadata['name'][: LONGEST_NAME - 17].rstrip('.-')}.{key[:16]}"
    about = {"apiVersion": found.get("apiVersion"), "kind": found.get("kind"), "namespace": metadata["namespace"]}
    marks = {"gitops-rollback.dev/rollback-id": message.rollback_id} if message.rollback_id else {}
    calm = message.event in WELL and not message.page
    return {
        "apiVersion": EVENTS.api_version,
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"], "annotations": marks},
        "eventTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        "type": "Normal" if calm else "Warning",
        "reason": _cut(message.reason, LONGEST_WORD),
        "action": _cut(message.event.capitalize(), LONGEST_WORD),
        "note": _cut("; ".join([quoted(message.title), *filter(None, body_lines(message))]), LONGEST_NOTE),
        "reportingController": CONTROLLER,
        "reportingInstance": _cut(socket.gethostname() or CONTROLLER, LONGEST_WORD),
        "regarding": {**about, "name": metadata["name"], "uid": metadata.get("uid", "")},
    }


def _cut(text: str, limit: int) -> str:
    """At most `limit` bytes, and no half of a character."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "…"
