"""What does kustomize-controller do with a Kustomization? Build, apply, prune, wait for health, say so in this order.

Inside its health wait it looks at nothing newer. Source: kustomize-controller 1.9
internal/controller/kustomization_controller.go; the recorded order of writes.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Generator, Mapping
from datetime import datetime

from gitops_rollback.sandbox.flux.applying import ApplyError, apply, entries, prune
from gitops_rollback.sandbox.flux.health import waited
from gitops_rollback.sandbox.flux.repositories import Repository
from gitops_rollback.sandbox.flux.spec import Reconciliation, Timing
from gitops_rollback.sandbox.flux.status import Condition, Subject, history, long, seconds, short, stamp
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, KUSTOMIZATION
from gitops_rollback.sandbox.rendering import Json, RenderError, render

SHORTEST_TIMEOUT = 30.0
STEP_SECONDS = 0.02
_BUILD = "rpc error: code = Unknown desc = kustomize build failed exit status 1: Error: "


class KustomizeController:
    """Applies what sources hold to the same API that holds the Kustomizations."""

    manager = "kustomize-controller"

    def __init__(self, repositories: Mapping[str, Repository], timing: Timing) -> None:
        self._repositories = repositories
        self._timing = timing

    def reconcile(self, subject: Subject) -> Reconciliation:
        """One reconciliation; answers in how many seconds the next one is due."""
        if subject.spec.get("suspend"):
            subject.fields(observedGeneration=subject.generation, **subject.acknowledged())
            return float("inf")
        source = self._source(subject)
        artifact = ((source or {}).get("status") or {}).get("artifact")
        if source is None or not artifact:
            words = "Source artifact not found, retrying in 30s"
            self._not_begun(subject, "ArtifactFailed", words)
            return self._timing.requeue
        waits_for = self._unready_dependency(subject, artifact["revision"])
        if waits_for:
            self._not_begun(subject, "DependencyNotReady", waits_for)
            return self._timing.requeue
        return (yield from _Run(subject, source, artifact["revision"], self._repositories, self._timing).steps())

    def delete(self, subject: Subject) -> None:
        """What the finalizer is for: what it applied goes too, unless it is suspended or does not prune."""
        if subject.spec.get("prune") and not subject.spec.get("suspend"):
            prune(subject, (subject.status.get("inventory") or {}).get("entries") or (), ())

    def _source(self, subject: Subject) -> Json | None:
        ref = subject.spec["sourceRef"]
        if ref.get("kind") != "GitRepository":
            return None
        return subject.store.find(GIT_REPOSITORY, ref["name"], ref.get("namespace") or subject.namespace)

    def _not_begun(self, subject: Subject, reason: str, words: str) -> None:
        subject.conditions(Condition("Ready", "False", reason, words), drop=("Reconciling",))
        subject.fields(**subject.acknowledged())

    def _unready_dependency(self, subject: Subject, revision: str) -> str:
        for one in subject.spec.get("dependsOn") or ():
            namespace = one.get("namespace") or subject.namespace
            named = f"dependency '{namespace}/{one['name']}'"
            found = subject.store.find(KUSTOMIZATION, one["name"], namespace)
            if found is None:
                return f"{named} not found"
            status = found.get("status") or {}
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
            if not ready or status.get("observedGeneration") != found["metadata"]["generation"]:
                return f"{named} is not ready"
            same = found["spec"]["sourceRef"] == subject.spec["sourceRef"]
            if same and status.get("lastAppliedRevision") != revision:
                return f"{named} revision is not up to date"
        return ""


class _Run:
    """One reconciliation of one revision, from the fetch to the status."""

    def __init__(
        self,
        subject: Subject,
        source: Json,
        revision: str,
        repositories: Mapping[str, Repository],
        timing: Timing,
    ) -> None:
        self.subject = subject
        self.revision = revision
        self.repository = repositories[source["spec"]["url"]]
        self.retry = seconds(subject.spec.get("retryInterval"), seconds(subject.spec.get("interval"), 60.0))
        self.timeout = timeout_of(subject.spec)
        self.began: datetime = subject.store.now()
        self.timing = timing

    def steps(self) -> Reconciliation:
        subject, tail = self.subject, self._tail()
        subject.conditions(
            Condition("Reconciling", "True", "Progressing", f"Fetching manifests {tail}"),
            Condition("Ready", "Unknown", "Progressing", "Reconciliation in progress"),
        )
        yield STEP_SECONDS
        path = posixpath.normpath(str(subject.spec.get("path") or ".")).strip("/")
        tree = self.repository.tree(self.revision.rpartition(":")[2])
        if path != "." and not tree.files(path):
            words = f"kustomization path not found: stat /tmp/kustomization/{path}: no such file or directory"
            return self._failed("ArtifactFailed", words, "Fetching")
        subject.conditions(Condition("Reconciling", "True", "Progressing", f"Building manifests {tail}"))
        subject.fields(lastAttemptedRevision=self.revision)
        yield STEP_SECONDS
        namespace = str(subject.spec.get("targetNamespace") or "default")
        try:
            manifests = render(tree, {"path": path, "directory": {"recurse": True}}, namespace).manifests
        except RenderError as exc:
            return self._failed("BuildFailed", f"kustomize build failed: {str(exc).removeprefix(_BUILD)}", "Building")
        return (yield from self._apply([_placed(one, subject.spec) for one in manifests]))

    def _apply(self, manifests: list[Json]) -> Reconciliation:
        subject, tail = self.subject, self._tail()
        digest = f"sha256:{hashlib.sha256(json.dumps(manifests, sort_keys=True).encode()).hexdigest()}"
        subject.conditions(Condition("Reconciling", "True", "Progressing", f"Detecting drift {tail}"))
        yield STEP_SECONDS
        try:
            apply(subject, manifests)
        except ApplyError as exc:
            return self._failed("ReconciliationFailed", str(exc), "Detecting", digest)
        before = (subject.status.get("inventory") or {}).get("entries") or ()
        inventory = {"entries": entries(manifests)}
        if subject.spec.get("prune"):
            prune(subject, before, inventory["entries"])
        if not _waits(subject.spec):
            self._applied(digest, inventory)
        else:
            healthy = yield from self._wait(manifests, inventory, digest)
            if not healthy:
                return self.retry
            self._applied(digest, inventory)
        return seconds(subject.spec.get("interval"), 60.0)

    def _wait(self, manifests: list[Json], inventory: Json, digest: str) -> Generator[float, None, bool]:
        subject, running = self.subject, f"Running health checks {self._tail()}"
        subject.conditions(
            Condition("Reconciling", "True", "Progressing", running),
            Condition("Healthy", "Unknown", "Progressing", running),
        )
        if subject.status.get("inventory") != inventory:
            subject.fields(inventory=inventory)
        since = subject.store.now()
        yield STEP_SECONDS
        words = yield from waited(subject.store, _watched(subject.spec, manifests), self.timeout, self.timing.poll)
        took = short(subject.store.now() - since)
        if words:
            self._unhealthy(f"health check failed after {took}: {words}", words, digest)
            return False
        subject.conditions(Condition("Healthy", "True", "Succeeded", f"Health check passed in {took}"))
        yield STEP_SECONDS
        return True

    def _unhealthy(self, message: str, words: str, digest: str) -> None:
        running = f"Running health checks {self._tail()}"
        self.subject.conditions(
            Condition("Reconciling", "True", "ProgressingWithRetry", running),
            Condition("Ready", "False", "HealthCheckFailed", message),
            Condition("Healthy", "False", "HealthCheckFailed", words),
        )
        self.subject.fields(history=self._history(digest, "HealthCheckFailed"), **self.subject.acknowledged())

    def _applied(self, digest: str, inventory: Json) -> None:
        subject = self.subject
        drop = ("Reconciling",) if _waits(subject.spec) else ("Reconciling", "Healthy")
        subject.conditions(
            Condition("Ready", "True", "ReconciliationSucceeded", f"Applied revision: {self.revision}"), drop=drop
        )
        subject.fields(
            inventory=inventory,
            history=self._history(digest, "ReconciliationSucceeded"),
            lastAppliedRevision=self.revision,
            observedGeneration=subject.generation,
            **subject.acknowledged(),
        )

    def _failed(self, reason: str, words: str, doing: str, digest: str = "") -> float:
        work = {"Fetching": "Fetching manifests", "Building": "Building manifests"}.get(doing, "Detecting drift")
        self.subject.conditions(
            Condition("Reconciling", "True", "ProgressingWithRetry", f"{work} {self._tail()}"),
            Condition("Ready", "False", reason, words),
        )
        more = {"history": self._history(digest, reason)} if digest else {}
        self.subject.fields(**{**more, **self.subject.acknowledged()})
        return self.retry

    def _history(self, digest: str, outcome: str) -> list[Json]:
        now = self.subject.store.now()
        known = self.subject.status.get("history") or ()
        return history(known, digest, outcome, self.revision, now - self.began, stamp(now))

    def _tail(self) -> str:
        return f"for revision {self.revision} with a timeout of {long(self.timeout)}"


def timeout_of(spec: Json) -> float:
    """How long a health wait may take: never below half a minute."""
    given = seconds(spec.get("timeout"), seconds(spec.get("interval"), 60.0) - SHORTEST_TIMEOUT)
    return max(given, SHORTEST_TIMEOUT)


def _waits(spec: Json) -> bool:
    return bool(spec.get("wait") or spec.get("healthChecks"))


def _watched(spec: Json, manifests: list[Json]) -> list[Json]:
    if spec.get("wait"):
        return manifests
    return [
        {**one, "metadata": {"name": one["name"], "namespace": one.get("namespace", "")}}
        for one in spec.get("healthChecks") or ()
    ]


def _placed(manifest: Json, spec: Json) -> Json:
    """With the namespace that the Kustomization gives to all."""
    if not spec.get("targetNamespace") or "namespace" not in manifest["metadata"]:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": spec["targetNamespace"]}}
