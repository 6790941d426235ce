"""How does the result of a comparison stand in an Application's status?

Source: argo-cd v3.5.1 controller/appcontroller.go (persistAppStatus), and the recorded states.
"""

from __future__ import annotations

from datetime import datetime

from gitops_rollback.sandbox.argocd.autosync import pinned
from gitops_rollback.sandbox.argocd.comparison import Comparison, Target
from gitops_rollback.sandbox.argocd.spec import sources_of
from gitops_rollback.sandbox.argocd.state import stamp
from gitops_rollback.sandbox.rendering import Json


def put_comparison(spec: Json, status: Json, target: Target, found: Comparison) -> None:
    """Write what a comparison found."""
    compared: Json = {"source": {"repoURL": ""}, "destination": spec["destination"]}
    many = bool(spec.get("sources"))
    compared.update({"sources": spec["sources"]} if many else {"source": sources_of(spec)[0]})
    revisions = {key: value for key, value in pinned(spec, target.revisions).items() if key.startswith("revision")}
    status["sync"] = {"status": found.sync, "comparedTo": compared, **revisions}
    status["resources"] = list(found.resources)
    status["resourceHealthSource"] = "appTree"
    status["controllerNamespace"] = "argocd"
    status.pop("sourceType", None)
    status.pop("sourceTypes", None)
    if target.source_types:
        status.update({"sourceTypes": list(target.source_types)} if many else {"sourceType": target.source_types[0]})


def put_health(status: Json, health: str, images: list[str], now: datetime) -> None:
    """Write the health of the application and the images of its pods; a change of health gets a time."""
    if status["health"].get("status") != health:
        status["health"] = {"status": health, "lastTransitionTime": stamp(now)}
    status["summary"] = {"images": images} if images else {}


def put_conditions(status: Json, comparison_error: str, sync_error: str, now: datetime) -> None:
    """Write the errors of the comparison and of auto-sync ("": none); one that stays keeps its time."""
    before = {(each["type"], each["message"]): each for each in status.get("conditions", ())}
    wanted = [("ComparisonError", comparison_error), ("SyncError", sync_error)]
    conditions = [
        before.get((kind, message), {"type": kind, "message": message, "lastTransitionTime": stamp(now)})
        for kind, message in wanted
        if message
    ]
    if conditions:
        status["conditions"] = conditions
    else:
        status.pop("conditions", None)
