"""Reasons and errors: why something was done, was not done, or could not be done.

A `Reason` is the one word that stands in journal, log, metric label, notification and docs. Declining to act is a
`Decision` with a reason, never an error. Errors are for what went wrong outside, and say whether waiting helps
(`TransientError`) or a person must change something (`StalledError`).
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Every decision has one, inaction included. Add a word here before you use it anywhere."""

    # Nothing to do, or not yet.
    NO_POLICY = "NoPolicy"
    NO_RECENT_SYNC = "NoRecentSync"
    QUIET = "Quiet"
    PENDING = "Pending"
    WARMING_UP = "WarmingUp"
    STALE_TICK = "StaleTick"
    LOG_ONLY = "LogOnly"
    TRIGGER_FIRED = "TriggerFired"
    ALREADY_UNDONE = "AlreadyUndone"
    # Measuring did not work: never a reason to act.
    NO_DATA = "NoData"
    NO_TRAFFIC = "NoTraffic"
    TELEMETRY_LOST = "TelemetryLost"
    ALERT_SUPPRESSED = "AlertSuppressed"  # silenced, muted or inhibited in Alertmanager
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    METRICS_OUTAGE = "MetricsOutage"  # for none of several applications: one page for all of them
    QUERY_INVALID = "QueryInvalid"
    QUERY_BUDGET = "QueryBudget"
    REMOTE_UNAVAILABLE = "RemoteUnavailable"
    ORIGIN_NOT_ALLOWED = "OriginNotAllowed"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    ENGINE_UNCLEAR = "EngineUnclear"
    REPOSITORY_UNAVAILABLE = "RepositoryUnavailable"
    # Not this sync, not this commit.
    NOT_OURS = "NotOurs"
    NO_BASELINE = "NoBaseline"
    NO_LAST_GOOD = "NoLastGood"
    NO_SUSPECT = "NoSuspect"
    SEVERAL_SUSPECTS = "SeveralSuspects"
    SUSPECT_UNCERTAIN = "SuspectUncertain"  # the policy asks for more certainty than the ranking has
    OUTSIDE_INPUTS = "OutsideInputs"  # commits were deployed, and none changes a file that it renders from
    SHARED_INPUTS_CHANGED = "SharedInputsChanged"
    RESTORES_EARLIER_TREE = "RestoresEarlierTree"
    NOT_FIRST_PARENT = "NotOnFirstParent"
    OUR_OWN_COMMIT = "OurOwnCommit"
    SUPERSEDED = "Superseded"
    # Limits that a person set, or that the controller sets itself.
    SUGGEST_ONLY = "SuggestOnly"
    CHEAPER_OTHERWISE = "CheaperOtherwise"  # the policy decides by costs, and a rollback is not the cheapest way
    SUSPENDED = "Suspended"
    PAUSED = "Paused"
    PAUSE_UNREADABLE = "PauseUnreadable"
    SILENCED = "Silenced"  # people are not told for a while; what is decided stays the same
    NO_POLICY_IN_FORCE = "NoPolicyInForce"
    POLICY_INVALID = "PolicyInvalid"
    FEATURE_NOT_BUILT = "FeatureNotBuilt"
    REPOSITORY_MISMATCH = "RepositoryMismatch"
    COOLDOWN = "Cooldown"
    BUDGET_SPENT = "BudgetSpent"
    ALREADY_ROLLED_BACK = "AlreadyRolledBack"
    MASS_EVENT = "MassEvent"
    INCIDENT = "Incident"
    REJECTED = "Rejected"
    REQUESTED = "Requested"
    ABORTED = "Aborted"
    # Guards.
    IRREVERSIBLE = "Irreversible"
    DESTROYS = "DestroysResources"  # of infrastructure, by the run that follows the plan
    MIGRATION_RAN = "MigrationRan"
    DATA_AT_RISK = "DataAtRisk"
    QUARANTINE = "Quarantine"
    CAME_BACK = "CameBack"
    UNKNOWN_GROUND = "UnknownGround"
    WRITTEN_BY_ANOTHER = "WrittenByAnother"
    NOT_ON_THIS_BRANCH = "NotOnThisBranch"
    NO_COMMIT = "NoCommit"
    PENDING_CHANGES = "PendingChanges"
    CLAIMED_TWICE = "ClaimedTwice"  # another application applies the same directory to the same place
    RESTARTS_NOTHING = "RestartsNothing"  # what the plan changes was read when the Pods started, and they go on
    LEFT_ALONE = "LeftAlone"  # the engine is told not to apply a change of that object
    NO_PATH = "NoPath"  # the suspect's deployment changed nothing in the cluster
    WINDOW_CLOSED = "WindowClosed"
    # Guards, about Flux: a commit on the branch would not be applied.
    SUSPENDED_APPLICATION = "SuspendedApplication"  # the Kustomization or HelmRelease itself is suspended
    SUSPENDED_SOURCE = "SuspendedSource"  # a source that fetches nothing, or what brings a HelmRelease, is suspended
    PINNED_SOURCE = "PinnedSource"  # the source follows a tag, a range of tags or a commit, and no branch
    NOT_GIT = "NotGit"  # what is applied comes from no git repository: an OCI artifact, a bucket, a person
    SOURCE_NOT_READY = "SourceNotReady"  # the source cannot fetch; what it fetched last goes on being applied
    SOURCE_MISSING = "SourceMissing"  # the source object is not there, or may not be read
    SIGNED_COMMITS_ONLY = "SignedCommitsOnly"  # the source takes signed commits only, and ours bear no signature
    DEPENDENCY_BLOCKS = "DependencyBlocks"  # what it depends on will not get ready by itself
    IMAGE_AUTOMATION = "ImageAutomation"  # an image automation would write the bad image into the branch again
    IMAGE_MISSING = "ImageMissing"  # an image that would come back is not in its registry any more
    IMAGE_UNKNOWN = "ImageUnknown"  # whether it is there could not be told
    CHART_MISSING = "ChartMissing"  # a version of a chart that would come back is not in its repository any more
    CHART_UNKNOWN = "ChartUnknown"  # whether it is there could not be told
    VERSION_NOT_SERVED = "VersionNotServed"  # objects come back of a version of the API that the cluster has not
    REFERENCE_MISSING = "ReferenceMissing"  # a Secret or ConfigMap that its Pods would need is not there any more
    NOT_REHEARSED = "NotRehearsed"  # the policy requires that its rollback was practised, and none is known
    CAPACITY = "Capacity"
    PROTECTED_PATH = "ProtectedPath"
    FOREIGN_TENANT = "ForeignTenant"
    BLAST_RADIUS = "BlastRadius"
    SCHEDULE = "Schedule"
    TRAILER = "Trailer"
    GOES_TOGETHER = "GoesTogether"
    CASCADE_TOO_DEEP = "CascadeTooDeep"  # more levels of dependants would go back first than the policy allows
    DEPENDENCY_ROLLED_BACK = "DependencyRolledBack"  # it went bad after we took back what it depends on
    FLOOR = "Floor"
    REVERT_CONFLICT = "RevertConflict"
    SUPERSEDES = "Supersedes"
    GATE_FAILED = "GateFailed"
    UNKNOWN_REVISION = "UnknownRevision"
    AMBIGUOUS_REVISION = "AmbiguousRevision"
    ROOT_COMMIT = "RootCommit"
    OCTOPUS_MERGE = "OctopusMerge"
    NO_SUCH_PARENT = "NoSuchParent"
    REQUEST_INVALID = "RequestInvalid"
    GUARD_FAILED = "GuardFailed"
    NOT_AUTOMATIC = "NotAutomatic"  # by its policy: a rollback of it always waits for a person
    # Writing.
    DRILL = "Drill"  # something was broken on purpose, to see that it is found and taken back
    HEARTBEAT = "Heartbeat"  # the way of a rollback was tried, or is being so
    PUSH_REJECTED = "PushRejected"
    BRANCH_PROTECTED = "BranchProtected"
    BRANCH_REWRITTEN = "BranchRewritten"
    REMOTE_REF_LOCKED = "RemoteRefLocked"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    FORGE_UNAVAILABLE = "ForgeUnavailable"
    FORGE_REFUSED = "ForgeRefused"  # one of its rules, or what was asked for is not there
    NO_FORGE = "NoForge"  # the policy wants a pull request, and the settings name no forge for the repository
    FOREIGN_PUSH = "ForeignPush"  # somebody else pushed to the branch of a pull request of ours
    PULL_REQUEST_BLOCKED = "PullRequestBlocked"  # it has not landed in time; the message has the forge's own words
    JOURNAL_LOST = "JournalLost"
    JOURNAL_REWOUND = "JournalRewound"
    JOURNAL_UNWRITABLE = "JournalUnwritable"
    JOURNAL_NEWER = "JournalNewer"
    DISK_FULL = "DiskFull"
    LEASE_LOST = "LeaseLost"  # another replica may act for this repository by now
    # Afterwards.
    OPERATION_RUNNING = "OperationRunning"
    HEALTH_WAIT = "HealthWait"  # the engine waits for the health of the bad revision, and looks at nothing newer
    SYNC_TIMEOUT = "SyncTimeout"
    SYNC_FAILED = "SyncFailed"
    RUN_WAITS = "RunWaits"  # a run of infrastructure waits for a person
    RUN_FAILED = "RunFailed"
    RUN_UNSEEN = "RunUnseen"  # nothing that the policy names shows whether it is over
    VERIFICATION_TIMEOUT = "VerificationTimeout"
    STILL_BAD = "StillBad"
    RECREATED = "Recreated"  # the engine's object was deleted and made anew, so its status says nothing of the old one
    FIELD_EDITED = "FieldEdited"  # somebody set a field of a plan between two of its steps, or stopped traffic after it
    STEP_FAILED = "StepFailed"  # it got worse after a step of a plan
    OLD_VERSION_STRAINED = "OldVersionStrained"  # the version that takes over does not bear the traffic
    GATE_SHUT = "GateShut"  # nothing shows that a step of a coordinated rollback has done what it is for
    STRATEGY_UNFIT = "StrategyUnfit"  # what the policy's strategy names is not there, or not as it must be
    OVERTAKEN = "Overtaken"  # a newer deployment on top of it went bad before it was verified
    VERIFIED = "Verified"
    INTERNAL_ERROR = "InternalError"


# One notice about the whole repository speaks for all the applications whose decisions have it.
FOR_ALL = frozenset({Reason.MASS_EVENT, Reason.METRICS_OUTAGE})


class RollbackError(Exception):
    """Something outside did not work. `subject` names what, `message` says it in one sentence, without secrets."""

    reason: Reason = Reason.INTERNAL_ERROR

    def __init__(self, subject: str, message: str, reason: Reason | None = None) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
        self.message = message
        if reason is not None:
            self.reason = reason


class TransientError(RollbackError):
    """Trying again later may work."""


class StalledError(RollbackError):
    """A person must change something before trying again is worth it."""


class EngineUnavailable(TransientError):
    """The engine did not answer, or answered something that is not its wire format."""

    reason = Reason.ENGINE_UNAVAILABLE


class QueryInvalid(StalledError):
    """The metric source calls the query wrong; asking again gives the same answer."""

    reason = Reason.QUERY_INVALID


class RepositoryUnavailable(TransientError):
    """The git remote did not answer in time, or the clone is unusable for now.

    `retry_after`: how many seconds the remote asks to be left alone; 0 if it does not say.
    """

    reason = Reason.REPOSITORY_UNAVAILABLE
    retry_after = 0.0


class ObjectMissing(StalledError):
    """A commit, tree or blob that was asked for does not exist in this repository."""

    reason = Reason.REPOSITORY_UNAVAILABLE


class CredentialsRejected(StalledError):
    """The other side knows us and says no (401, 403, wrong key)."""

    reason = Reason.CREDENTIALS_REJECTED


class ForgeUnavailable(TransientError):
    """The forge gave no usable answer, or asks for patience. `wait_seconds`: as long as it said; 0 if it did not."""

    reason = Reason.FORGE_UNAVAILABLE

    def __init__(self, subject: str, message: str, wait_seconds: float = 0.0) -> None:
        super().__init__(subject, message)
        self.wait_seconds = wait_seconds


class ForgeRefused(StalledError):
    """The forge understood and said no: a rule, or something that is not there. `status` is its HTTP status."""

    reason = Reason.FORGE_REFUSED

    def __init__(self, subject: str, message: str, status: int) -> None:
        super().__init__(subject, message)
        self.status = status


class BranchRewritten(StalledError):
    """The remote branch no longer contains the head that was read before."""

    reason = Reason.BRANCH_REWRITTEN


class PolicyInvalid(StalledError):
    """A policy cannot be used; `message` holds each fault as `file:line:col: what is wrong`."""

    reason = Reason.POLICY_INVALID


class SettingsInvalid(StalledError):
    """The controller's own settings cannot be used."""

    reason = Reason.POLICY_INVALID


class LeaseLost(TransientError):
    """The lease of the config repository is not ours, or not surely so any more: another replica may act by now."""

    reason = Reason.LEASE_LOST


class JournalBroken(StalledError):
    """The journal is lost, rewound or of a newer schema: hold and page, never act."""

    reason = Reason.JOURNAL_LOST
