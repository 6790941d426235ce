"""What runs in the sandbox's cluster: the live objects of one application, and what becomes of what is applied.

A Job `*hang*` never ends, `*fail*` fails, and a Job's arguments can say so as well.
Source: the recordings' stand-in kubelet.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from gitops_rollback.sandbox.argocd.live import WORKLOADS, LiveObject, ObjectKey, Revision, key_of
from gitops_rollback.sandbox.argocd.spec import Timing
from gitops_rollback.sandbox.argocd.workloads import status_of
from gitops_rollback.sandbox.kubernetes.pods import trouble_in
from gitops_rollback.sandbox.rendering import Json, images_of

HEALTH_ORDER = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")  # best to worst
FOREVER = timedelta(days=36500)
REVISIONS_KEPT = 10


class Cluster:
    """The live objects of one application. Thread-safe."""

    def __init__(self, timing: Timing, run_job: Callable[[Json], bool] = lambda _job: True) -> None:
        self._run_job = run_job
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
            changed = replace(live, manifest=manifest, version=live.version + 1)
            if live.manifest.get("spec") != manifest.get("spec"):
                self._roll(changed, live, now)
            self._objects[key] = changed
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
        """The images that the applied workloads ask for, sorted, each once; without replicas they ask for none."""
        asking = (one for one in self.managed().values() if one.manifest["kind"] != "Job" and one.replicas)
        return tuple(sorted({image for live in asking for image in live.images}))

    def next_change(self, now: datetime) -> datetime | None:
        """When some object's health changes by itself."""
        moments = [moment for live in self.objects.values() if (moment := live.next_change(now)) is not None]
        return min(moments, default=None)

    def _new(self, manifest: Json, now: datetime) -> LiveObject:
        ready_at, deadline = self._fate(manifest, now, self._timing.ready)
        live = LiveObject(manifest, str(uuid.uuid4()), now, now, ready_at, deadline)
        if manifest["kind"] in WORKLOADS:
            live.revisions = [Revision(_template(manifest), 1, now, now)]
        return live

    def _roll(self, live: LiveObject, before: LiveObject, now: datetime) -> None:
        """Let `live` begin to run what it asks for; nobody sees it yet."""
        live.status_before = status_of(before, now)
        live.generation += 1
        if live.revisions:
            live.serving = live.revisions[-1] if now >= live.ready_at else live.serving
            _ask_for(live, _template(live.manifest), now)
        live.applied = now
        settles = live.only_settles or not live.revisions
        ready = self._timing.settle if settles else self._timing.ready + replayed(live, before)
        live.ready_at, live.deadline = self._fate(live.manifest, now, ready)

    def _fate(self, manifest: Json, now: datetime, ready: float) -> tuple[datetime, datetime]:
        """When the object will be ready and when it fails; one of the two never comes."""
        never = now + FOREVER
        if manifest["kind"] == "Job":
            words = [image.rpartition("/")[2].partition(":")[2] for image in images_of(manifest)] + _arguments(manifest)
            end = now + timedelta(seconds=self._timing.job)
            if any("hang" in word for word in words):
                return never, never
            fails = any("fail" in word for word in words) or not self._run_job(manifest)
            return (never, end) if fails else (end, never)
        if trouble_in(manifest) and manifest["kind"] in WORKLOADS:
            wait = (manifest.get("spec") or {}).get("progressDeadlineSeconds", self._timing.progress_deadline)
            return never, now + timedelta(seconds=float(wait))
        return now + timedelta(seconds=ready), never


def replayed(live: LiveObject, before: LiveObject) -> float:
    """Seconds of the pauses that an Argo Rollout goes through before it promotes what it is asked for now.

    None for what it ran within its rollbackWindow, as the controller has it.
    """
    spec = live.manifest.get("spec") or {}
    steps = ((spec.get("strategy") or {}).get("canary") or {}).get("steps") or []
    window = int((spec.get("rollbackWindow") or {}).get("revisions", 0))
    known = [one.template for one in before.revisions[:-1]][-window:] if window else []
    if live.manifest["kind"] != "Rollout" or _template(live.manifest) in known:
        return 0.0
    return float(sum((step.get("pause") or {}).get("duration", 0) for step in steps))


def _arguments(manifest: Json) -> list[str]:
    pods = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    return [str(word) for container in pods.get("containers") or [] for word in container.get("args") or []]


def _template(manifest: Json) -> Json:
    return dict((manifest.get("spec") or {}).get("template") or {})


def _ask_for(live: LiveObject, template: Json, now: datetime) -> None:
    """Make the revision of this template the newest one; one that was there before is taken again."""
    newest = live.revisions[-1]
    if newest.template == template:
        return
    known = next((one for one in live.revisions if one.template == template), None)
    stays = known is not None and known is live.serving
    others = [one for one in live.revisions if one is not known]
    asked = replace(known or Revision(template, 0, now, now), number=newest.number + 1)
    if stays:
        live.serving = asked
    else:
        asked.since = now
    kept = [one for one in others[:-REVISIONS_KEPT] if one is live.serving] + others[-REVISIONS_KEPT:]
    live.revisions = [*kept, asked]


def worst(healths: Iterable[str]) -> str:
    """The worst of some health words; Healthy for none at all."""
    return max(healths, key=HEALTH_ORDER.index, default="Healthy")
