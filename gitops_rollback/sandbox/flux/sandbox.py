"""Flux's controllers at work on the sandbox's Kubernetes API, over real repositories, by the sandbox's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from gitops_rollback.sandbox.argocd.repository import BareRepository
from gitops_rollback.sandbox.argocd.scheduler import Scheduler, Steps, Task
from gitops_rollback.sandbox.clock import SandboxClock
from gitops_rollback.sandbox.flux.cloud import run
from gitops_rollback.sandbox.flux.helm import HelmChartController, HelmController, Packages
from gitops_rollback.sandbox.flux.image import ImageAutomationController
from gitops_rollback.sandbox.flux.kustomize import KustomizeController
from gitops_rollback.sandbox.flux.repositories import BareBranch, Branches, Repository
from gitops_rollback.sandbox.flux.rollout import Rollouts
from gitops_rollback.sandbox.flux.source import SourceController
from gitops_rollback.sandbox.flux.spec import Reconciliation, Timing
from gitops_rollback.sandbox.flux.status import FINALIZER, REQUESTED_AT, Subject
from gitops_rollback.sandbox.flux.waking import woken_by
from gitops_rollback.sandbox.kubernetes import Store
from gitops_rollback.sandbox.kubernetes.history import DELETED, Change, Ref
from gitops_rollback.sandbox.kubernetes.kinds import (
    CLOUD_KINDS,
    DEPLOYMENT,
    GIT_REPOSITORY,
    HELM_CHART,
    HELM_RELEASE,
    IMAGE_UPDATE_AUTOMATION,
    KUSTOMIZATION,
    Kind,
)
from gitops_rollback.sandbox.rendering import Json


class Controller(Protocol):
    """One controller of Flux's, at work on one kind."""

    manager: str  # by which it writes

    def reconcile(self, subject: Subject) -> Reconciliation:
        """Work on one object; answers in how many seconds to look at it again."""
        ...

    def delete(self, subject: Subject) -> None:
        """What is to be done before an object goes."""
        ...


class Rolling(Protocol):
    """What becomes of a Deployment."""

    def reconcile(self, name: str, namespace: str) -> Steps:
        """Roll one out, as far as it goes; ends when nothing happens by itself any more."""
        ...


@dataclass
class _Worker:
    """Who works on one object. While it is busy, what happens to the object is only remembered."""

    task: Task | None = None
    idle: bool = False
    dirty: bool = False


class FluxSandbox:
    """`repositories` names one for each URL, or the path of a bare one. Objects are found in `store` as they come."""

    def __init__(
        self,
        store: Store,
        repositories: Mapping[str, Path | Repository],
        clock: SandboxClock,
        timing: Timing | None = None,
        rollouts: Rolling | None = None,
        branches: Mapping[str, Branches] | None = None,
    ) -> None:
        """`rollouts`: who rolls Deployments out; by default ReplicaSets and Pods that obey their image's tag.

        `branches`: what image automations write, for each URL; by default those of the bare repositories.
        """
        self.store = store
        bare = {url: BareRepository(one) if isinstance(one, Path) else one for url, one in repositories.items()}
        self._timing = timing or Timing()
        self._scheduler = Scheduler(clock)
        self._lock = threading.Lock()
        self._workers: dict[Ref, _Worker] = {}
        packages: Packages = {}
        self._controllers: Mapping[Kind, Controller] = {
            GIT_REPOSITORY: SourceController(bare),
            HELM_CHART: HelmChartController(bare, packages),
            KUSTOMIZATION: KustomizeController(bare, self._timing),
            HELM_RELEASE: HelmController(packages, self._timing),
            IMAGE_UPDATE_AUTOMATION: ImageAutomationController(
                {url: partial(BareBranch, one) for url, one in repositories.items() if isinstance(one, Path)}
                | dict(branches or {})
            ),
        }
        self._rollouts = rollouts or Rollouts(store, self._timing)

    @property
    def failures(self) -> list[BaseException]:
        """What escaped from the controllers: nothing should."""
        return self._scheduler.failures

    def start(self) -> None:
        """Begin with what is there, and hear of what comes."""
        self._attend()
        self._scheduler.start()

    def drive(self, pass_to: Callable[[datetime], None]) -> None:
        """Instead of `start`: nothing happens but by `step`. `pass_to(moment)` lets the clock come to a moment."""
        self._scheduler.drive(pass_to)
        self._attend()

    def step(self) -> bool:
        """Let time pass to the next thing that a controller does, and do it; False if there is none."""
        return self._scheduler.step()

    def due(self) -> datetime | None:
        """When the next step is due; None if nothing is."""
        return self._scheduler.due()

    def stop(self) -> None:
        """Work no more."""
        self._scheduler.stop()

    def pause(self, paused: bool) -> None:
        """Stop all work of all controllers until switched off."""
        self._scheduler.pause(paused)

    def _attend(self) -> None:
        self.store.on_change(self._changed)
        for kind in (*self._controllers, DEPLOYMENT):  # what there is of CLOUD_KINDS has run
            for body in self.store.objects(kind):
                self._wake(Ref(kind, body["metadata"].get("namespace", ""), body["metadata"]["name"]))

    def _changed(self, change: Change) -> None:
        ref = change.ref
        if ref.kind in self._controllers and change.type != DELETED and _calls(change):
            self._wake(ref)
        for other in woken_by(self.store, change):
            self._wake(other)
        if ref.kind is DEPLOYMENT or ref.kind in CLOUD_KINDS:
            if change.type == DELETED:
                self._forget(ref)
            elif _generation(change.after) != _generation(change.before or {}):
                self._restart(ref)

    def _wake(self, ref: Ref) -> None:
        with self._lock:
            worker = self._workers.get(ref)
            if worker is None:
                worker = self._workers[ref] = _Worker()
                worker.task = self._scheduler.spawn(ref.name, self._work(ref, worker))
                return
            worker.dirty = True
            wake = worker.idle
        if wake and worker.task is not None:
            self._scheduler.wake(worker.task)

    def _restart(self, ref: Ref) -> None:
        """A rollout begins anew, wherever the one before is."""
        self._forget(ref)
        with self._lock:
            worker = self._workers[ref] = _Worker()
            worker.task = self._scheduler.spawn(ref.name, self._roll(ref, worker))

    def _forget(self, ref: Ref) -> None:
        with self._lock:
            self._workers.pop(ref, None)

    def _roll(self, ref: Ref, worker: _Worker) -> Steps:
        if ref.kind is DEPLOYMENT:
            steps = self._rollouts.reconcile(ref.name, ref.namespace)
        else:
            steps = run(self.store, ref.kind, ref.name, ref.namespace)
        for delay in steps:
            yield delay
            if self._workers.get(ref) is not worker:
                return

    def _work(self, ref: Ref, worker: _Worker) -> Steps:
        controller = self._controllers[ref.kind]
        while True:
            worker.dirty = False
            subject = Subject(self.store, ref.kind, ref.namespace, ref.name, controller.manager)
            if not subject.load() or _is_ended(subject, controller):
                self._forget(ref)
                return
            subject.hold()
            delay = yield from controller.reconcile(subject)
            with self._lock:
                worker.idle = not worker.dirty
            yield delay if worker.idle else 0.0
            worker.idle = False


def _is_ended(subject: Subject, controller: Controller) -> bool:
    """Whether the object is to go; then it is let go."""
    metadata = subject.body["metadata"]
    if "deletionTimestamp" not in metadata:
        return False
    controller.delete(subject)
    subject.finalize([one for one in metadata.get("finalizers") or () if one != FINALIZER])
    return True


def _calls(change: Change) -> bool:
    """Whether a controller looks at its object after this write: a new spec, a new request, the end."""
    before, after = change.before or {}, change.after
    parts = (_generation, _asked, _is_condemned)
    return any(part(before) != part(after) for part in parts)


def _generation(body: Json) -> object:
    return (body.get("metadata") or {}).get("generation")


def _asked(body: Json) -> object:
    return ((body.get("metadata") or {}).get("annotations") or {}).get(REQUESTED_AT)


def _is_condemned(body: Json) -> object:
    return "deletionTimestamp" in (body.get("metadata") or {})
