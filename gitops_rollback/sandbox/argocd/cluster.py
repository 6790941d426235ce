"""What runs in the sandbox's cluster, and how well? Live objects of one application, whose pods obey their image's tag.

`*missing*`, `*crash*`, `*slow*` are never ready, so the rollout passes its progress deadline; a Job `*hang*` never
ends, `*fail*` fails, and a Job's arguments can say so as well.
Source: argo-cd v3.5.1 gitops-engine/pkg/health (messages); the recordings' stand-in kubelet.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.sandbox.argocd.spec import Timing
from gitops_rollback.sandbox.rendering import Json, group_of, images_of

ObjectKey = tuple[str, str, str, str]  # group, kind, namespace, name

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})
ALWAYS_HEALTHY = frozenset({"Service", "PersistentVolumeClaim", "Ingress", "HorizontalPodAutoscaler"})
WITH_HEALTH = WORKLOADS | ALWAYS_HEALTHY | {"Job"}
HEALTH_ORDER = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")  # best to worst
NEVER_READY = ("missing", "crash", "slow")
FOREVER = timedelta(days=36500)


@dataclass(frozen=True)
class Health:
    """One object's health."""

    status: str
    message: str = ""

    def as_json(self) -> Json:
        """As it stands in answers; an empty message is left out."""
        return {"status": self.status, **({"message": self.message} if self.message else {})}


@dataclass
class LiveObject:
    """One object in the cluster. `hook` names the hook type of a hook's Job; such an object is not managed."""

    manifest: Json
    uid: str
    created: datetime
    applied: datetime
    ready_at: datetime
    deadline: datetime
    hook: str = ""
    revision: int = 1
    version: int = 0
    older_images: tuple[str, ...] = ()  # of pods that an unfinished rollout has not replaced
    older_revisions: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    @property
    def images(self) -> tuple[str, ...]:
        """The images that the object asks for."""
        return images_of(self.manifest)

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return int((self.manifest.get("spec") or {}).get("replicas", 1))

    def health(self, now: datetime) -> Health | None:
        """Its health; None for kinds that have none."""
        kind = self.manifest["kind"]
        if kind in WORKLOADS:
            return self._rollout_health(now)
        if kind == "Job":
            return self._job_health(now)
        return Health("Healthy") if kind in ALWAYS_HEALTHY else None

    def running_images(self, now: datetime) -> tuple[str, ...]:
        """The images of the pods that exist now."""
        kind = self.manifest["kind"]
        if kind not in WORKLOADS and kind not in ("Job", "Pod"):
            return ()
        if kind in WORKLOADS and self.replicas == 0:
            return ()
        return self.images if now >= self.ready_at else tuple(dict.fromkeys((*self.older_images, *self.images)))

    def next_change(self, now: datetime) -> datetime | None:
        """When its health changes by itself; None if it does not."""
        return min((moment for moment in (self.ready_at, self.deadline) if moment > now), default=None)

    def _rollout_health(self, now: datetime) -> Health:
        name, replicas = self.manifest["metadata"]["name"], self.replicas
        if replicas == 0 or now >= self.ready_at:
            return Health("Healthy")
        if now >= self.deadline:
            return Health("Degraded", f'{self.manifest["kind"]} "{name}" exceeded its progress deadline')
        return Health(
            "Progressing", f"Waiting for rollout to finish: 0 out of {replicas} new replicas have been updated..."
        )

    def _job_health(self, now: datetime) -> Health:
        if now >= self.ready_at:
            return Health("Healthy", "Reached expected number of succeeded pods")
        if now >= self.deadline:
            return Health("Degraded", "Job has reached the specified backoff limit")
        return Health("Progressing")


def key_of(manifest: Mapping[str, Json]) -> ObjectKey:
    """An object's identity."""
    metadata = manifest["metadata"]
    return group_of(manifest), str(manifest["kind"]), str(metadata.get("namespace", "")), str(metadata.get("name", ""))


class Cluster:
    """The live objects of one application. Thread-safe."""

    def __init__(self, timing: Timing) -> None:
        self.namespaces: set[str] = set()
        self._timing = timing
        self._lock = threading.Lock()
        self._objects: dict[ObjectKey, LiveObject] = {}

    @property
    def objects(self) -> dict[ObjectKey, LiveObject]:
        """All objects, hooks too, at this moment."""
        with self._lock:
            return dict(self._objects)

    def apply(self, manifest: Json, now: datetime) -> str:
        """Create or change an object; says what was done in kubectl's word."""
        key = key_of(manifest)
        with self._lock:
            live = self._objects.get(key)
            if live is None:
                self._objects[key] = self._new(manifest, now)
                return "created"
            if live.manifest == manifest:
                return "unchanged"
            if live.manifest.get("spec") != manifest.get("spec"):
                self._roll(live, manifest, now)
            live.manifest = manifest
            live.version += 1
            return "configured"

    def run_hook(self, manifest: Json, hook: str, now: datetime) -> LiveObject:
        """Start a hook; one of the same name is replaced."""
        live = self._new(manifest, now)
        live.hook = hook
        with self._lock:
            self._objects[key_of(manifest)] = live
        return live

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; absent is no error."""
        with self._lock:
            self._objects.pop(key, None)

    def managed(self) -> dict[ObjectKey, LiveObject]:
        """All objects but hooks."""
        return {key: live for key, live in self.objects.items() if not live.hook}

    def images(self, now: datetime) -> list[str]:
        """The images of all pods, sorted, each once."""
        return sorted({image for live in self.objects.values() for image in live.running_images(now)})

    def wanted_images(self) -> tuple[str, ...]:
        """The images that the applied workloads ask for, sorted, each once."""
        return tuple(
            sorted(
                {image for live in self.managed().values() if live.manifest["kind"] != "Job" for image in live.images}
            )
        )

    def next_change(self, now: datetime) -> datetime | None:
        """When some object's health changes by itself."""
        moments = [moment for live in self.objects.values() if (moment := live.next_change(now)) is not None]
        return min(moments, default=None)

    def _new(self, manifest: Json, now: datetime) -> LiveObject:
        ready_at, deadline = self._fate(manifest, now, self._timing.ready)
        return LiveObject(manifest, str(uuid.uuid4()), now, now, ready_at, deadline)

    def _roll(self, live: LiveObject, manifest: Json, now: datetime) -> None:
        running = live.images if now >= live.ready_at else live.older_images
        images = images_of(manifest)
        live.older_revisions = [*live.older_revisions[-9:], (live.revision, live.images)]
        live.older_images = running
        live.revision += 1
        live.applied = now
        again = set(images) <= set(running)
        live.ready_at, live.deadline = self._fate(manifest, now, self._timing.settle if again else self._timing.ready)

    def _fate(self, manifest: Json, now: datetime, ready: float) -> tuple[datetime, datetime]:
        """When the object will be ready and when it fails; one of the two never comes."""
        never = now + FOREVER
        tags = [image.rpartition("/")[2].partition(":")[2] for image in images_of(manifest)]
        if manifest["kind"] == "Job":
            tags += _arguments(manifest)
            end = now + timedelta(seconds=self._timing.job)
            if _any_tag(tags, ("hang",)):
                return never, never
            return (never, end) if _any_tag(tags, ("fail",)) else (end, never)
        if _any_tag(tags, NEVER_READY) and manifest["kind"] in WORKLOADS:
            wait = (manifest.get("spec") or {}).get("progressDeadlineSeconds", self._timing.progress_deadline)
            return never, now + timedelta(seconds=float(wait))
        return now + timedelta(seconds=ready), never


def _arguments(manifest: Json) -> list[str]:
    pods = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [str(word) for container in pods.get("containers") or [] for word in container.get("args") or []]


def _any_tag(tags: Iterable[str], words: Iterable[str]) -> bool:
    return any(word in tag for tag in tags for word in words)


def worst(healths: Iterable[str]) -> str:
    """The worst of some health words; Healthy for none at all."""
    return max(healths, key=HEALTH_ORDER.index, default="Healthy")
