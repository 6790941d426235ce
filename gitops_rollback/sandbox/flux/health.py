"""Is an applied object healthy, as Flux's health wait means it?

Source: fluxcd/cli-utils kstatus/status/core.go.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from gitops_rollback.sandbox.flux.applying import APPLIED, named
from gitops_rollback.sandbox.kubernetes import Store, kind_of
from gitops_rollback.sandbox.rendering import Json


@dataclass(frozen=True)
class Unhealthy:
    """One object that is not healthy: still on its way, or `failed`."""

    name: str
    failed: bool


def waited(store: Store, watched: Sequence[Json], timeout: float, poll: float) -> Generator[float, None, str]:
    """Wait until all of `watched` are healthy: "" then, else in the words of Flux what the wait was in vain for.

    It ends before `timeout` seconds once an object has failed. It looks every `poll` seconds.
    """
    since = store.now()
    while True:
        took = (store.now() - since).total_seconds()
        left = unhealthy(store, watched)
        if not left:
            return ""
        stalled = [f"{one.name} status: 'Failed'" for one in left if one.failed]
        if stalled:
            return f"failed early due to stalled resources: [{', '.join(stalled)}]"
        if took >= timeout:
            waiting = [f"{one.name} status: 'InProgress'" for one in left]
            return f"timeout waiting for: [{', '.join(waiting)}]"
        yield min(poll, max(0.01, timeout - took))


def unhealthy(store: Store, watched: Sequence[Json]) -> list[Unhealthy]:
    """Those of `watched` that are not there or not healthy, in their order by name."""
    found = []
    for one in sorted(watched, key=named):
        live = store.find(kind_of(one, APPLIED), one["metadata"]["name"], one["metadata"].get("namespace") or "")
        verdict = _verdict(live)
        if verdict != "Current":
            found.append(Unhealthy(named(one), verdict == "Failed"))
    return found


def _verdict(live: Json | None) -> str:
    if live is None:
        return "NotFound"
    if live["kind"] != "Deployment":
        return "Current"
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return "InProgress"
    reasons = {one["type"]: one["reason"] for one in status.get("conditions") or ()}
    if reasons.get("Progressing") == "ProgressDeadlineExceeded":
        return "Failed"
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
    done = all(count == wanted for count in counts) and reasons.get("Progressing") == "NewReplicaSetAvailable"
    return "Current" if done or wanted == 0 else "InProgress"
