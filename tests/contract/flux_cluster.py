"""A stand-in for the Kubernetes API that holds Flux objects: as recorded, event by event, or as a test puts them."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.client import Listing
from gitops_rollback.adapters.kubernetes.errors import Missing, Unserved
from gitops_rollback.adapters.kubernetes.resources import Resource
from gitops_rollback.core.sync import ApplicationId, ApplicationState

SAMPLES = Path(__file__).parent / "flux"
BEGAN = datetime(2026, 11, 23, 8, 26, 10, 800_000, tzinfo=UTC)  # second 0 of the recordings, by their own times
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"


@dataclass
class Clock:
    now: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeCluster:
    """`answer` is called after each patch, as a controller would be woken by it.

    `unserved` are absent plurals, or `plural.version` for a single version of one.
    """

    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    patches: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    unserved: set[str] = field(default_factory=set)
    refuses: dict[str, Exception] = field(default_factory=dict)
    answer: Callable[[str, str, str], None] | None = None
    selectors: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    refused: int = 0  # requests for what is not served

    def put(self, plural: str, value: Mapping[str, Any]) -> None:
        metadata = value["metadata"]
        self.objects[plural, metadata.get("namespace", ""), metadata.get("name", "")] = copy.deepcopy(dict(value))

    def drop(self, plural: str, value: Mapping[str, Any]) -> None:
        self.objects.pop((plural, value["metadata"]["namespace"], value["metadata"]["name"]), None)

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        self._served(resource)
        self.reads.append(f"{resource.plural}/{name}")
        found = self.objects.get((resource.plural, namespace, name))
        return copy.deepcopy(found) if found is not None else None

    def list_objects(self, resource: Resource, namespace: str = "", label_selector: str = "") -> Listing:
        self._served(resource)
        self.selectors += [label_selector] if label_selector else []
        found = [value for key, value in self.objects.items() if key[0] == resource.plural]
        return Listing("1", tuple(copy.deepcopy(found)))

    def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self._served(resource)
        key = (resource.plural, namespace, name)
        if key not in self.objects:
            raise Missing("a fake", "404")
        self.patches.append((resource.plural, name, patch))
        metadata = self.objects[key]["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **patch["metadata"]["annotations"]}
        if self.answer is not None:
            self.answer(*key)
        return copy.deepcopy(self.objects[key])

    def try_patch(self, resource: Resource, namespace: str, name: str) -> None:
        self._served(resource)

    def try_watch(self, resource: Resource) -> None:
        self._served(resource)

    def _served(self, resource: Resource) -> None:
        if {resource.plural, f"{resource.plural}.{resource.version}"} & self.unserved:
            self.refused += 1
            raise Unserved("a fake", f"{resource} is not served")
        if resource.plural in self.refuses:
            raise self.refuses[resource.plural]


@dataclass
class FakeChanges:
    """Hands over what is in `events` for the resource, then waits for `stop`."""

    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    followed: dict[str, str] = field(default_factory=dict)  # the version of each plural

    def follow(self, resource: Resource, changed: Callable[[dict[str, Any]], None], stop: threading.Event) -> None:
        self.followed[resource.plural] = resource.version
        for event in self.events.get(resource.plural, []):
            changed(event)
        stop.wait()


def flux_for(cluster: FakeCluster, clock: Callable[[], datetime] | None = None, **settings: Any) -> Flux:
    quick = {"look_every": timedelta(milliseconds=5), "handled_within": timedelta(seconds=5), **settings}
    return Flux(FluxSettings(**quick), cluster, FakeChanges(), now=clock or Clock())


@dataclass(frozen=True)
class Look:
    """What the engine says of one application after one event of a recording, `t` seconds after its beginning."""

    t: float
    state: ApplicationState

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.t)

    def says(self, kind: str) -> str:
        """The message of the condition of this type, or of the obstacle with this reason; "" without one."""
        return {**in_the_way(self.state), **dict(self.state.conditions)}.get(kind, "")


def in_the_way(state: ApplicationState) -> dict[str, str]:
    """What is in the way of a commit, by reason."""
    return {one.reason.value: one.message for one in reversed(state.obstacles)}


def recorded_events(path: Path) -> Iterator[tuple[float, str, str, dict[str, Any]]]:
    """(second, type, plural, object) of all that a `watch.jsonl` lists and tells; bookmarks are left out."""
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if "list" in entry:
            for item in entry["list"]["items"]:
                yield entry["t"], "ADDED", entry["kind"], item
        elif entry["event"]["type"] in ("ADDED", "MODIFIED", "DELETED"):
            yield entry["t"], entry["event"]["type"], entry["kind"], entry["event"]["object"]


def replay(path: Path, kind: str, name: str, between: Sequence[float] = ()) -> list[Look]:
    """All looks at one application while a recording is fed to one engine: after each event, and at `between`."""
    cluster, clock = FakeCluster(), Clock()
    engine = flux_for(cluster, clock)
    application = ApplicationId("flux", kind, "flux-system", name)
    found: list[Look] = []
    quiet = sorted(between)
    for t, change, plural, value in recorded_events(path):
        while quiet and quiet[0] < t:
            found += _looked(engine, clock, application, quiet.pop(0))
        (cluster.drop if change == "DELETED" else cluster.put)(plural, value)
        found += _looked(engine, clock, application, t)
    return found


def _looked(engine: Flux, clock: Clock, application: ApplicationId, t: float) -> list[Look]:
    clock.now = BEGAN + timedelta(seconds=t)
    return [Look(t, state) for state in engine.applications() if state.id == application]
