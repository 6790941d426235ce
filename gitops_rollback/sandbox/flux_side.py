"""The cluster of a world with Flux: a Kubernetes API, Flux's controllers on it, and one Kustomization a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.flux import FluxSandbox
from gitops_rollback.sandbox.flux.status import REQUESTED_AT
from gitops_rollback.sandbox.kubernetes import KINDS, By, Kind, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.history import Change
from gitops_rollback.sandbox.kubernetes.kinds import CLOUD_KINDS, DEPLOYMENT, GIT_REPOSITORY, KUSTOMIZATION, LEASE
from gitops_rollback.sandbox.rendering import Json, images_of

FLUX_NAMESPACE = "flux-system"
SOURCE = "config"
PERSON = By("kubectl")


@dataclass(frozen=True)
class Seen:
    """How a Kustomization is: the revision that it tried last, the one that it applied, and its condition Ready."""

    attempted: str
    applied: str
    ready: str
    reason: str


class FluxSide:
    """Build, `start`, `stop`. `on_images` hears of the images that a service's Deployment asks for from now on."""

    def __init__(
        self,
        bare: Path,
        url: str,
        clock: SandboxClock,
        services: Sequence[str],
        namespace: str,
        on_images: Callable[[str, Sequence[str]], None],
        port: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.kubernetes = KubernetesSandbox(clock, port=port, kinds=(*KINDS, *CLOUD_KINDS))
        self.store = self.kubernetes.store
        self.controllers = FluxSandbox(self.store, {url: bare}, clock)
        self._clock = clock
        self._url = url
        self._services = services
        self._namespace = namespace
        self._on_images = on_images
        self._more = dict(more or {})
        self._set_at: dict[str, datetime] = {}

    def start(self) -> None:
        """Serve, and begin to apply what the branch holds."""
        self.kubernetes.start()
        self.store.on_change(self._changed)
        spec = {"url": self._url, "interval": "1h", "ref": {"branch": "main"}}
        self.create(GIT_REPOSITORY, SOURCE, spec)
        for name in self._services:
            source = {"kind": "GitRepository", "name": SOURCE}
            own = {"interval": "1h", "path": f"./apps/{name}", "prune": True, "targetNamespace": self._namespace}
            self.create(KUSTOMIZATION, name, {**own, "sourceRef": source, **self._more})
        self.controllers.start()

    def stop(self) -> None:
        self.controllers.stop()
        self.kubernetes.stop()

    @property
    def failures(self) -> list[BaseException]:
        return [*self.controllers.failures, *self.kubernetes.failures]

    def environment(self, folder: Path) -> dict[str, str]:
        """What a user would set to run the controller against this cluster; the kubeconfig is put into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(self.kubernetes.kubeconfig())
        return {"KUBECONFIG": str(kubeconfig), "GITOPS_ROLLBACK_FLUX": "true"}

    def create(self, kind: Kind, name: str, spec: Json, status: Json | None = None) -> None:
        """An object of Flux's, as a person or a controller of Flux would make it."""
        metadata = {"name": name, "namespace": FLUX_NAMESPACE}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        self.store.create(kind, manifest, PERSON)
        if status is not None:
            self.set_status(kind, name, **status)

    def set_status(self, kind: Kind, name: str, **fields: Any) -> None:
        """What a controller that the sandbox has not says of an object."""
        by = By("flux", status=True)
        self.store.change(kind, name, FLUX_NAMESPACE, lambda body: body.setdefault("status", {}).update(fields), by)

    def status_of(self, kind: Kind, name: str) -> Json:
        """The object's status as the API has it."""
        found: Json = self.store.get(kind, name, FLUX_NAMESPACE).get("status") or {}
        return found

    def receive(self) -> None:
        """What a Receiver of Flux does after a push."""
        token = self._clock.now().isoformat()

        def ask(body: Json) -> None:
            body["metadata"].setdefault("annotations", {})[REQUESTED_AT] = token

        self.store.change(GIT_REPOSITORY, SOURCE, FLUX_NAMESPACE, ask, By("notification-controller"))

    def suspend(self, name: str) -> None:
        """A person suspends a Kustomization."""
        self.store.change(KUSTOMIZATION, name, FLUX_NAMESPACE, lambda body: body["spec"].update(suspend=True), PERSON)

    def lease(self) -> Json:
        """The Lease of the config repository, as its spec; empty while there is none."""
        return next((one["spec"] for one in self.store.objects(LEASE) if "leaseTransitions" in one["spec"]), {})

    def kustomization(self, name: str) -> Json:
        """The object as the API has it."""
        return self.store.get(KUSTOMIZATION, name, FLUX_NAMESPACE)

    def seen(self, name: str) -> Seen:
        """How it is now."""
        status = self.kustomization(name).get("status") or {}
        conditions = status.get("conditions") or ()
        ready: Json = next((one for one in conditions if one["type"] == "Ready"), {})
        attempted, applied = (str(status.get(key, "")) for key in ("lastAttemptedRevision", "lastAppliedRevision"))
        shas = (attempted.rpartition(":")[2], applied.rpartition(":")[2])
        return Seen(*shas, ready.get("status", ""), ready.get("reason", ""))

    def all_ready(self) -> bool:
        """Whether everything is applied and rolled out."""
        seen = [self.seen(name) for name in self._services]
        live = {one["metadata"]["name"]: one for one in self.store.objects(DEPLOYMENT, self._namespace)}
        return all(one.ready == "True" for one in seen) and all(
            name in live and rolled_out(live[name]) for name in self._services
        )

    def rolled_out(self, name: str) -> bool:
        """Whether the Deployment of a service runs what it asks for."""
        found = self.store.find(DEPLOYMENT, name, self._namespace)
        return found is not None and rolled_out(found)

    def set_at(self, name: str) -> datetime | None:
        """When Flux gave the Deployment of a service other images the last time."""
        return self._set_at.get(name)

    def _changed(self, change: Change) -> None:
        before = images_of(change.before) if change.before else ()
        if change.ref.kind is DEPLOYMENT and images_of(change.after) != before:
            self._set_at[change.ref.name] = self._clock.now()
            self._on_images(change.ref.name, images_of(change.after))


def rolled_out(deployment: Json) -> bool:
    """Whether all Pods are of the present template and available."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return counts == {wanted} and status.get("observedGeneration") == deployment["metadata"]["generation"]
