"""What one fetch of a config repository says: heads, journal, policies, pause documents. Made anew each tick."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from gitops_rollback.adapters.git.kept import Kept
from gitops_rollback.adapters.policies.loading import PolicyFile, PolicySet, load_policies
from gitops_rollback.app.notices import MASS_EVENT
from gitops_rollback.app.target_index import Known, TargetIndex
from gitops_rollback.core import silence
from gitops_rollback.core.commit import REGULAR_MODE, Commit, is_sha
from gitops_rollback.core.decision import Act
from gitops_rollback.core.errors import ObjectMissing, Reason, StalledError
from gitops_rollback.core.guards.facts import Limit
from gitops_rollback.core.in_force import within_bounds
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, before_newest
from gitops_rollback.core.stop import (
    CONTROL_DOOR,
    CONTROL_PATH,
    HEAD_DOOR,
    HEAD_PATH,
    KIND,
    PauseState,
    read_pause,
)
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.core.written import MAX_BYTES
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Clock, ConfigRepo, Heads, Journal, JournalView

MAX_CACHED_TREES = 64
MAX_DATED = 2000
MAX_POLICY_FILES = 1000
MAX_HISTORY = 200  # commits that are searched for the last valid state of a policy
VANISHED_TICKS = 2
TELLING = frozenset(act.value for act in Act if act.tells)
# What is written of a rollback for all that it names: that one more joined it, or that it did not help.
DEALT_WITH = (Act.LEAVE.value, RollbackOutcome.UNVERIFIED.value, RollbackOutcome.FAILED.value)
REMEMBERED = 1000  # commits that are searched for ours where there is no journal


@dataclass(frozen=True)
class View:
    """One consistent picture of the repository at `at`."""

    at: datetime
    heads: Heads
    journal: JournalView
    policies: PolicySet
    pauses: tuple[PauseState, PauseState]  # control branch, branch head
    silences: PauseState = silence.NOBODY  # whose messages are not told

    def open_record(self, application: str) -> RollbackRecord | None:
        """The rollback of this application that is not done; a plan that waits for a word only if no other is open."""
        return next(iter(self.open_records(application)), None)

    def open_records(self, application: str) -> tuple[RollbackRecord, ...]:
        """All rollbacks of this application that are not done; those that wait for a word come last.

        What a person has asked for, and nobody approved yet, stands in nothing's way.
        """
        records = [one for one in self._still_open if application in one.applications]
        return tuple(sorted(records, key=lambda one: one.phase is Phase.AWAITING_APPROVAL))

    @cached_property
    def _still_open(self) -> tuple[RollbackRecord, ...]:
        """Of all applications, found once: thousands of looks ask for their own among thousands that are over."""
        return tuple(one for one in self.journal.records.values() if one.open and not one.is_waiting_request)

    def decisions_on(self, application: str) -> tuple[DecisionEntry, ...]:
        """What the journal has on one application, found once for all of them."""
        return tuple(self._by_application.get(application, ()))

    @cached_property
    def _by_application(self) -> dict[str, list[DecisionEntry]]:
        found: dict[str, list[DecisionEntry]] = {}
        for entry in self.journal.decisions:
            found.setdefault(entry.application, []).append(entry)
        return found

    def told(self, application: str, but: str) -> datetime | None:
        """When people last heard of the application, or of all at once, because of another revision than `but`."""
        records = [one for one in self.journal.records.values() if application in one.applications]
        own = {one.id for one in records if one.bad_revision != but}
        times = [one.times["decided"] for one in records if one.id in own and "decided" in one.times]
        for entry in self.journal.decisions:
            told = entry.application == application and entry.revision != but and entry.action in TELLING
            dealt_with = entry.action in DEALT_WITH and entry.details.get("rollback") in own
            if told or dealt_with or entry.reason == Reason.MASS_EVENT.value:
                times.append(entry.at)
        return max(times, default=None)


def unnamed(journal: JournalView) -> dict[str, bool]:
    """Applications that were red in the newest mass event, and whose only word to people was the one for all.

    The value says whether each was well when the journal heard of it last. A mass event that is over has none.
    """
    left: dict[str, datetime] = {}
    well: dict[str, bool] = {}
    for entry in sorted(journal.decisions, key=lambda entry: entry.at):
        name = entry.application
        if name == MASS_EVENT:
            left = left if entry.action in TELLING else {}
        elif entry.reason == Reason.MASS_EVENT.value:
            left[name] = entry.at
        elif entry.action in TELLING:
            left.pop(name, None)
        if entry.reason != Reason.NO_RECENT_SYNC.value:
            well[name] = entry.reason == Reason.QUIET.value
    for record in journal.records.values():
        for name in record.applications:
            if name in left and record.times.get("decided", left[name]) > left[name]:
                del left[name]
    return {name: well[name] for name in sorted(left)}


@dataclass(frozen=True)
class ReadPolicies:
    """What a tree of policies holds, and whom they name: with where and when it was said, and without."""

    policies: PolicySet
    index: TargetIndex
    nameless: TargetIndex

    @classmethod
    def of(cls, found: PolicySet) -> ReadPolicies:
        nameless = (replace(policy, revision="", path="") for policy in found.policies)
        return cls(found, TargetIndex(found.policies), TargetIndex(tuple(nameless)))


class PolicyStore:
    """Policies as they stood at any revision, read from git objects and cached by their directory's tree.

    Their budgets are cut to `bounds`, the controller's own for one application.
    """

    def __init__(self, repo: ConfigRepo, directory: str, bounds: Sequence[Limit] = ()) -> None:
        self._repo = repo
        self.directory = directory
        self._bounds = tuple(bounds)
        self.known = Known()
        self._cached: OrderedDict[str, ReadPolicies] = OrderedDict()
        self._dated: Kept[tuple[Policy, Policy]] = Kept(MAX_DATED)
        self._newest: tuple[str, PolicySet, PolicySet] | None = None  # what `at` was asked last, and its answer
        self._lock = threading.Lock()

    def at(self, revision: str) -> PolicySet:
        """All policies at `revision`; an absent directory or unknown revision holds none."""
        known = self._newest
        found = self._read(revision).policies
        if known is None or known[0] != revision or known[1] is not found:
            policies = tuple(replace(policy, revision=revision) for policy in found.policies)
            self._newest = known = revision, found, replace(found, policies=policies)
        return known[2]

    def _read(self, revision: str) -> ReadPolicies:
        try:
            tree = self._repo.entry_id(revision, self.directory) if is_sha(revision) else None
        except ObjectMissing:
            tree = None
        if tree is None:
            return NOTHING
        with self._lock:
            known = self._cached.get(tree)
        if known is None:
            known = ReadPolicies.of(self._load(revision))
            self._keep(tree, known)
        return known

    def _keep(self, tree: str, found: ReadPolicies) -> None:
        with self._lock:
            self._cached[tree] = found
            while len(self._cached) > MAX_CACHED_TREES:
                self._cached.popitem(last=False)

    @crash_point("policy-read")
    def at_head(self, head: str) -> PolicySet:
        """The policies at the branch's head; a file that became unreadable goes on as it last was."""
        found = self.at(head)
        kept = [policy for path in sorted(found.broken) if (policy := self._last_valid(head, path)) is not None]
        return replace(found, policies=(*found.policies, *kept))

    def _last_valid(self, head: str, path: str) -> Policy | None:
        for commit in self._repo.recent(head, MAX_HISTORY):
            if path not in commit.paths or not commit.parents:
                continue
            older = self.at(commit.parents[0])
            if path not in older.broken:
                return next((policy for policy in older.policies if policy.path == path), None)
        return None

    def naming(self, revision: str, application: ApplicationId) -> tuple[Policy, Target] | None:
        """The policy and target that name `application` at `revision`, or take it in by what is known of it now."""
        found = self._read(revision).index.naming(application, self.known.of(application))
        return (self._said_at(revision, found[0]), found[1]) if found else None

    def _said_at(self, revision: str, policy: Policy) -> Policy:
        """Each look at an application asks this of the same few; the answer holds the policy, so its id is its own."""
        known = self._dated.get((revision, id(policy)))
        if known is None:
            known = self._dated.put((revision, id(policy)), (policy, replace(policy, revision=revision)))
        return known[1]

    def said(self, revision: str, application: ApplicationId) -> tuple[Policy, Target] | None:
        """As `naming`, without where and when it was said: equal answers judge alike."""
        return self._read(revision).nameless.naming(application, self.known.of(application))

    def _load(self, revision: str) -> PolicySet:
        entries = self._repo.files(revision, self.directory)[: MAX_POLICY_FILES + 1]
        found = load_policies((self._file(entry.path, entry.mode, entry.blob) for entry in entries), revision)
        return replace(found, policies=tuple(within_bounds(policy, self._bounds) for policy in found.policies))

    def _file(self, path: str, mode: str, blob: str) -> PolicyFile:
        return PolicyFile(path, mode, self._text(blob) if mode == REGULAR_MODE else b"")

    def _text(self, blob: str) -> bytes | None:
        try:
            return self._repo.read(blob, MAX_BYTES)
        except StalledError:
            return None


NOTHING = ReadPolicies.of(load_policies((), ""))


class Viewer:
    """Fetches and reads. Remembers only what must be noticed when it vanishes."""

    def __init__(
        self,
        repo: ConfigRepo,
        journal_repo: ConfigRepo,
        journal: Journal,
        policies: PolicyStore,
        clock: Clock,
        committer: str = "",
    ) -> None:
        """`journal_repo` is `repo` itself unless the settings put the journal elsewhere. `committer` is ours."""
        self._repo = repo
        self._journal_repo = journal_repo
        self._journal = journal
        self._policies = policies
        self._clock = clock
        self._committer = committer
        self._control_seen = False
        self._control_missing = 0

    def look(self) -> View:
        """Raises: RepositoryUnavailable, CredentialsRejected, BranchRewritten, JournalBroken."""
        heads = self._repo.fetch()
        if self._journal_repo is not self._repo:
            heads = replace(heads, journal=self._journal_repo.fetch().journal)
        return View(
            at=self._clock.now(),
            heads=heads,
            journal=self._memory(heads),
            policies=self._policies.at_head(heads.branch),
            pauses=self._pauses(heads),
            silences=self._pause(silence.DOOR, heads.control, silence.PATH, silence.KIND),
        )

    def _memory(self, heads: Heads) -> JournalView:
        """The journal without what never came to be: a record that was written before a push that did not land."""
        found = self._journal.read(heads.journal)
        if heads.journal is None and any(
            self._is_ours(commit) for commit in self._repo.recent(heads.branch, REMEMBERED)
        ):
            trouble = "the branch holds our commits, but the journal is gone: a person must restore its branch"
            return replace(found, trouble=found.trouble or trouble)
        never = [record for record in found.records.values() if self._never_landed(record, heads.branch)]
        if not never:
            return found
        earlier = {record.id: before_newest(record) for record in never}
        known = {name: earlier.get(name, one) for name, one in found.records.items()}
        return replace(found, records={name: one for name, one in known.items() if one is not None})

    def _is_ours(self, commit: Commit) -> bool:
        return bool(self._committer) and self._committer in commit.committer and "Rollback-Id" in commit.trailers

    def _never_landed(self, record: RollbackRecord, head: str) -> bool:
        """The fetch has just read the branch: what it did not bring is not there. A late push finds another head."""
        if not record.doubtful or record.commit is None:
            return False
        return not self._repo.has(record.commit) or not self._repo.is_ancestor(record.commit, head)

    def _pauses(self, heads: Heads) -> tuple[PauseState, PauseState]:
        self._control_missing = 0 if heads.control else self._control_missing + 1
        self._control_seen = self._control_seen or heads.control is not None
        control = self._pause(CONTROL_DOOR, heads.control, CONTROL_PATH)
        if self._control_seen and self._control_missing >= VANISHED_TICKS:
            control = PauseState(CONTROL_DOOR, unreadable="the branch was there and is gone")
        return control, self._pause(HEAD_DOOR, heads.branch, HEAD_PATH)

    def _pause(self, door: str, revision: str | None, path: str, kind: str = KIND) -> PauseState:
        """What one door says. One that holds no readable file stops, and lets open rollbacks go on to their end."""
        blob = self._repo.entry_id(revision, path) if revision else None
        if blob is None:
            return read_pause(door, None, kind)
        try:
            return read_pause(door, self._repo.read(blob), kind)
        except StalledError as error:
            return PauseState(door, unreadable=error.message)
