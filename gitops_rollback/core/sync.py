"""What an engine reports: applications, their state, and which revision was deployed to them when.

The engine adapters fill these types; everything behind them is engine-neutral. `status.sync.revision` is only what the
live state was last *compared to*; what was deployed stands in `DeploymentRecord`s.
Source: argo-cd `pkg/apis/application/v1alpha1/types.go` (v3.5.1), see `Health` and `SyncStatus`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gitops_rollback.core.errors import Reason

MALFORMED = "Malformed"
REMEDIATION = "engine-remediation"  # who began a deployment: the engine took its own back, and git still says the other


@dataclass(frozen=True, order=True, slots=True)
class ApplicationId:
    """One application of one engine instance. `str()` is the full name, as it stands in journal and trailers."""

    instance: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.instance}/{self.kind}/{self.namespace}/{self.name}"

    @property
    def short(self) -> str:
        """`namespace/name`, for people."""
        return f"{self.namespace}/{self.name}"


class Health(StrEnum):
    """The engine's own word for an application's health. An unknown word of the engine reads as `UNKNOWN`."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    UNKNOWN = "Unknown"


class SyncStatus(StrEnum):
    """Whether live state equals the desired one at the compared revision."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class OperationPhase(StrEnum):
    """Phase of the engine's last or running operation. An unknown word reads as `UNKNOWN`, never as ended."""

    RUNNING = "Running"
    TERMINATING = "Terminating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    UNKNOWN = "Unknown"

    @property
    def ended(self) -> bool:
        return self in (OperationPhase.SUCCEEDED, OperationPhase.FAILED, OperationPhase.ERROR)


@dataclass(frozen=True)
class Source:
    """One source of an application. Two deployments of equal revisions differ if their sources differ."""

    repo_url: str
    path: str = ""  # directory inside the repository; "" is its root
    target_revision: str = ""  # as written in the spec: a branch, tag, SHA or range; "" is HEAD
    chart: str = ""  # a Helm chart name; then the revision is a chart version, not a commit
    ref: str = ""  # "values" makes `$values/...` of other sources point here
    value_files: tuple[str, ...] = ()
    parameters: str = ""  # all tool settings (helm, kustomize, ...) as canonical JSON; "" if none


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """Revision(s) deployed to one application. `started_at` is t0: metrics are compared from then on.

    `deployed_at` is None while the operation runs and for one that failed but may have changed the cluster.
    `replaced_at` is the t0 of the next record; None for the newest one.
    """

    revisions: tuple[str, ...]  # one per source, aligned with `sources`
    sources: tuple[Source, ...]
    started_at: datetime
    deployed_at: datetime | None = None
    replaced_at: datetime | None = None
    history_id: int | None = None  # the engine's own number, where the record stands in its history
    initiated_by: str = "automated"


@dataclass(frozen=True)
class Judged:
    """What somebody wrote down about an application: at `at` what ran was called `name`, and had begun at `began`.

    `began` is None where that was not written down.
    """

    at: datetime
    name: str
    began: datetime | None = None


@dataclass(frozen=True)
class ResourceResult:
    """What an operation did to one object."""

    group: str
    kind: str
    namespace: str
    name: str
    status: str  # Synced, SyncFailed, Pruned, PruneSkipped; "" if not reached
    message: str = ""
    hook_phase: str = ""
    hook_type: str = ""  # PreSync, Sync, PostSync, SyncFail; "" for an ordinary object
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """The engine's last operation; `in_progress` while the engine still works on it (retries included)."""

    phase: OperationPhase
    revisions: tuple[str, ...]  # what it applied or attempts; () while not resolved yet
    sources: tuple[Source, ...]
    started_at: datetime
    finished_at: datetime | None = None
    in_progress: bool = False
    message: str = ""
    retry_count: int = 0
    initiated_by: str = "automated"
    dry_run: bool = False
    partial: bool = False  # only selected resources, self-heal included: never stands in history
    ends_by: datetime | None = None  # the engine itself gives it up then; None where it does not say
    sooner: str = ""  # how a person can make that such a wait ends sooner the next time
    info: Mapping[str, str] = field(default_factory=dict)
    results: tuple[ResourceResult, ...] = ()


@dataclass(frozen=True)
class ResourceStatus:
    """One managed object as the engine sees it now."""

    group: str
    kind: str
    namespace: str
    name: str
    sync: str = ""  # Synced, OutOfSync, Unknown, ""
    health: str = ""  # a Health word, or "" where the engine does not say

    @property
    def key(self) -> str:
        """Stable name of the object, as it stands in evidence and proofs."""
        return f"{self.group}/{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Obstacle:
    """What in the engine keeps a commit on the branch from being applied, until a person or time takes it away.

    It is told and never taken away by us. `remedy` is what a person can do, as a command where there is one.
    """

    reason: Reason
    message: str
    remedy: str


@dataclass(frozen=True)
class ImageAutomation:
    """What writes images into the application's files by itself, again and again.

    `selects` has the image that each policy stands at, by the name that a mark in a file gives it.
    """

    name: str
    author: str = ""  # mail address of its commits; "" is not known
    selects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplicationState:
    """All that the engine says about one application at one moment (`observed_at`, our clock)."""

    id: ApplicationId
    uid: str
    project: str
    destination: str  # cluster name or API URL
    namespace: str  # where its workloads live
    sources: tuple[Source, ...]
    sync: SyncStatus
    sync_revisions: tuple[str, ...]  # compared to, not deployed; may hold an unresolved ref
    health: Health
    observed_at: datetime
    health_changed_at: datetime | None = None
    reconciled_at: datetime | None = None
    operation: Operation | None = None
    operation_requested: bool = False  # an operation is set but has not reported yet
    requested_revisions: tuple[str, ...] = ()  # what an operation is to apply, changed or not; () if not resolved
    requested_info: Mapping[str, str] = field(default_factory=dict)
    history: tuple[DeploymentRecord, ...] = ()  # oldest first; `replaced_at` filled from the next one
    auto_sync: bool = False
    prune: bool = False
    self_heal: bool = False
    conditions: tuple[tuple[str, str], ...] = ()  # (type, message); type `Malformed` is ours, see `malformed`
    obstacles: tuple[Obstacle, ...] = ()  # as far as a look shows them; `Engine.obstacles` asks for all
    image_automations: tuple[ImageAutomation, ...] = ()
    images: tuple[str, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    hydrated: bool = False  # a source hydrator writes the synced branch: it is another writer
    dry_source: Source | None = None  # what that hydrator reads
    dry_revision: str = ""  # what it read the last time that it succeeded
    plugin: bool = False  # a plugin renders it, by the engine's own word
    applicationset: str = ""  # name of the ApplicationSet that generates it
    deleting: bool = False
    needs: tuple[ApplicationId, ...] = ()  # which others come before it, by its own word

    @property
    def malformed(self) -> str:
        """Which part of the engine's answer could not be read; "" if all could. Such a state is no ground to act on."""
        return "; ".join(message for kind, message in self.conditions if kind == MALFORMED)

    @property
    def busy(self) -> bool:
        """An operation is requested, running, retrying or being terminated."""
        return self.operation_requested or (self.operation is not None and self.operation.in_progress)


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """`record` was deployed to `application`; `previous` is what it replaced (None: the first one known)."""

    application: ApplicationId
    record: DeploymentRecord
    previous: DeploymentRecord | None = None
