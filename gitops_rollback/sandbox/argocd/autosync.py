"""Would the controller sync by itself now, and what would the operation be? Pure decisions on one Application.

Source: argo-cd v3.5.1 controller/appcontroller.go (autoSync, alreadyAttemptedSync, selfHealRemainingBackoff).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gitops_rollback.sandbox.argocd.comparison import Comparison, Target
from gitops_rollback.sandbox.argocd.spec import DEFAULT_RETRY_LIMIT, auto_syncs, sources_of
from gitops_rollback.sandbox.rendering import Json

ENDED = ("Succeeded", "Failed", "Error")


@dataclass(frozen=True)
class AutoSync:
    """`operation` to start, or `error` to show as a SyncError condition, or neither: nothing to do."""

    operation: Json | None = None
    error: str = ""


NOTHING = AutoSync()


def decide(application: Json, target: Target, found: Comparison, heals: int = 0, unchecked: bool = False) -> AutoSync:
    """What auto-sync does after a comparison; `heals` counts earlier self-heals at these revisions.

    `unchecked`: take any ended operation for one at these revisions, as versions with issue 27875 do.
    """
    spec, status = application["spec"], application["status"]
    if not auto_syncs(spec) or application.get("operation") or found.sync != "OutOfSync":
        return NOTHING
    automated = spec["syncPolicy"]["automated"]
    if found.only_prunes and not automated.get("prune"):
        return NOTHING
    if found.wipes_out and automated.get("prune") and not automated.get("allowEmpty"):
        return AutoSync(
            error=f"Skipping sync attempt to [{' '.join(target.revisions)}]: auto-sync will wipe out all resources"
        )
    operation = automated_operation(spec, target.revisions)
    last = status.get("operationState")
    if last is None or not (unchecked or attempted(last, spec, target.revisions)):
        return AutoSync(operation)
    if last["phase"] != "Succeeded":
        tried = " ".join(revisions_of(last.get("syncResult") or last["operation"]["sync"]))
        return AutoSync(error=f"Failed last sync attempt to [{tried}]: {last.get('message', '')}")
    if not automated.get("selfHeal"):
        return NOTHING
    operation["sync"]["resources"] = [
        {field: row.get(field, "") for field in ("group", "kind", "namespace", "name") if row.get(field)}
        for row in found.resources
        if row.get("status") == "OutOfSync"
    ]
    operation["sync"]["autoHealAttemptsCount"] = heals + 1
    return AutoSync(operation)


def attempted(last: Json, spec: Json, revisions: Sequence[str]) -> bool:
    """Whether the last operation (`operationState`) ended and was about exactly these revisions and sources."""
    if last["phase"] not in ENDED:
        return False
    result = last.get("syncResult") or last["operation"]["sync"]
    return revisions_of(result) == tuple(revisions) and result_sources(result) == sources_of(spec)


def automated_operation(spec: Json, revisions: Sequence[str]) -> Json:
    """The operation of an auto-sync to `revisions`."""
    sync: dict[str, Any] = {**pinned(spec, revisions)}
    if spec["syncPolicy"]["automated"].get("prune"):
        sync["prune"] = True
    if spec["syncPolicy"].get("syncOptions"):
        sync["syncOptions"] = spec["syncPolicy"]["syncOptions"]
    retry = spec["syncPolicy"].get("retry") or {"limit": DEFAULT_RETRY_LIMIT}
    return {"sync": sync, "initiatedBy": {"automated": True}, "retry": retry}


def pinned(spec: Json, revisions: Sequence[str]) -> Json:
    """Sources with their revisions, in the one-source or the many-source form."""
    if spec.get("sources"):
        return {"sources": spec["sources"], "revisions": list(revisions)}
    return {"source": sources_of(spec)[0], "revision": revisions[0]}


def revisions_of(part: Json) -> tuple[str, ...]:
    """The revisions in a sync status, result, operation or history entry; () if it names none."""
    if part.get("revisions"):
        return tuple(part["revisions"])
    return (part["revision"],) if part.get("revision") else ()


def result_sources(part: Json) -> list[Json]:
    """The sources in a result or operation."""
    return list(part["sources"]) if part.get("sources") else [part.get("source", {})]
