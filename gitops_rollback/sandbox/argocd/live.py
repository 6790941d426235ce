"""One live object of the sandbox's cluster: what it is, how it is, and which pods it has at a moment.

What `kubernetes.pods` calls a trouble is never ready, so the rollout passes its progress deadline.
Source: argo-cd v3.5.1 gitops-engine/pkg/health (messages).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gitops_rollback.sandbox.kubernetes.rollouts import Counts, while_rolling
from gitops_rollback.sandbox.rendering import Json, group_of, images_of

ObjectKey = tuple[str, str, str, str]  # group, kind, namespace, name

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})
IN_PLACE = frozenset({"StatefulSet", "DaemonSet"})  # they own their pods themselves, and replace one by one
ALWAYS_HEALTHY = frozenset({"Service", "PersistentVolumeClaim", "Ingress", "HorizontalPodAutoscaler"})
WITH_HEALTH = WORKLOADS | ALWAYS_HEALTHY | {"Job"}


@dataclass(frozen=True)
class Health:
    """One object's health."""

    status: str
    message: str = ""

    def as_json(self) -> Json:
        """As it stands in answers; an empty message is left out."""
        return {"status": self.status, **({"message": self.message} if self.message else {})}


@dataclass
class Revision:
    """A pod template that a workload has or had. `number` orders them; `since`: when its pods were made."""

    template: Json
    number: int
    created: datetime
    since: datetime

    @property
    def images(self) -> tuple[str, ...]:
        """The images of its pods."""
        return images_of({"spec": {"template": self.template}})


@dataclass
class LiveObject:
    """One object in the cluster. `hook` names the hook type of a hook's Job; such an object is not managed.

    `revisions` of a workload, the newest last; `serving` is the one whose pods stay until the newest one's are ready.
    """

    manifest: Json
    uid: str
    created: datetime
    applied: datetime
    ready_at: datetime
    deadline: datetime
    hook: str = ""
    generation: int = 1
    version: int = 0
    revisions: list[Revision] = field(default_factory=list)
    serving: Revision | None = None
    status_before: Json = field(default_factory=dict)  # of a Deployment, until it was applied last

    @property
    def images(self) -> tuple[str, ...]:
        """The images that the object asks for."""
        return images_of(self.manifest)

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return int((self.manifest.get("spec") or {}).get("replicas", 1))

    @property
    def only_settles(self) -> bool:
        """The pods that it asks for run already."""
        return bool(self.revisions) and self.revisions[-1] is self.serving

    def counts(self, now: datetime) -> Counts:
        """How many pods a workload has, and of which template."""
        wanted = self.replicas
        if now >= self.ready_at or self.only_settles:
            return Counts(wanted, wanted, wanted)
        if self.serving is None:
            return Counts(wanted, wanted, 0)
        if self.manifest["kind"] in IN_PLACE:
            return Counts(wanted, min(1, wanted), 0, max(0, wanted - 1))
        new, old = while_rolling(self.manifest.get("spec") or {}, wanted)
        return Counts(wanted, new, 0, old)

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
        older = self.serving.images if self.serving is not None and now < self.ready_at else ()
        return tuple(dict.fromkeys((*older, *self.images)))

    def next_change(self, now: datetime) -> datetime | None:
        """When its health changes by itself; None if it does not."""
        return min((moment for moment in (self.ready_at, self.deadline) if moment > now), default=None)

    def _rollout_health(self, now: datetime) -> Health:
        name, counts = self.manifest["metadata"]["name"], self.counts(now)
        if counts.wanted == 0 or now >= self.ready_at:
            return Health("Healthy")
        if now >= self.deadline:
            return Health("Degraded", f'{self.manifest["kind"]} "{name}" exceeded its progress deadline')
        what = f"{counts.ready} of {counts.updated} updated replicas are available..."
        if counts.updated < counts.wanted:
            what = f"{counts.updated} out of {counts.wanted} new replicas have been updated..."
        if self.only_settles:
            what = "observed deployment generation less than desired generation"
        return Health("Progressing", f"Waiting for rollout to finish: {what}")

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
