"""What the core needs from the world, as protocols. Adapters carry them out, `app` calls them, fakes stand in for them.

Every method may block; each takes its own deadline from its adapter's settings, and raises only `RollbackError`s.
Times are aware UTC `datetime`s, durations `timedelta`s. Nothing here names a library, an engine or a forge.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from gitops_rollback.core.alerts import Alert
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.journal import DecisionEntry as DecisionEntry
from gitops_rollback.core.measurement import Answer
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.policy import ChartVersions, Notification, Workload
from gitops_rollback.core.refs import Heads as Heads
from gitops_rollback.core.refs import PushOutcome as PushOutcome
from gitops_rollback.core.refs import PushResult as PushResult
from gitops_rollback.core.refs import RefUpdate as RefUpdate
from gitops_rollback.core.refs import TreeEntry as TreeEntry
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle
from gitops_rollback.ports.forge import Forge as Forge
from gitops_rollback.ports.lookups import Charts as Charts
from gitops_rollback.ports.lookups import References as References
from gitops_rollback.ports.lookups import Registry as Registry


class Clock(Protocol):
    """Policy time. Deadlines of HTTP, git and processes are real time and never come from here."""

    def now(self) -> datetime:
        """The present, aware UTC. Somebody may set it anew at any time."""
        ...

    def monotonic(self) -> float:
        """Seconds of policy time since some instant of this process's own: for durations, since nothing sets it."""
        ...

    def real_seconds(self, duration: timedelta) -> float:
        """How many real seconds `duration` of policy time takes (they differ in a demo only)."""
        ...


@dataclass(frozen=True)
class ManagedObject:
    """Manifests as parsed JSON; {} for an absent side."""

    desired: Mapping[str, object]
    live: Mapping[str, object]


class Engine(Protocol):
    """One GitOps engine instance (one Argo CD)."""

    instance: str

    def applications(self) -> tuple[ApplicationState, ...]:
        """All applications that the engine shows us: a cheap summary, `history` and operation results may be missing.

        Raises: EngineUnavailable; CredentialsRejected.
        """
        ...

    def application(self, application: ApplicationId, project: str) -> ApplicationState | None:
        """One application in full and fresh; None if it is gone (never for lost rights).

        Raises: EngineUnavailable; CredentialsRejected.
        """
        ...

    def refresh(self, application: ApplicationId, project: str) -> None:
        """Ask the engine to compare with git's newest commit now. Returns once it did; says nothing about success."""
        ...

    def sync(self, application: ApplicationId, project: str, prune: bool, info: Mapping[str, str]) -> bool:
        """Start a sync to the tracked branch's head. False if the engine is busy with another operation.

        `info` marks the operation as ours. Raises: EngineUnavailable; CredentialsRejected; StalledError with the
        reason of an obstacle that makes asking pointless.
        """
        ...

    def terminate(self, application: ApplicationId, project: str) -> None:
        """Ask the engine to end the running operation; no operation is no error. Look again until it is gone."""
        ...

    def obstacles(self, application: ApplicationId, project: str) -> tuple[Obstacle, ...]:
        """All that would keep a commit on the branch from being applied now, the most telling first; () if nothing.

        That commits must be signed is among it whether or not ours are. Raises: EngineUnavailable; CredentialsRejected.
        """
        ...

    def live_objects(self, application: ApplicationId, project: str) -> tuple[ManagedObject, ...]:
        """Desired and live manifest of each managed object (hooks are left out)."""
        ...

    def watch(self, wake: Callable[[ApplicationId], None], stop: threading.Event) -> None:
        """Call `wake` for each application that changed until `stop`; a hint only, events may be lost or repeated."""
        ...

    def probe(self) -> tuple[str, ...]:
        """What is wrong with access to the engine, a sentence each; () if nothing."""
        ...


@runtime_checkable
class Installable(Protocol):
    """An engine that may be missing in the cluster where it is looked for."""

    def installed(self) -> bool:
        """False where the API serves none of its objects. Raises: what the API raises."""
        ...


@runtime_checkable
class Demanding(Protocol):
    """An engine that may ask something of a commit which ours do not have."""

    def demands(self) -> tuple[str, ...]:
        """A sentence for each; () if there is none, or we may not see it. Raises: what the engine raises."""
        ...


@runtime_checkable
class Advising(Protocol):
    """An engine that knows what would make a rollback slow."""

    def advice(self) -> tuple[str, ...]:
        """A sentence each, with what helps; () if there is nothing. Raises: EngineUnavailable; CredentialsRejected."""
        ...


class MetricSource(Protocol):
    """One metric backend. Never raises for what the backend answers: see `Answer.outcome`."""

    name: str

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        """The instant value(s) at `at`. Over the source's limits the highest `priority` is asked first."""
        ...

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        """Samples from `start` to `end`, both inclusive."""
        ...


class Alerts(Protocol):
    """The alerts that Alertmanager knows and that have not ended."""

    def read(self, wanted: Mapping[str, str], cluster: str, timeout: timedelta) -> tuple[Alert, ...]:
        """Those with all the `wanted` labels, of an application in `cluster`; suppressed ones too.

        Raises: RollbackError where that cannot be told in whole; () says that there is none.
        """
        ...


class Workloads(Protocol):
    """What runs of an application's workloads, from Kubernetes itself or through the engine."""

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        """One workload and all that it owns now. Raises: EngineUnavailable; CredentialsRejected; never an empty answer
        for what could not be seen.
        """
        ...


class Objects(Protocol):
    """Objects of any kind in the cluster where an application's workloads run, as they are now."""

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        """Those that are there; one without a namespace is looked for where the application lives.

        Raises: EngineUnavailable; CredentialsRejected; what the API refuses; never an empty answer for what could not
        be seen.
        """
        ...

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        """Whether the application's cluster knows objects of this kind and version; None where that cannot be told."""
        ...


class Renderer(Protocol):
    """Runs the commands that the settings name for generated files: as they are, without a shell, knowing no secret."""

    def run(self, command: Sequence[str], directory: Path, home: Path, timeout: timedelta) -> str:
        """Why `command` did not do its work in `directory`, with the last it said; "" if it did. Leaves no process.

        `home` is an empty folder for what it keeps to itself.

        Raises: RepositoryUnavailable once `close` was called, also by then under way: that says nothing about it.
        """
        ...

    def close(self) -> None:
        """End what runs; nothing is run any more."""
        ...


class ConfigRepo(Protocol):
    """One config repository: a bare clone without a work tree, and its remote. The only way to git."""

    name: str
    url: str

    @property
    def branch(self) -> str:
        """The followed branch; may be "" until the first fetch where the remote's HEAD decides."""
        ...

    @property
    def atomic(self) -> bool:
        """False once the server has said that it cannot move several refs at once."""
        ...

    def fetch(self) -> Heads:
        """Read the remote: branch, journal and control branch, objects included.

        Raises: RepositoryUnavailable; CredentialsRejected; BranchRewritten (the new head is no descendant of the old).
        """
        ...

    def commit(self, sha: str) -> Commit:
        """One commit with its first-parent difference. Raises: ObjectMissing."""
        ...

    def has(self, sha: str) -> bool:
        """True if the clone holds this commit now; never asks the remote."""
        ...

    def commits(self, since: str | None, until: str, limit: int = 1000) -> tuple[Commit, ...]:
        """First-parent commits of (since, until], newest first. Raises: ObjectMissing."""
        ...

    def recent(self, tip: str, limit: int) -> tuple[Commit, ...]:
        """The newest first-parent commits up to `tip`, as far as the clone goes; never asks the remote for older ones.

        A commit whose parents are not here is left out. Raises: ObjectMissing if `tip` is unknown.
        """
        ...

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """True too if they are the same. False if either is unknown here after deepening."""
        ...

    def on_first_parent(self, sha: str, tip: str) -> bool:
        """True if `sha` lies on the first-parent line of `tip`."""
        ...

    def tree(self, treeish: str) -> str:
        """The tree's own id of a commit or tree. Raises: ObjectMissing."""
        ...

    def entry_id(self, treeish: str, path: str) -> str | None:
        """Object id of the file or directory `path` ("" is the root) in `treeish`; None if absent."""
        ...

    def files(self, treeish: str, under: str = "") -> tuple[TreeEntry, ...]:
        """All files below `under`, recursively, by path."""
        ...

    def read(self, blob: str, limit: int = 1 << 20) -> bytes:
        """A blob's bytes. Raises: ObjectMissing; StalledError if it is larger than `limit`."""
        ...

    def bring(self, blobs: Collection[str]) -> None:
        """Fetch those of these blobs that a partial clone lacks, all at once; best effort, each read brings it too."""
        ...

    def reverse(
        self,
        at: str,
        reverts: Sequence[str],
        mainline: int | None = None,
        good: str | None = None,
        charts: ChartVersions = ChartVersions.AS_BEFORE,
    ) -> Reversal:
        """The inverse of `reverts` (each once, newest first) on `at`, built in the object database; no ref moves.

        `mainline` is the parent that a merge goes back to, counted from 1. None: the first, but an octopus is refused.
        Keys that later commits set again go back to what they are in `good`, and so do whole files that have no keys;
        None: keys alone, to what stood before each culprit. `charts`: what becomes of a chart's raised version.
        """
        ...

    def write_commit(self, tree: str, parent: str, message: str, date: datetime, merged: str | None = None) -> str:
        """A signed (where a key is set) commit object by the controller; the same arguments give the same sha.

        `merged`: the commit that it brings in, its second parent.
        """
        ...

    def write_files(self, parent: str | None, files: Mapping[str, bytes | None], message: str, date: datetime) -> str:
        """A commit on `parent` (None: an orphan) with these files put (None: removed), built without an index."""
        ...

    def head_of(self, branch: str) -> str | None:
        """Read one more branch of the remote, objects included: its head now, None if there is no such branch.

        Raises: RepositoryUnavailable; CredentialsRejected.
        """
        ...

    def note(self, kind: str, sha: str) -> bytes:
        """What the remote's git note of this kind says of a commit; b"" for none. Raises: as `head_of`."""
        ...

    def beside(self, url: str) -> ConfigRepo | None:
        """Another repository, where what is rolled back here may be made to last; None unless the settings name it."""
        ...

    def push(self, updates: Sequence[RefUpdate]) -> PushResult:
        """One atomic push, plain refspecs; after any failure the remote is read before this returns.

        Several refs at a server that is not `atomic` are REJECTED, and none is moved: push them one by one.
        """
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the repository's one pusher slot, over threads and processes."""
        ...


@dataclass(frozen=True)
class JournalView:
    """The journal at one head. `records` by id; `trouble` set: it is lost, rewound, newer or unreadable."""

    head: str | None
    records: Mapping[str, RollbackRecord]
    decisions: tuple[DecisionEntry, ...] = ()
    trouble: str = ""
    damaged: tuple[str, ...] = ()  # entries that cannot be read, a sentence each; the others still count


class Journal(Protocol):
    """The controller's memory in git: branch `gitops-rollback-journal`."""

    ref: str

    def read(self, head: str | None) -> JournalView:
        """The journal at `head` (from the last fetch). Raises: JournalBroken for a newer schema or a rewound branch."""
        ...

    def commit(
        self, head: str | None, records: Iterable[RollbackRecord], decisions: Iterable[DecisionEntry], at: datetime
    ) -> str:
        """A journal commit on `head` holding these records and appended decisions; not pushed yet."""
        ...


@dataclass(frozen=True)
class Message:
    """What people are told. `event`: suggested started verified unverified refused held failed blind stopped folded
    handover.

    `key` deduplicates: the same key is the same thing said again.
    """

    event: str
    application: str
    title: str
    text: str
    key: str
    reason: str
    rollback_id: str = ""
    page: bool = False
    details: Mapping[str, object] | None = None
    routes: tuple[Notification, ...] = ()  # where the application's policy wants it, besides the settings' places
    topic: str = ""  # what a page is about, where that is not the application
    over: bool = False  # what was paged of this topic has ended
    head: str = ""  # of the branch, as the plan that waits for a word saw it
    guide: tuple[str, ...] = ()  # of a page: what is safe to do, the commands, what comes next
    folds: tuple[str, ...] = ()  # keys of the messages that this one stands for
    silenced: str = ""  # why only the log is told, and until when
    undelivered: tuple[str, ...] = ()  # places that it was meant for and did not reach


class Notifier(Protocol):
    """Tells people. Never raises and never blocks for long: telling must not stand in the way of a rollback."""

    def tell(self, message: Message) -> None: ...
