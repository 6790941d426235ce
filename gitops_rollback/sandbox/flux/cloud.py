"""What becomes of an applied object of infrastructure? Its controller's run takes a while, and says so in its status.

Flux itself waits for none of it here, as without `wait` or health checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.sandbox.argocd.cloud import PLANS_FOR, RECONCILES_FOR, RUNS_FOR, resource_status, terraform_status
from gitops_rollback.sandbox.argocd.live import LiveObject
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.kubernetes import By, Kind, Store
from gitops_rollback.sandbox.kubernetes.kinds import CLOUD_BUCKET, TERRAFORM
from gitops_rollback.sandbox.rendering import Json

STATUS = By("cloud-controller", status=True)
_RUNS: Mapping[Kind, tuple[Callable[[LiveObject, datetime], Json], tuple[timedelta, ...]]] = {
    TERRAFORM: (terraform_status, (PLANS_FOR, RUNS_FOR)),
    CLOUD_BUCKET: (resource_status, (RECONCILES_FOR,)),
}


def run(store: Store, kind: Kind, name: str, namespace: str) -> Steps:
    """One run, from the object's present spec on; it ends with its last word."""
    status_at, phases = _RUNS[kind]
    began = store.now()
    for end in (timedelta(0), *phases):
        now, until = store.now(), began + end
        if now < until:
            yield (until - now).total_seconds()
        found = store.find(kind, name, namespace)
        if found is None:
            return
        said = status_at(_as_applied(found, began), max(until, store.now()))  # a timer may end a moment early
        store.change(kind, name, namespace, partial(_say, said), STATUS)


def _say(status: Json, body: Json) -> None:
    body["status"] = status


def _as_applied(found: Json, began: datetime) -> LiveObject:
    metadata = found["metadata"]
    return LiveObject(found, metadata["uid"], began, began, began, began, generation=metadata["generation"])
