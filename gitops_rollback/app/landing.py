"""Gets a plan onto the branch: push, and on a lost race decide anew, a bounded number of times.

The later commits of a plan of several are looked at anew at each tick, so a lost race needs nothing but the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.holding import Holds
from gitops_rollback.app.observing import ObservingExecutor
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.records import entry_about_record
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.stepping import Built, Stepper
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.action import SEEN_JUST_NOW, STOOD_STILL, Advance, Finish, HoldOn, Land, Note, Step
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.policy import PULL_REQUEST_MODE
from gitops_rollback.core.progress import Progress
from gitops_rollback.core.recovery import gives_back, restored
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord, stepped
from gitops_rollback.core.strategies.gate import Ahead, Passage, held_between, left_half
from gitops_rollback.core.strategies.migration import by_hand
from gitops_rollback.core.strategies.stages import Stages, stages_of
from gitops_rollback.ports import Clock, PushOutcome

TRY_AGAIN = (PushOutcome.REJECTED, PushOutcome.LOCKED)


def stood_still(clock: Clock, since: float, limit: timedelta = STOOD_STILL) -> bool:
    """True if more than `limit` has passed since `since`, by `clock.monotonic`.

    In real time: the faster clock of a demo makes no answer slower, and must not keep it from acting at all.
    """
    return clock.real_seconds(timedelta(seconds=clock.monotonic() - since)) > limit.total_seconds()


@dataclass
class Lander:
    """`again` looks, decides and plans anew; None: it was decided otherwise, and that has been done.

    `landed` hears of a push that the branch has taken. `offers`: where the branch refuses us, a pull request may be
    opened. The clock tells a process that has stood still, or waited for an answer, since it decided: what was
    true then is looked at anew, a stop first of all.
    """

    executor: Executor | ObservingExecutor
    proposer: Proposer
    clock: Clock
    retries: PushRetries = field(default_factory=PushRetries)
    landed: Callable[[], None] = lambda: None
    offers: bool = False

    def land(self, land: Land, look: Look, again: Callable[[], tuple[Land, Look] | None]) -> None:
        """Nothing is pushed once something newer has been deployed."""
        landing, decided = Landing(PushOutcome.REJECTED), self.clock.monotonic()
        for _ in self.retries:
            if self.proposer.moved_on(look):
                self._note(look, Decision(Act.LEAVE, Reason.SUPERSEDED, "a newer sync came first"), None)
                return
            if stood_still(self.clock, decided, SEEN_JUST_NOW):
                self._note(look, Decision(Act.WAIT, Reason.STALE_TICK, "it was decided too long ago to push it"), None)
                return
            landing = self.executor.land(land, look)
            if landing.outcome not in TRY_AGAIN:
                self._after(landing, land, look)
                return
            renewed = again()
            if renewed is None:
                return
            land, look = renewed
            decided = self.clock.monotonic()
        self._give_up(landing, land, look)

    def _after(self, landing: Landing, land: Land, look: Look) -> None:
        """UNKNOWN needs nothing here: the next tick's fetch reads the remote first, and finds our commit or not."""
        if landing.outcome is PushOutcome.LANDED:
            self.landed()
        elif landing.outcome is PushOutcome.PROTECTED:
            self._refused(f"the branch refuses our push: {landing.message}", land, look)
        elif landing.outcome is PushOutcome.REWOUND:
            text = "the branch was moved back while we pushed: a person must look at it"
            self._note(look, Decision(Act.HOLD, Reason.BRANCH_REWRITTEN, text), land)

    def _refused(self, text: str, land: Land, look: Look) -> None:
        """A rule of the branch stands against the push alone: by pull request the plan still needs no person's word."""
        if self.offers and look.policy.delivery.on_rejected == PULL_REQUEST_MODE:
            words = f"{land.decision.message}; {text}"
            decision = Decision(Act.ROLL_BACK, Reason.BRANCH_PROTECTED, words, land.decision.verdicts)
            self.executor.note(Note(decision, land.plan, offers=True), look)
        else:
            self._note(look, Decision(Act.ASK, Reason.BRANCH_PROTECTED, text), land)

    def _give_up(self, landing: Landing, land: Land, look: Look) -> None:
        if landing.outcome is PushOutcome.LOCKED:
            text = f"the remote's ref stays locked: {landing.message}"
            self._note(look, Decision(Act.HOLD, Reason.REMOTE_REF_LOCKED, text), land)
        else:
            self._note(look, Decision(Act.HOLD, Reason.PUSH_REJECTED, "others kept pushing first"), land)

    def _note(self, look: Look, decision: Decision, land: Land | None) -> None:
        self.executor.note(Note(decision, land.plan if land else None), look)


@dataclass(frozen=True)
class StepLander:
    """Pushes the next commit of a rollback under way; a stop holds between any two of them."""

    executor: Executor | ObservingExecutor
    stepper: Stepper
    holds: Holds
    landed: Callable[[], None]
    clock: Clock

    def land(self, step: Step, progress: Progress, watched: Watched, view: View, now: datetime) -> Finish | None:
        """The end of the rollback where it cannot go on. Raises: RollbackError where the repository cannot be read."""
        record, stages, head = progress.record, stages_of(progress.record), view.heads.branch
        if stages is None or not isinstance(self.executor, Executor) or self._stopped(watched, stages, view, now):
            return None
        asked = self.clock.monotonic()
        if self._is_suspended(record, watched, head):
            self._held(progress, stages, f"policy {watched.policy.name} is suspended", Reason.SUSPENDED, now)
            return None
        try:
            built = self.stepper.built(record, stages, step.n, head, progress.policy.chart_versions)
            while not built.changes and step.n <= len(stages.cascade):  # somebody has taken it back by hand meanwhile
                step = replace(step, n=step.n + 1)
                built = self.stepper.built(record, stages, step.n, head, progress.policy.chart_versions)
        except StalledError as error:
            if stages.closing is not None:
                self._held(progress, stages, f"step {step.n} cannot be made: {error}", error.reason, now)
                return None
            return Finish(record, RollbackOutcome.UNVERIFIED, error.reason, f"{error}; {left_half(record)}")
        if not built.changes and stages.closing is not None and step.n < stages.total:
            message = f"somebody else has done step {step.n}, and so has taken over; {left_half(record)}"
            return Finish(record, RollbackOutcome.HELD, Reason.FIELD_EDITED, message)
        if not built.changes:
            times = restored(record, self.clock.now()) if gives_back(stages, step.n) else record.times
            record = replace(record, times=times)
            self.executor.advance(Advance(record, Phase.VERIFYING, f"step {step.n} of {stages.total} is done already"))
            return None
        words = self.stepper.message(stages, step, progress.policy, built.rung)
        if gives_back(stages, step.n):
            step = replace(step, record=replace(record, times=restored(record, self.clock.now())))
        if stood_still(self.clock, asked):
            return None  # a stop may stand there by now: the next tick looks anew
        landing = self._push(self.executor, step, built, head, words)
        if landing.outcome is PushOutcome.LANDED:
            self.landed()
        if landing.outcome is PushOutcome.PROTECTED and stages.closing is not None:
            why = f"step {step.n} could not be pushed: {landing.message}"
            self._held(progress, stages, why, Reason.BRANCH_PROTECTED, now)
            return None
        reason = {
            PushOutcome.PROTECTED: Reason.BRANCH_PROTECTED,
            PushOutcome.REWOUND: Reason.BRANCH_REWRITTEN,
        }.get(landing.outcome)
        message = f"step {step.n} could not be pushed: {landing.message}; {left_half(record)}"
        return Finish(record, RollbackOutcome.HELD, reason, message) if reason else None

    def _held(self, progress: Progress, stages: Stages, why: str, reason: Reason, now: datetime) -> None:
        """Where traffic is stopped, or analysis off, people hear again and again how it ends safely, until it does."""
        record, done = progress.record, progress.record.steps[-1].n
        safe_end = Ahead(stages, done).safe_end or (by_hand() if stages.closing is not None else "")
        way_out = f"; {safe_end}" if safe_end else ""
        words = f"held at step {done}: {why}{way_out}; it goes on by itself once that is over"
        held = held_between(record, Passage(words, reason=reason, again=bool(safe_end)), now)
        if held is not None and isinstance(self.executor, Executor):
            self.executor.hold_on(HoldOn(held), progress.policy)

    def _push(self, executor: Executor, step: Step, built: Built, head: str, words: str) -> Landing:
        now, record = self.clock.now(), step.record
        date = max(self.stepper.repo.commit(head).committed_at + timedelta(seconds=1), now.replace(microsecond=0))
        commit = self.stepper.repo.write_commit(built.tree, head, words, date)
        blobs = {change.path: change.new_blob for change in built.changes}
        after = stepped(record, StepRecord(step.n, record.steps[-1].of, commit, blobs, now), step.message)
        return executor.push_commit(commit, head, entry_about_record(after, now), after)

    def _stopped(self, watched: Watched, stages: Stages, view: View, now: datetime) -> bool:
        """Nothing is pushed while a door is shut, or it could not be remembered."""
        if view.journal.trouble or not self.executor.writable:
            return True
        if view.heads != self.executor.read or self.holds.paused(watched.name, view, now, watched.target.name):
            return True
        return any(self.holds.paused(name, view, now) for name in stages.carried)

    def _is_suspended(self, record: RollbackRecord, watched: Watched, head: str) -> bool:
        """Somebody has suspended the policy since it was decided: what was deployed by then was judged by then."""
        if not watched.policy.suspend:
            return False
        newer = self.stepper.repo.commits(record.bad_revision, head)
        return any(watched.policy.path in commit.paths for commit in newer)
