"""The second place of a rollback under way: takes back what the writer of our branch reads, and sees that it lasts.

Whether it stands there is read from that branch at each look, so whoever crashes between the two commits, or comes
after, does it once; and what a person did there by hand counts as much. What is brought back there is never taken back
a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.holding import Holds, watched_of
from gitops_rollback.app.records import entry_about_record
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.upstream_finding import UpstreamFinder, why_not
from gitops_rollback.app.view import View
from gitops_rollback.core.action import HoldOn
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.kargo import judge_stage, stage_object
from gitops_rollback.core.message import UPSTREAM_TRAILER, RevertText, revert_message
from gitops_rollback.core.offer import branch_of
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.policy import PULL_REQUEST_MODE, Policy
from gitops_rollback.core.progress import ApplicationProgress
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.strategies.gate import Passage, held_between
from gitops_rollback.core.strategies.stages import unfinished
from gitops_rollback.core.upstream import CHECK, HYDRATE, KARGO, Upstream, upstream_of, with_upstream
from gitops_rollback.core.verification import CheckResult
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Clock, ConfigRepo, Forge, Objects, PushOutcome

HERE = "in-cluster"  # as Argo CD calls its own
LATER_SEEN = 200  # commits among which ours is looked for
REFUSED = {PushOutcome.PROTECTED: Reason.BRANCH_PROTECTED, PushOutcome.REWOUND: Reason.BRANCH_REWRITTEN}


class Round(Protocol):
    """What is known of a tick."""

    @property
    def view(self) -> View: ...

    @property
    def listing(self) -> Listing: ...


@dataclass(frozen=True)
class Standing:
    """How it stands upstream: `checks` for the verification, and what was brought back there, in words."""

    checks: tuple[CheckResult, ...] = ()
    came_back: str = ""


@dataclass(frozen=True)
class Upstreams:
    """Looks after the second place of open rollbacks; keeps nothing."""

    repo: ConfigRepo
    holds: Holds
    clock: Clock
    forge: Forge | None = None  # where a branch that refuses us takes a pull request

    def due(self, records: Iterable[RollbackRecord]) -> tuple[RollbackRecord, ...]:
        """Those whose commits here have all been pushed, and whose one upstream has not."""
        return tuple(one for one in records if _is_due(one))

    @crash_point("upstream")
    def attend(self, record: RollbackRecord, tick: Round, executor: object) -> None:
        """Take it back upstream, or keep that it is; page where that needs a person. Raises: RollbackError."""
        upstream, watched = upstream_of(record), watched_of(record, tick.listing)
        if upstream is None or watched is None or not isinstance(executor, Executor):
            return
        if self._stopped(watched, tick.view, executor):
            return
        record = executor.newest(tick.view).get(record.id, record)
        upstream = upstream_of(record) or upstream
        head = tick.view.heads.branch
        if not _is_due(record) or not self.repo.is_ancestor(str(record.commit), head):
            return
        if upstream.habit == KARGO:
            self._page(record, watched, executor, Reason.WRITTEN_BY_ANOTHER, "Kargo would write it again")
            return
        finder = UpstreamFinder(self.repo)
        tip = finder.tip(upstream.branch, head, upstream.repository)
        if tip is None:
            self._page(record, watched, executor, Reason.WRITTEN_BY_ANOTHER, f"there is no branch {upstream.place}")
            return
        there = finder.place(upstream)
        ours = self._ours(record, there, tip)
        if ours is not None:
            blobs = {change.path: change.new_blob for change in ours.changes}
            executor.keep(with_upstream(record, replace(upstream, commit=ours.sha, blobs=blobs)))
            return
        reversal = finder.reversal(upstream, tip, watched.policy.chart_versions)
        if reversal.outcome is PlanOutcome.EMPTY:
            executor.keep(with_upstream(record, replace(upstream, done=True)))
        elif upstream.offered:
            return  # it waits for people there
        elif why_not(reversal):
            self._page(record, watched, executor, Reason.WRITTEN_BY_ANOTHER, why_not(reversal))
        else:
            self._push(record, upstream, reversal, there, watched, executor)

    def _push(
        self,
        record: RollbackRecord,
        upstream: Upstream,
        reversal: Reversal,
        there: ConfigRepo,
        watched: Watched,
        executor: Executor,
    ) -> None:
        now, tip = self.clock.now(), reversal.base
        reverts = tuple(there.commit(sha) for sha in upstream.reverts)
        date = max(there.commit(tip).committed_at + timedelta(seconds=1), now.replace(microsecond=0))
        words = upstream_message(record, upstream, reverts, reversal)
        commit = there.write_commit(str(reversal.tree), tip, words, date)
        blobs = {change.path: change.new_blob for change in reversal.changes}
        after = with_upstream(record, replace(upstream, commit=commit, blobs=blobs))
        if there is self.repo and upstream.branch == self.repo.branch:
            landing = executor.push_commit(commit, tip, entry_about_record(after, now), after)
            outcome, message = landing.outcome, landing.message
        else:
            result = executor.push_branch(upstream.branch, commit, tip, there)
            outcome, message = result.outcome, result.message
            if outcome is PushOutcome.LANDED:
                executor.keep(after)
        if outcome is PushOutcome.LANDED:
            _wake(watched, upstream)
        elif outcome is PushOutcome.PROTECTED and there is self.repo and self._offers(watched.policy):
            self._offer(record, upstream, commit, words, watched, executor)
        elif outcome in REFUSED:
            self._page(record, watched, executor, REFUSED[outcome], message)

    def _offers(self, policy: Policy) -> bool:
        return self.forge is not None and policy.delivery.on_rejected == PULL_REQUEST_MODE

    def _offer(
        self, record: RollbackRecord, upstream: Upstream, commit: str, words: str, watched: Watched, executor: Executor
    ) -> None:
        """A pull request into the branch that refuses us, once; people are told of it. Raises: RollbackError."""
        if self.forge is None:
            return
        branch = f"{branch_of(record.id, record.applications[0])}-upstream"
        if self.repo.head_of(branch) is None:
            pushed = executor.push_branch(branch, commit, None)
            if pushed.outcome is not PushOutcome.LANDED:
                self._page(record, watched, executor, Reason.BRANCH_PROTECTED, pushed.message)
                return
        title, _, body = words.partition("\n")
        request = self.forge.open(branch, upstream.branch, title, body.strip())
        waits = with_upstream(record, replace(upstream, offered=request.number))
        why = f"{upstream.branch} takes no push of ours, and pull request #{request.number} waits there: {request.url}"
        self._page(waits, watched, executor, Reason.BRANCH_PROTECTED, why)

    def _page(self, record: RollbackRecord, watched: Watched, executor: Executor, reason: Reason, why: str) -> None:
        """Once: it stands here, and would be written again. It is not verified until somebody has done the rest."""
        upstream = upstream_of(record)
        if upstream is None:
            return
        message = f"taken back here, and not where the writer of this branch reads: {why}; by hand: {upstream.commands}"
        message += f"; if it is not needed there: gitops-rollback approve {record.id} --without-upstream"
        held = held_between(record, Passage(message, reason=reason), self.clock.now())
        if held is not None:
            executor.hold_on(HoldOn(held), watched.policy)

    def _ours(self, record: RollbackRecord, there: ConfigRepo, tip: str) -> Commit | None:
        """The commit upstream that says it is this rollback's: then it is not made a second time, whoever made it."""
        steps = {step.commit for step in record.steps}
        recent = there.recent(tip, LATER_SEEN)
        return next((one for one in recent if one.sha not in steps and _says(one, record.id)), None)

    def _stopped(self, watched: Watched, view: View, executor: Executor) -> bool:
        """Nothing is pushed while a door is shut, the policy is suspended, or it could not be remembered."""
        if watched.policy.suspend or view.journal.trouble or not executor.writable or view.heads != executor.read:
            return True
        return bool(self.holds.paused(watched.name, view, self.clock.now(), watched.target.name))


def standing(
    repo: ConfigRepo,
    record: RollbackRecord,
    head: str,
    applications: Sequence[ApplicationProgress],
    policy: Policy,
    objects: Objects,
) -> Standing:
    """Does it stand upstream, and has the writer read it? Nothing where the rollback has one place."""
    upstream = upstream_of(record)
    if upstream is None:
        return Standing()
    if upstream.waived:
        return Standing((CheckResult(CHECK, True, f"{upstream.words} stays: {upstream.waived}"),))
    try:
        if upstream.habit == KARGO:
            return Standing((judge_stage(upstream, _stage(upstream, applications, objects)),))
        return _standing(UpstreamFinder(repo), upstream, head, applications, policy)
    except RollbackError as error:
        return Standing((CheckResult(CHECK, None, error.message),))


def _standing(
    finder: UpstreamFinder, upstream: Upstream, head: str, applications: Sequence[ApplicationProgress], policy: Policy
) -> Standing:
    charts, words = policy.chart_versions, upstream.words
    tip = finder.tip(upstream.branch, head, upstream.repository)
    if tip is None:
        return Standing((CheckResult(CHECK, None, f"there is no branch {upstream.place}"),))
    left = finder.reversal(upstream, tip, charts).outcome
    there = bool(upstream.commit) and finder.place(upstream).is_ancestor(upstream.commit, tip)
    if left is not PlanOutcome.EMPTY and (left is PlanOutcome.CLEAN or not there):
        if upstream.settled and left is PlanOutcome.CLEAN:
            message = f"{words} was taken back, and is there again"
            return Standing((CheckResult(CHECK, False, message),), message)
        return Standing((CheckResult(CHECK, None, f"{words} is not taken back yet"),))
    if upstream.habit != HYDRATE:
        return Standing((CheckResult(CHECK, True, f"{words} is taken back"),))
    return Standing((_read_by_hydrator(finder, upstream, head, applications, policy),))


def _stage(
    upstream: Upstream, applications: Sequence[ApplicationProgress], objects: Objects
) -> Mapping[str, object] | None:
    """The Stage in the cluster that we speak to, wherever the application runs: Kargo lives beside the engine."""
    wanted = stage_object(upstream.stage)
    state = next((one.state for one in applications if one.state is not None), None)
    if wanted is None or state is None:
        return None
    return objects.find(replace(state, destination=HERE), [wanted]).get(wanted)


def _read_by_hydrator(
    finder: UpstreamFinder, upstream: Upstream, head: str, applications: Sequence[ApplicationProgress], policy: Policy
) -> CheckResult:
    """A hydrator that finds nothing changed may write no commit, but its own word or its note says what it has read."""
    states = [one.state for one in applications if one.state is not None and one.state.dry_revision]
    read = {state.dry_revision for state in states} or {finder.noted(head) or finder.dry(head, ())}
    if read == {""}:
        return CheckResult(CHECK, None, "what the hydrator has read is not known")
    for sha in read:
        if not finder.place(upstream).is_ancestor(upstream.reverts[0], sha):  # as our own revert here has put it back
            return CheckResult(CHECK, None, f"what the hydrator has read, {sha[:12]}, is older than {upstream.words}")
        if finder.reversal(upstream, sha, policy.chart_versions).outcome is PlanOutcome.CLEAN:
            return CheckResult(CHECK, None, f"the hydrator has read {sha[:12]}, which holds {upstream.words} still")
    return CheckResult(CHECK, True, f"{upstream.words} is taken back, and the hydrator has read that")


def upstream_message(record: RollbackRecord, upstream: Upstream, reverts: Sequence[Commit], reversal: Reversal) -> str:
    """The message of the commit upstream."""
    here = record.commit or ""
    why = f"{record.reason}: {record.message}.", f"What came of it was taken back as {here[:12]}; by this it stays so."
    of = (record.steps[-1].of if record.steps else 1) + 1
    return revert_message(
        RevertText(
            rollback_id=record.id,
            reverts=reverts,
            why=why,
            applications=record.applications,
            policy=record.policy,
            triggers=record.triggers,
            restores=record.restores,
            bad_revision=record.bad_revision,
            rung=reversal.rung,
            edits=reversal.sentences,
            step=f"{of}/{of}",
            requested_by=record.requested_by,
            upstream=upstream.place,
        )
    )


def _is_due(record: RollbackRecord) -> bool:
    upstream = upstream_of(record)
    under_way = record.phase in (Phase.SYNCING, Phase.VERIFYING) and record.commit is not None
    return under_way and not unfinished(record) and upstream is not None and not upstream.settled


def _says(commit: Commit, identity: str) -> bool:
    trailers = commit.trailers
    return identity in trailers.get("Rollback-Id", ()) and bool(trailers.get(UPSTREAM_TRAILER))


def _wake(watched: Watched, upstream: Upstream) -> None:
    """An engine that hydrates by itself looks at what it reads now; that it does not is no failure of ours."""
    if upstream.habit != HYDRATE:
        return
    try:
        watched.engine.refresh(watched.id, watched.state.project)
    except RollbackError:
        return
