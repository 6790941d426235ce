"""What do the controllers of infrastructure say of their objects, in a cluster where each run takes a while?

Pure, from the object and the time. Argo CD has no health of its own for these kinds here, as without a customization.
Source: flux-iac/tofu-controller api/v1alpha2 (TerraformProgressing, TerraformPlannedWithChanges, TerraformApplied);
crossplane-runtime apis/common/condition.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gitops_rollback.sandbox.argocd.live import LiveObject
from gitops_rollback.sandbox.kubernetes.pods import stamp
from gitops_rollback.sandbox.rendering import Json

PLANS_FOR, RUNS_FOR = timedelta(seconds=30), timedelta(minutes=3)
RECONCILES_FOR = timedelta(seconds=20)
PLAN = "plan-main"


def terraform_status(live: LiveObject, now: datetime) -> Json:
    """It plans, and applies what `approvePlan` lets it."""
    planned, applied = live.applied + PLANS_FOR, live.applied + RUNS_FOR
    if now < planned:
        waits = _condition("Ready", "Unknown", "Progressing", "Reconciliation in progress", live.applied)
        return {"observedGeneration": live.generation - 1, "conditions": [waits], "plan": {}}
    pending = f"{PLAN}-{live.generation}"
    if now < applied or (live.manifest.get("spec") or {}).get("approvePlan") != "auto":
        said = f'Plan generated: set approvePlan: "{pending}" to approve this plan.'
        ready = _condition("Ready", "Unknown", "TerraformPlannedWithChanges", said, planned)
        return {"observedGeneration": live.generation, "conditions": [ready], "plan": {"pending": pending}}
    ready = _condition("Ready", "True", "TerraformAppliedSucceed", "Applied successfully", applied)
    return {"observedGeneration": live.generation, "conditions": [ready], "plan": {"lastApplied": pending}}


def resource_status(live: LiveObject, now: datetime) -> Json:
    """A managed resource of Crossplane."""
    done = live.applied + RECONCILES_FOR
    if now < done:
        return {"conditions": [_condition("Ready", "False", "Creating", "", live.applied)]}
    listed = [
        _condition("Synced", "True", "ReconcileSuccess", "", done),
        _condition("Ready", "True", "Available", "", done),
    ]
    return {"conditions": [{**one, "observedGeneration": live.generation} for one in listed]}


def _condition(kind: str, status: str, reason: str, message: str, at: datetime) -> Json:
    said = {"message": message} if message else {}
    return {"type": kind, "status": status, "reason": reason, **said, "lastTransitionTime": stamp(at)}
