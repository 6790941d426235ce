"""Gathers the deployed range of an application and what ran here before, and asks who can be to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_rollback.app.closures import Closures
from gitops_rollback.app.deployed import marked_revisions
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.failing_pods import FailingPods
from gitops_rollback.app.inputs import Inputs, taken_back
from gitops_rollback.app.relands import relanded_in
from gitops_rollback.app.subject import Look
from gitops_rollback.app.view import View
from gitops_rollback.app.workloads import NOBODY
from gitops_rollback.core.commit import Commit, FileChange
from gitops_rollback.core.companions import MOST, companions, in_order
from gitops_rollback.core.deployments import last_good, our_revision
from gitops_rollback.core.errors import ObjectMissing, Reason, StalledError
from gitops_rollback.core.ground import Ground, LivedTree, judge_ground
from gitops_rollback.core.manifest import objects
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.ranking import NO_TRACES, Traces
from gitops_rollback.core.suspects import Attribution, RangeFacts, Suspect, attribute
from gitops_rollback.core.sync import ApplicationId, DeploymentRecord, Source
from gitops_rollback.core.trigger import BaselineLevel
from gitops_rollback.ports import ConfigRepo, Workloads

MAX_RANGE = 1000
MAX_FOLLOWED = 12  # earlier deployments whose inputs are looked for
PAST_SEEN = 300  # commits before the oldest deployment that the engine remembers


@dataclass(frozen=True)
class Past:
    """What ran here before the bad deployment, oldest first, and which states were taken back."""

    lived: tuple[LivedTree, ...]
    taken_back: frozenset[str]
    good: DeploymentRecord | None
    good_revision: str | None


@dataclass(frozen=True)
class Blame:
    """The answer, with the inverse of the suspects as built on `head`. `reversal` None: there are no suspects."""

    attribution: Attribution
    reversal: Reversal | None = None
    ground: Ground | None = None
    restores: str = ""
    came_back: str = ""  # the Rollback-Id that took back what is live now


class Blamer:
    """Reads the range from git; decides nothing itself."""

    def __init__(
        self, repo: ConfigRepo, inputs: Inputs, closures: Closures | None = None, workloads: Workloads = NOBODY
    ) -> None:
        """`workloads` shows the Pods of applications, where somebody can."""
        self._pods = FailingPods(repo, workloads)
        self._repo = repo
        self._inputs = inputs
        self._closures = closures

    def followed(self, look: Look, feeds: Callable[[Source], bool]) -> Look:
        """The look with all that the application rendered from, now and before, among its own files.

        Unchanged where a policy names the files, or nothing is under watch. The same files are looked at in each
        state, so that states can be compared.
        """
        if self._closures is None or look.event is None or look.target.paths:
            return look
        found = self._closures.of(look.state, look.watched.indexes, look.bad_revision)
        for revision in self._earlier(look, feeds):
            before = self._closures.of(look.state, look.watched.indexes, revision)
            found |= replace(before, doubt="")  # whether it counts is asked of the last good one alone
        own = look.watched.own.with_files(found.why)
        return replace(look, watched=replace(look.watched, own=own), inputs=found)

    def _earlier(self, look: Look, feeds: Callable[[Source], bool]) -> list[str]:
        """What was deployed before, newest first."""
        records = [record for record in reversed(look.records) if record.started_at < look.event_started]
        found = dict.fromkeys(our_revision(record, feeds) for record in records)
        return [revision for revision in found if revision is not None][:MAX_FOLLOWED]

    def blame(self, look: Look, view: View, listing: Listing, feeds: Callable[[Source], bool]) -> Blame:
        """Raises: RepositoryUnavailable; a missing object of the past only makes that part unknown."""
        if look.event is None:
            raise ValueError("only a sync under watch can be blamed")
        past, charts = self.past(look, view, feeds), look.policy.chart_versions
        reversals: dict[tuple[str, ...], Reversal] = {}

        def reverse(commits: Iterable[Commit]) -> Reversal:
            shas = tuple(commit.sha for commit in commits)
            if shas not in reversals:
                reversals[shas] = self._repo.reverse(view.heads.branch, shas, good=past.good_revision, charts=charts)
            return reversals[shas]

        def ground_after(commits: tuple[Commit, ...]) -> Ground | None:
            return self._ground(reverse(commits), look, past, look.raised.onset or look.event_started)

        attribution = attribute(self._range(look, view, listing, feeds, past, ground_after))
        restores, came_back = past.good_revision or "", self._came_back(look, view)
        if not attribution.suspects:
            return Blame(attribution, restores=restores, came_back=came_back)
        line = self._repo.commits(past.good_revision, view.heads.branch, MAX_RANGE)
        attribution = with_companions(attribution, line, reverse)
        blamed = tuple(suspect.commit for suspect in attribution.undone)
        return Blame(attribution, reverse(blamed), ground_after(blamed), restores, came_back)

    def named(
        self, look: Look, view: View, feeds: Callable[[Source], bool], since: str, only: Sequence[str], because: str
    ) -> Blame:
        """What a person names: some commits (`only`, newest first), or the application's own since a revision.

        `because` is their evidence.
        Raises: StalledError `NoSuspect` where that is no commit of this application.
        """
        past = self.past(look, view, feeds)
        if only:
            commits = tuple(self._repo.commit(sha) for sha in only)
        else:
            later = self._repo.commits(since, look.bad_revision, MAX_RANGE)
            commits = tuple(commit for commit in later if look.watched.own.of(commit.paths))
        if not commits:
            raise StalledError(look.name, f"nothing of it changed since {since[:12]}", Reason.NO_SUSPECT)
        suspects = tuple(Suspect(commit, look.bad_record, (because,)) for commit in commits)
        shas = tuple(commit.sha for commit in commits)
        good = since or past.good_revision
        reversal = self._repo.reverse(view.heads.branch, shas, good=good, charts=look.policy.chart_versions)
        ground = self._ground(reversal, look, past, look.event_started)
        attribution = Attribution(suspects, True, last_good=past.good)
        return Blame(attribution, reversal, ground, good or "")

    def _came_back(self, look: Look, view: View) -> str:
        """The rollback of this application that took back the very files that are live now."""
        live = self._state(look.bad_revision, look)
        for record in view.journal.records.values():
            undone = record.commit is not None and look.name in record.applications
            if undone and record.bad_revision != look.bad_revision and self._state(record.bad_revision, look) == live:
                return record.id
        return ""

    def past(self, look: Look, view: View, feeds: Callable[[Source], bool]) -> Past:
        """The earlier deployments of the application as states of its inputs."""
        earlier = [record for record in look.records if record.started_at < look.event_started]
        revisions = {record.started_at: our_revision(record, feeds) for record in earlier}
        undone = self._undone_states(look, view, [revision for revision in revisions.values() if revision])
        states = {at: self._state(revision, look) for at, revision in revisions.items()}
        marked = marked_revisions(view.journal.records.values()) | {
            revision for at, revision in revisions.items() if revision and states[at] in undone
        }
        good = last_good(
            look.records,
            look.bad_record,
            in_repository=feeds,
            window=look.policy.timing.window,
            marked=marked,
            on_line=lambda revision: self._repo.on_first_parent(revision, look.bad_revision),
        )
        useless, half = self._useless(look, view), self._half_way(look, view)
        lived = tuple(
            LivedTree(
                state,
                record.started_at,
                _quiet(record, look, good, self._is_of(useless, state, revisions[record.started_at])),
                state in undone or state in half,
            )
            for record in earlier
            if (state := states[record.started_at]) is not None
        )
        return Past(lived, undone, good, our_revision(good, feeds) if good else None)

    def _half_way(self, look: Look, view: View) -> frozenset[str]:
        """States that the steps of its rollbacks left only until the next one, or until somebody took over."""
        records = (one for one in view.journal.records.values() if look.name in one.applications)
        states = (self._state(sha, look) for record in records for sha in record.halfway)
        return frozenset(state for state in states if state is not None)

    def _useless(self, look: Look, view: View) -> Mapping[str, str | None]:
        """The commits of rollbacks of this application that did not help, with the state that each ended in."""
        records = view.journal.records.values()
        return {
            record.commit: self._state(record.commit, look)
            for record in records
            if record.commit is not None and look.name in record.applications and record.did_not_help
        }

    def _is_of(self, useless: Mapping[str, str | None], state: str, revision: str | None) -> bool:
        """The deployment of `revision`, in this state, is what one of these rollbacks brought."""
        commits = [commit for commit, ended in useless.items() if ended == state]
        return revision is not None and any(self._repo.is_ancestor(commit, revision) for commit in commits)

    def _undone_states(self, look: Look, view: View, revisions: list[str]) -> frozenset[str]:
        """States that a rollback of ours took back, and those that the branch itself left and returned from."""
        by_us = {
            state
            for record in view.journal.records.values()
            if record.commit is not None and look.name in record.applications
            if (state := self._state(record.bad_revision, look)) is not None
        }
        oldest = next((one for one in revisions if self._repo.is_ancestor(one, look.bad_revision)), None)
        if oldest is None:
            return frozenset(by_us)
        # The engine may remember little: what the branch left and returned from before that counts as well.
        before = self._repo.recent(oldest, PAST_SEEN)
        later = self._repo.commits(oldest, look.bad_revision, MAX_RANGE)
        own = (commit.sha for commit in reversed((*later, *before)) if look.watched.own.of(commit.paths))
        line = [self._state(sha, look) for sha in own]
        return frozenset(by_us) | taken_back([state for state in line if state is not None])

    def _range(
        self,
        look: Look,
        view: View,
        listing: Listing,
        feeds: Callable[[Source], bool],
        past: Past,
        ground_after: Callable[[tuple[Commit, ...]], Ground | None],
    ) -> RangeFacts:
        commits = self._repo.commits(past.good_revision, look.bad_revision, MAX_RANGE) if past.good_revision else ()
        own = look.watched.own
        records = tuple(view.journal.records.values())
        return RangeFacts(
            bad=look.bad_record,
            records=look.records,
            last_good=past.good,
            commits=commits,
            onset=look.raised.onset or look.event_started,
            own=own,
            applications=tuple(fed.own for fed in listing.fed),
            in_repository=feeds,
            ground_after=ground_after,
            our_commits=frozenset(commit.sha for commit in commits if ours(commit, records, None)),
            inputs=self._states(commits, past.good_revision, look),
            earlier_inputs=frozenset(
                tree.inputs for tree in past.lived if past.good is not None and tree.since < past.good.started_at
            ),
            cut=len(commits) >= MAX_RANGE,
            read=look.inputs.why if look.inputs is not None and look.inputs.why else None,
            doubt=self._doubt(look, past),
            unconcerned=self._unconcerned(look, commits),
            traces=self._traces(look, view, commits),
            certainty=look.policy.certainty,
        )

    def _traces(self, look: Look, view: View, commits: tuple[Commit, ...]) -> Mapping[str, Traces]:
        """What makes single commits likelier: what the failing Pods run, and what failed here before."""
        found = dict(self._pods.traces(look, commits))
        again = relanded_in(self._repo, commits, look.name, view.journal.records.values(), view.at)
        return found | {sha: replace(found.get(sha, NO_TRACES), relands=rollback) for sha, rollback in again.items()}

    def _doubt(self, look: Look, past: Past) -> str:
        """Why the application may render from more than is known, in the bad revision or the last good one."""
        if look.inputs is None or self._closures is None or past.good_revision is None:
            return ""
        before = self._closures.of(look.state, look.watched.indexes, past.good_revision)
        return look.inputs.doubt or before.doubt

    def _unconcerned(self, look: Look, commits: Iterable[Commit]) -> Mapping[str, frozenset[str]]:
        """Files with the application's own object, and others', that a commit changes for those others alone."""
        manifests = look.inputs.manifests if look.inputs is not None else frozenset()
        found: dict[str, frozenset[str]] = {}
        for commit in commits if manifests else ():
            changes = [change for change in commit.changes if change.path in manifests]
            found[commit.sha] = frozenset(change.path for change in changes if self._leaves(change, look.watched.id))
        return found

    def _leaves(self, change: FileChange, id: ApplicationId) -> bool:
        """True if the application's own object is the same before and after."""
        before, after = (self._own_object(blob, id) for blob in (change.old_blob, change.new_blob))
        return before is not None and before == after

    def _own_object(self, blob: str | None, id: ApplicationId) -> tuple[object, ...] | None:
        """The application's object in a file, with all that it says; None if it cannot be read."""
        if blob is None:
            return ()
        try:
            found = objects(self._repo.read(blob))
        except StalledError:
            return None
        return (
            None
            if found is None
            else tuple(one.document for one in found if (one.kind, one.name) == (id.kind, id.name))
        )

    def _states(self, commits: Iterable[Commit], good: str | None, look: Look) -> Mapping[str, str]:
        """The state after each commit; one that touches none of the own files keeps the state before it."""
        states: dict[str, str] = {}
        state = self._state(good, look)
        if good is not None and state is not None:
            states[good] = state
        for commit in reversed(tuple(commits)):
            if state is None or look.watched.own.of(commit.paths):
                state = self._state(commit.sha, look)
            if state is not None:
                states[commit.sha] = state
        return states

    def _state(self, treeish: str | None, look: Look) -> str | None:
        if not treeish:
            return None
        try:
            return self._inputs.of(treeish, look.watched.own)
        except ObjectMissing:
            return None

    def _ground(self, reversal: Reversal, look: Look, past: Past, onset: datetime) -> Ground | None:
        if reversal.outcome not in (PlanOutcome.CLEAN, PlanOutcome.EMPTY) or reversal.tree is None:
            return None
        ground = judge_ground(self._state(reversal.tree, look), past.lived, onset)
        if ground is not Ground.KNOWN or look.inputs is None or self._closures is None:
            return ground
        after = self._closures.of(look.state, look.watched.indexes, reversal.tree)
        # What it would render from then was an input of all that is compared, or nobody knows how it was before.
        return ground if all(path in look.watched.own for path in after.why) else Ground.NEW


def _quiet(record: DeploymentRecord, look: Look, good: DeploymentRecord | None, useless: bool) -> bool | None:
    """Was nothing firing when this deployment was replaced? None: no baseline shows it.

    How long it lived tells that of a deployment, but not of a rollback that did not help (`useless`).
    """
    if (
        look.event is not None
        and look.event.previous is not None
        and record.started_at >= look.event.previous.started_at
    ):
        levels = {verdict.baseline.level for verdict in look.raised.verdicts}
        if BaselineLevel.FIRING in levels:
            return False
        return True if levels == {BaselineLevel.QUIET} else None
    if useless:
        return None
    if good is not None and record.started_at == good.started_at:
        return True
    lived = record.replaced_at - record.started_at if record.replaced_at else None
    return True if lived is not None and lived >= look.policy.timing.window else None


def with_companions(
    attribution: Attribution, line: Sequence[Commit], reverse: Callable[[Iterable[Commit]], Reversal]
) -> Attribution:
    """The same blame, with what must go back together; a person approves it, or hears why it cannot be."""
    blamed = tuple(suspect.commit for suspect in attribution.suspects)
    found = companions(blamed, line)
    if not found or reverse(blamed).outcome is not PlanOutcome.CLEAN:
        return attribution
    whole = in_order((*blamed, *(other.commit for other in found)), line)
    message = f"{found[0].commit.sha[:12]} must go back together with it: {found[0].why}"
    trouble = f"{len(whole)} commits are more than one plan holds" if len(whole) > MOST else ""
    if not trouble and reverse(whole).outcome is not PlanOutcome.CLEAN:
        trouble = reverse(whole).message
    doubted = replace(attribution, automatic=False)
    if attribution.automatic or trouble:
        said = f"{message}; not done together: {trouble}" if trouble else message
        doubted = replace(doubted, reason=Reason.GOES_TOGETHER, message=said)
    if trouble:
        return doubted
    known = {suspect.commit.sha: suspect for suspect in attribution.suspects}
    record = attribution.suspects[0].record
    known |= {other.commit.sha: Suspect(other.commit, record, (other.why,)) for other in found}
    return replace(doubted, together=tuple(known[commit.sha] for commit in whole))
