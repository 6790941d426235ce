"""What becomes of a Deployment in a simulated world? The truth about its image decides: ready, never ready, given up.

There are no Pods: what Flux's health wait looks at is the status alone.
"""

from __future__ import annotations

from random import Random

from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.kubernetes import By, Store
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT
from gitops_rollback.sandbox.kubernetes.pods import stamp
from gitops_rollback.sandbox.kubernetes.rollouts import Counts, Progress, deployment_status
from gitops_rollback.sandbox.rendering import images_of
from gitops_rollback.sandbox.simulation.truth import Truth

STATUS = By("kube-controller-manager", status=True)


class TrueRollouts:
    """`sandbox.flux.sandbox.Rolling`. A Deployment has the name of its application."""

    def __init__(self, store: Store, truth: Truth, random: Random) -> None:
        self._store = store
        self._truth = truth
        self._random = random

    def reconcile(self, name: str, namespace: str) -> Steps:
        """As in `Rolling`: what crashes is given up at its progress deadline, what hangs is waited for."""
        words = self._words(name, namespace)
        self._say(name, namespace, Progress.UPDATING, 0)
        yield self._random.uniform(1, 8)
        if words & self._truth.hangs:
            return
        if words & self._truth.crashes:
            yield self._random.uniform(15, 90)
            self._say(name, namespace, Progress.LATE, 0)
            return
        self._say(name, namespace, Progress.AVAILABLE, 1)

    def _words(self, name: str, namespace: str) -> set[str]:
        images = images_of(self._store.get(DEPLOYMENT, name, namespace))
        return {image.rpartition(":")[2] for image in images} & self._truth.faulty.get(name, set())

    def _say(self, name: str, namespace: str, progress: Progress, ready: int) -> None:
        live = self._store.get(DEPLOYMENT, name, namespace)
        generation, before = live["metadata"]["generation"], live.get("status") or {}
        counts, now = Counts(1, 1, ready), stamp(self._store.now())
        status = deployment_status(f"{name}-{generation}", progress, counts, generation, before, now)
        self._store.change(DEPLOYMENT, name, namespace, lambda body: body.update(status=status), STATUS)
