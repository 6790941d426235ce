"""What a sandbox Argo CD is made of: its applications, its pace and its sync windows, in a user's words.

Source: argo-cd v3.5.1 pkg/apis/application/v1alpha1/types.go (`ApplicationSpec`, `SyncWindows.CanSync`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_rollback.sandbox.rendering import Json

IN_CLUSTER = "https://kubernetes.default.svc"
DEFAULT_RETRY_LIMIT = 5


@dataclass(frozen=True)
class AppSpec:
    """One application: either `path` (one source) or `sources` (source objects; an absent `repoURL` is filled in).

    With `dry_path` a hydrator renders that directory of `main` into `path` of the branch `target_revision`.
    """

    name: str
    namespace: str = "argocd"
    project: str = "default"
    path: str = ""
    sources: Sequence[Mapping[str, Any]] = ()
    dry_path: str = ""
    target_revision: str = "main"
    destination_namespace: str = ""  # "" is the application's name
    auto_sync: bool = True
    prune: bool = True
    self_heal: bool = False
    retry_limit: int = DEFAULT_RETRY_LIMIT
    history_limit: int = 10
    kustomize: Mapping[str, Any] = field(default_factory=dict)
    directory: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sync_options: Sequence[str] = ("CreateNamespace=true",)


@dataclass(frozen=True)
class Timing:
    """How long things take, in seconds of sandbox time."""

    reconciliation: float = 120.0  # between two looks at the branch, at least
    jitter: float = 60.0  # at most added to it
    ready: float = 3.0  # until a new pod is ready
    progress_deadline: float = 600.0  # until a rollout without a ready pod is Degraded, where the object says nothing
    settle: float = 0.5  # until pods that still run count as ready again
    job: float = 1.5  # until a Job ends
    wave: float = 2.0  # between two waves
    write: float = 0.1  # between two writes of the controller
    events: float = 0.5  # until a change in the cluster reaches the controller
    backoff: float = 5.0  # before the first retry; doubled for each further one
    backoff_limit: float = 180.0
    keepalive: float = 15.0  # of the event stream


@dataclass(frozen=True)
class SyncWindow:
    """One window of the project; `active` says whether its time is now."""

    kind: str = "deny"  # or "allow"
    active: bool = True
    manual_sync: bool = False
    schedule: str = "* * * * *"
    duration: str = "1h"

    def as_json(self) -> Json:
        """The window as the syncwindows answer shows it."""
        shown: Json = {"kind": self.kind, "schedule": self.schedule, "duration": self.duration}
        return {**shown, "manualSync": True} if self.manual_sync else shown


def may_sync(windows: Sequence[SyncWindow], manual: bool) -> bool:
    """Whether the windows allow a sync now; no window allows everything."""
    denying = [window for window in windows if window.active and window.kind == "deny"]
    if denying:
        return manual and all(window.manual_sync for window in denying)
    allowing = [window for window in windows if window.kind == "allow"]
    if not allowing or any(window.active for window in allowing):
        return True
    return manual and all(window.manual_sync for window in allowing)


def sources_of(spec: Mapping[str, Any]) -> list[Json]:
    """The sources of an application's `spec`, one or several."""
    if spec.get("sourceHydrator"):
        dry, synced = spec["sourceHydrator"]["drySource"], spec["sourceHydrator"]["syncSource"]
        return [{"repoURL": dry["repoURL"], "path": synced["path"], "targetRevision": synced["targetBranch"]}]
    return list(spec["sources"]) if spec.get("sources") else [spec["source"]]


def auto_syncs(spec: Mapping[str, Any]) -> bool:
    """Whether `spec` has auto-sync on: `automated` present and `enabled` not false."""
    automated = spec.get("syncPolicy", {}).get("automated")
    return automated is not None and automated.get("enabled") is not False


def application_object(wanted: AppSpec, repo_url: str, uid: str, created: str) -> Json:
    """The Application as it is before the controller has looked at it."""
    metadata: Json = {
        "name": wanted.name,
        "namespace": wanted.namespace,
        "uid": uid,
        "resourceVersion": "0",
        "generation": 1,
        "creationTimestamp": created,
    }
    if wanted.annotations:
        metadata["annotations"] = dict(wanted.annotations)
    if wanted.labels:
        metadata["labels"] = dict(wanted.labels)
    status: Json = {
        "sync": {"status": "", "comparedTo": {"source": {"repoURL": ""}, "destination": {}}},
        "health": {},
        "summary": {},
        "sourceHydrator": {},
    }
    return {"metadata": metadata, "spec": _spec(wanted, repo_url), "status": status}


def _spec(wanted: AppSpec, repo_url: str) -> Json:
    spec: Json = {
        "destination": {"server": IN_CLUSTER, "namespace": wanted.destination_namespace or wanted.name},
        "project": wanted.project,
        "syncPolicy": _sync_policy(wanted),
    }
    if wanted.history_limit != 10:
        spec["revisionHistoryLimit"] = wanted.history_limit
    if wanted.sources:
        spec["sources"] = [
            {"repoURL": repo_url, "targetRevision": wanted.target_revision, **source} for source in wanted.sources
        ]
        return spec
    if wanted.dry_path:
        spec["sourceHydrator"] = {
            "drySource": {"repoURL": repo_url, "path": wanted.dry_path, "targetRevision": "main"},
            "syncSource": {"targetBranch": wanted.target_revision, "path": wanted.path},
        }
        return spec
    source: Json = {"repoURL": repo_url, "path": wanted.path, "targetRevision": wanted.target_revision}
    if wanted.kustomize:
        source["kustomize"] = dict(wanted.kustomize)
    if wanted.directory:
        source["directory"] = dict(wanted.directory)
    spec["source"] = source
    return spec


def _sync_policy(wanted: AppSpec) -> Json:
    policy: Json = {"syncOptions": list(wanted.sync_options)}
    if wanted.auto_sync:
        policy["automated"] = {"prune": wanted.prune, "selfHeal": wanted.self_heal}
    if wanted.retry_limit != DEFAULT_RETRY_LIMIT:
        policy["retry"] = {"limit": wanted.retry_limit}
    return policy
