"""What the guards are told about a finished plan. Everything that is None could not be seen, and asks a person.

The application layer gathers these facts on the tree that will really be pushed; guards add nothing to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.core.charts import ChartPresence
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.image_updater import ImageUpdate, Managed
from gitops_rollback.core.images import Presence
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.plan import GuardAnswer, Reversal
from gitops_rollback.core.policy import GuardResult, Policy, Target
from gitops_rollback.core.promoter import Promoting
from gitops_rollback.core.provision import Provision
from gitops_rollback.core.references import ReferencePresence
from gitops_rollback.core.rehearsal import Stage
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.running_images import RunningImage
from gitops_rollback.core.sync import Obstacle, Operation
from gitops_rollback.core.upstream import Upstream


@dataclass(frozen=True)
class ChangedFile:
    """One file of a difference with both contents; None is an absent side. `unread` says why a content is missing."""

    path: str
    before: bytes | None
    after: bytes | None
    unread: str = ""


@dataclass(frozen=True)
class OwnFile:
    """One file of the application at the bad revision. `content` None: it was too large or could not be read."""

    path: str
    content: bytes | None


@dataclass(frozen=True)
class LiveObject:
    """One managed object as parsed JSON: as the engine would apply it now, and as it is; {} for an absent side."""

    desired: Mapping[str, object]
    live: Mapping[str, object]


@dataclass(frozen=True)
class TakenBack:
    """A state that a rollback or a person took back: the tree of the inputs (None: not known), and its files.

    `blobs` maps the paths that were changed back to the blob that was taken away.
    """

    at: datetime
    by: str  # Rollback-Id, or a commit
    inputs: str | None
    blobs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BranchFacts:
    """Can a commit on our branch reach the application?

    `follows` is True if a source follows our branch of our repository; else `decided_by` names the file, branch or
    repository that decides. `pending` are commits to the application's inputs in (deployed, head] that are not ours
    and were never deployed. `obstacles` are the engine's own words for what keeps a commit from being applied.
    """

    follows: bool | None
    decided_by: str = ""
    spec_changed: bool | None = None
    auto_sync: bool | None = None
    pending: tuple[str, ...] | None = None
    obstacles: tuple[Obstacle, ...] | None = None
    signs: bool = False  # our commits bear a signature


@dataclass(frozen=True)
class WriterFacts:
    """Signs that something else writes the plan's paths. Lists are newest first.

    `authors` are those of the last ten commits to the paths, our own left out. `copied_from` names the branch or
    folder where the culprit's contents stood before, `merged_from` the one branch that all of the last merges came
    from; "" where there is none, None where nobody looked.
    """

    hydrated: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict)
    root_files: tuple[str, ...] | None = None  # file names at the root of the tree and beside the paths
    next_branch: str = ""  # `<branch>-next` of GitOps Promoter, where it exists
    authors: tuple[str, ...] | None = None
    copied_from: str | None = None
    merged_from: str | None = None
    held: tuple[str, ...] = ()  # `<mail>` of the image automations that the plan keeps from writing these paths again
    promoter: Promoting | None = None  # what GitOps Promoter's objects say of the branch, where they can be seen
    kargo: tuple[str, ...] = ()  # Kargo's promotions that wrote these paths, the culprit's first
    updates: tuple[ImageUpdate, ...] = ()  # by Argo CD Image Updater, in the culprit
    managed: tuple[Managed, ...] = ()  # images that its objects keep up to date in git, where they can be seen
    upstream: Upstream | None = None  # what would be taken back where the writer reads
    unreachable: str = ""  # why that is not known


@dataclass(frozen=True)
class CountedRollback:
    """A rollback with a pushed commit. `automatic` False: a person asked for it; that counts for no budget."""

    at: datetime
    applications: tuple[str, ...]
    repository: str
    automatic: bool = True


@dataclass(frozen=True)
class Limit:
    """At most `most` in any span of length `per`."""

    most: int
    per: timedelta


@dataclass(frozen=True)
class Budgets:
    """The controller's own limits. Source: reliability.md, row 13b."""

    application: tuple[Limit, ...] = (Limit(1, timedelta(minutes=30)), Limit(2, timedelta(hours=24)))
    repository: tuple[Limit, ...] = (Limit(4, timedelta(hours=1)),)
    controller: tuple[Limit, ...] = (Limit(3, timedelta(minutes=10)), Limit(10, timedelta(hours=24)))


@dataclass(frozen=True)
class TenantBudget:
    """How many automatic rollbacks of all its applications a tenant may have in 24 hours."""

    tenant: str
    most: int
    applications: frozenset[str]


@dataclass(frozen=True)
class GuardFacts:
    """A plan and all that is known about it, at `now`."""

    now: datetime
    policy: Policy
    target: Target
    reversal: Reversal  # as built on the head that will be pushed to
    suspects: tuple[Commit, ...]  # the commits that it undoes, newest first
    repository: str = ""
    applications: tuple[str, ...] | None = None  # full names of those whose inputs the plan changes
    files: tuple[ChangedFile, ...] | None = None  # of `reversal.changes`, head -> result
    culprit_files: tuple[ChangedFile, ...] | None = None  # of the suspects' own changes, newest suspect first
    superseded_files: tuple[ChangedFile, ...] | None = None  # of the later commits that the plan supersedes
    own_files: tuple[OwnFile, ...] | None = None
    provision: Provision | None = None  # the infrastructure among `files`
    operation: Operation | None = None  # the one that deployed the bad revision, with its results
    live: tuple[LiveObject, ...] | None = None
    workloads: tuple[WorkloadFacts, ...] | None = None  # of the target, where they can be seen
    running: tuple[RunningImage, ...] | None = None  # by its Pods, where these can be seen
    asks_registries: bool = False  # the settings name a registry of images
    images: tuple[Presence, ...] | None = None  # those that the plan newly names, as `images.coming_back` has them
    charts: tuple[ChartPresence, ...] | None = ()  # those that the plan newly names; None if a file could not be read
    unserved: tuple[str, ...] = ()  # kinds, with the version of the API, that come back and that the cluster has not
    stage: Stage | None = None  # where the target is rehearsed; None too where that cannot be told
    references: tuple[ReferencePresence, ...] | None = ()  # that its Pods need and its manifests do not make
    ground: Ground | None = None  # where the plan ends
    inputs: str | None = None  # tree of the application's inputs at the head, as in `TakenBack`
    taken_back: tuple[TakenBack, ...] | None = None
    branch: BranchFacts | None = None
    writer: WriterFacts | None = None
    forge: bool = False  # the settings name one for the repository
    rollbacks: tuple[CountedRollback, ...] | None = None  # of the last 24 hours at least, all repositories
    budgets: Budgets = Budgets()
    # (application, its newest commit) of those that a policy says depend on this one, and that changed since the oldest
    # of the suspects.
    dependants: tuple[tuple[str, str], ...] | None = ()
    broken_by: RollbackRecord | None = None  # of what it needs: it went bad after that, and not after its own sync
    keeps_replicas: bool = False  # the engine leaves `replicas` of scaled workloads alone (RespectIgnoreDifferences)
    claimed_by: tuple[str, ...] = ()  # other applications that apply the same directory to the same place
    foreign: tuple[str, ...] = ()  # applications and files of other tenants that the plan would change
    tenant: TenantBudget | None = None  # None: no tenants, or one without a budget
    owners: tuple[tuple[str, str], ...] = ()  # (kind, name) of the controllers' objects that move weights by themselves
    skipped: str = ""  # the Canary that Flagger promotes without analysis by the plan
    shifted: frozenset[str] = frozenset()  # files whose weights the policy's strategy takes down
    extra_kinds: frozenset[tuple[str, str]] = frozenset()  # (group, kind) that the settings add


def allow(guard: str, message: str) -> GuardAnswer:
    """The guard looked, and nothing stands in the way."""
    return GuardAnswer(guard, GuardResult.ALLOW, None, message)


def ask(guard: str, reason: Reason, message: str, remedy: str) -> GuardAnswer:
    """A person must look; `remedy` says what that person can do."""
    return GuardAnswer(guard, GuardResult.ASK, reason, message, remedy)


def answer(guard: str, result: GuardResult, reason: Reason, message: str, remedy: str) -> GuardAnswer:
    """An answer with the result that a policy names."""
    return GuardAnswer(guard, result, reason, message, remedy)
