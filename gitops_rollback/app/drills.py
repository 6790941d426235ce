"""Makes drills, follows them and cleans up after them: level-based, from the journal, whoever looks.

The verb that begins one follows it. A running controller does so only once its deadline is well past, so that nothing
stays broken when whoever began it is gone.
Source: safety.md, Proving the write path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.app.drill_files import wound_of
from gitops_rollback.app.heartbeats import Seen
from gitops_rollback.app.holding import Holds
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.subject import Watched
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.drill import GRACE, SIGN, Drill, Outcome, drill_id, entry_of, running
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.heartbeat import is_automatic
from gitops_rollback.core.journal import CONTROLLER
from gitops_rollback.core.message import DrillText, drill_message
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.policy import PUSH_MODE
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.sync import Health, SyncStatus
from gitops_rollback.core.trigger import Level
from gitops_rollback.ports import Clock, ConfigRepo, Message, PushOutcome

ALLOW = "write `drill: allowed` at its target in the policy, and only for staging"

EVENTS = {Outcome.PASSED: "verified", Outcome.FAILED: "failed", Outcome.STOPPED: "stopped"}


@dataclass(frozen=True)
class Wanted:
    """What a person asks for."""

    how: Break
    by: str
    patience: timedelta
    people: bool = False


@dataclass
class Drills:
    """Those of one repository. Each method raises LeaseLost, and what git raises."""

    repo: ConfigRepo
    reconciler: Reconciler
    holds: Holds
    clock: Clock

    def begin(self, watched: Watched, wanted: Wanted, seen: Seen) -> Drill | None:
        """Push the known-bad commit; None where somebody was faster: look anew.

        Raises: StalledError with the reason why not; nothing is pushed then.
        """
        why = self.why_not(watched, wanted, seen)
        if why:
            raise StalledError(watched.name, f"no drill now: {why}", Reason.DRILL)
        return self.break_it(watched, wanted, seen)

    def break_it(self, watched: Watched, wanted: Wanted, seen: Seen) -> Drill | None:
        """As `begin`, where nothing stands against it."""
        now, base = self.clock.now(), seen.view.heads.branch
        identity = drill_id(self.repo.name, watched.name, now)
        wound = wound_of(
            self.repo, seen.listing, watched.name, watched.target, base, wanted.how, identity.removeprefix("dr-")[:8]
        )
        what = (
            f"This is a {SIGN}: {wound.path} is broken on purpose ({wound.what}).",
            "Nothing real is wrong. It is taken back by the controller, by people, or by the drill itself"
            f" at {now + wanted.patience:%F %H:%M:%S}Z.",
        )
        title = f"{SIGN}: break {watched.target.name} by {wanted.how.words}"
        message = drill_message(DrillText(identity, watched.name, title, what, wanted.by))
        commit = self.repo.write_files(base, {wound.path: wound.content}, message, self._date(base, now))
        signed = self.repo.write_commit(self.repo.tree(commit), base, message, self._date(base, now))
        drill = Drill(
            identity, watched.name, wanted.how, signed, base, wanted.by, now + wanted.patience, wanted.people,
            times={"begun": now},
        )  # fmt: skip
        landing = seen.executor.push_commit(signed, base, entry_of(drill, now))
        if landing.outcome is PushOutcome.PROTECTED:
            raise StalledError(watched.name, f"the branch refuses our push: {landing.message}", Reason.BRANCH_PROTECTED)
        if landing.outcome is not PushOutcome.LANDED:
            return None
        self._refresh(drill, seen)
        return drill

    def why_not(self, watched: Watched, wanted: Wanted, seen: Seen) -> str:
        """Why none may be begun now; "" if nothing stands against it."""
        view, policy = seen.view, watched.policy
        if not watched.target.drill:
            return f"it may not be broken on purpose: {ALLOW}"
        opened = [one for one in view.journal.records.values() if one.open and not one.is_waiting_request]
        other = next(running(view.journal.decisions), None)
        state = watched.state
        quiet = state.health is Health.HEALTHY and state.sync is SyncStatus.SYNCED and not state.busy
        checks = (
            (bool(opened), f"rollback {opened[0].id if opened else ''} is open: its end is waited for"),
            (other is not None, f"drill {other.id if other else ''} is under way"),
            (policy.suspend, f"policy {policy.name} is suspended"),
            (not wanted.people and not is_automatic(policy), "its policy rolls nothing back by itself: use --people"),
            (policy.delivery.mode != PUSH_MODE, "its policy lands nothing by a push, and a drill begins with one"),
            (not quiet, f"it is {state.sync.value} and {state.health.value}: a drill begins where all is well"),
        )
        found = next((words for holds, words in checks if holds), "")
        stop = self.holds.paused(watched.name, view, seen.now, watched.target.name)
        return found or view.journal.trouble or stop or self._red(watched, seen)

    def _red(self, watched: Watched, seen: Seen) -> str:
        feeder = self.reconciler.directory.feeder(watched)
        look = self.reconciler.observer.look(watched, seen.view, seen.now, feeder)
        if look.raised.raises_alarm or look.is_pending:
            return f"something real may be wrong: {look.raised.message or 'a trigger is pending'}"
        if not look.case.verdicts:  # nothing is under watch, so nothing was asked
            look = self.reconciler.observer.look_anyway(watched, seen.view, seen.now, feeder, look.raised)
        true = [one.trigger for one in look.case.verdicts if one.state.last and one.state.last.level is Level.TRUE]
        return f"trigger {true[0]} is true already: what the drill breaks could not be told from that" if true else ""

    # One that is open

    def attend(self, seen: Seen) -> None:
        """Follow the controller's own, and clean up after those whose deadline is well past: who began them is gone."""
        for drill in running(seen.view.journal.decisions):
            if drill.by == CONTROLLER or seen.now >= drill.deadline + GRACE:
                self.go_on(drill, seen)

    def go_on(self, drill: Drill, seen: Seen) -> Drill:
        """The drill as it is after the one next thing; open while its end is not known."""
        if not self._has_landed(drill, seen):
            if seen.now < drill.deadline:
                return drill
            return self._end(drill.ended(Outcome.FAILED, "its commit never reached the branch"), seen)
        record = _record_of(drill, seen)
        drill = self._timed(drill, record, seen)
        if record is not None and not record.open and record.commit is not None:
            return self._judged(drill, record, seen)
        if self.is_gone(drill, seen):
            return self._taken_back(drill, record, seen)
        if seen.now < drill.deadline:
            return drill
        late = f"{'nobody' if drill.people else 'the controller'} had not taken it back by {drill.deadline:%H:%M:%S}Z"
        if record is not None:
            late = f"{late}: {record.id} waits for a person, {record.reason}: {record.message}"
        return self.clean_up(drill, Outcome.FAILED, late, seen)

    def _has_landed(self, drill: Drill, seen: Seen) -> bool:
        """A journal that is pushed before the branch may tell of a commit that no branch ever had."""
        return self.repo.has(drill.commit) and self.repo.is_ancestor(drill.commit, seen.view.heads.branch)

    def is_gone(self, drill: Drill, seen: Seen) -> bool:
        """The branch holds nothing of what the drill broke."""
        head, changes = seen.view.heads.branch, self.repo.commit(drill.commit).changes
        if all(self.repo.entry_id(head, one.path) == one.new_blob for one in changes):
            return False
        return self.repo.reverse(head, [drill.commit]).outcome is PlanOutcome.EMPTY

    def clean_up(self, drill: Drill, outcome: Outcome, why: str, seen: Seen) -> Drill:
        """Take back what it broke, unless that is done; still open where somebody was faster: look anew."""
        head = seen.view.heads.branch
        reversal = self.repo.reverse(head, [drill.commit])
        if reversal.outcome is PlanOutcome.EMPTY:
            return self._end(drill.ended(outcome, why), seen)
        if reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None:
            message = f"{why}; {drill.commit[:12]} could not be taken back cleanly, a person must: {reversal.message}"
            return self._end(drill.ended(Outcome.FAILED, message), seen, page=True)
        title = f'Revert "{self.repo.commit(drill.commit).subject}"'
        what = (f"The {SIGN} takes back what it broke: {why}.",)
        text = DrillText(drill.id, drill.application, title, what, drill.by, reverts=drill.commit)
        commit = self.repo.write_commit(reversal.tree, head, drill_message(text), self._date(head, seen.now))
        ended = drill.ended(outcome, why, cleaned=commit)
        landing = seen.executor.push_commit(commit, head, entry_of(ended, self.clock.now()))
        if landing.outcome is not PushOutcome.LANDED:
            return drill
        self._refresh(ended, seen)
        self._tell(ended, seen)
        return ended

    def _timed(self, drill: Drill, record: RollbackRecord | None, seen: Seen) -> Drill:
        if record is not None:
            return drill.with_record(record)
        revisions = [one for fed in seen.listing.named(drill.application) for one in fed.state.sync_revisions]
        known = [one for one in revisions if is_sha(one) and self.repo.has(one)]
        if "deployed" in drill.times or not any(self.repo.is_ancestor(drill.commit, one) for one in known):
            return drill
        return replace(drill, times={**drill.times, "deployed": seen.now})

    def _judged(self, drill: Drill, record: RollbackRecord, seen: Seen) -> Drill:
        if record.outcome is RollbackOutcome.VERIFIED:
            return self._end(drill.ended(Outcome.PASSED), seen)
        end = f"{record.id} ended {record.outcome.value if record.outcome else ''}: {record.message}"
        if self.is_gone(drill, seen):
            return self._end(drill.ended(Outcome.FAILED, end), seen)
        return self.clean_up(drill, Outcome.FAILED, end, seen)

    def _taken_back(self, drill: Drill, record: RollbackRecord | None, seen: Seen) -> Drill:
        """By a rollback that is verified yet, or by a person's own commit."""
        policy = next((one.policy for one in seen.listing.watched if one.name == drill.application), None)
        patience = policy.verification.timeout + policy.delivery.sync_timeout if policy else timedelta(0)
        if record is not None and record.commit is not None:
            if seen.now < drill.deadline + patience:
                return drill
            return self._end(drill.ended(Outcome.FAILED, f"{record.id} was not verified in time"), seen)
        if not drill.people:
            return self._end(drill.ended(Outcome.FAILED, "somebody took it back before the controller did"), seen)
        pushed = drill.times.get("pushed", self.repo.commit(seen.view.heads.branch).committed_at)
        drill = replace(drill, times={**drill.times, "pushed": pushed})
        if self._is_well(drill, seen):
            return self._end(replace(drill, times={**drill.times, "verified": seen.now}).ended(Outcome.PASSED), seen)
        if seen.now < drill.deadline + patience:
            return drill
        return self._end(drill.ended(Outcome.FAILED, "it was taken back, and is not well yet"), seen)

    def _is_well(self, drill: Drill, seen: Seen) -> bool:
        """The engine runs a revision without what was broken, and says that it is healthy."""
        for fed in seen.listing.named(drill.application):
            known = [one for one in fed.state.sync_revisions if is_sha(one) and self.repo.has(one)]
            whole = known and all(self.repo.reverse(one, [drill.commit]).outcome is PlanOutcome.EMPTY for one in known)
            if not whole or fed.state.health is not Health.HEALTHY or fed.state.sync is not SyncStatus.SYNCED:
                return False
        return bool(seen.listing.named(drill.application))

    # What is kept, and told

    def _end(self, drill: Drill, seen: Seen, page: bool = False) -> Drill:
        """Open still where the journal cannot be written: then the next look ends it."""
        if not seen.executor.enter(entry_of(drill, self.clock.now())):
            return replace(drill, outcome=Outcome.OPEN)
        self._tell(drill, seen, page)
        return drill

    def _tell(self, drill: Drill, seen: Seen, page: bool = False) -> None:
        watched = next((one for one in seen.listing.watched if one.name == drill.application), None)
        short = "/".join(drill.application.split("/")[-2:])
        seen.executor.tell(
            Message(
                EVENTS[drill.outcome], drill.application,
                f"{SIGN}: {drill.outcome.value}: {short}", drill.words, f"{drill.id}/{drill.outcome.value}",
                Reason.DRILL.value, page=page, routes=watched.policy.notifications if watched else (),
            )
        )  # fmt: skip

    def _date(self, base: str, now: datetime) -> datetime:
        return max(self.repo.commit(base).committed_at + timedelta(seconds=1), now.replace(microsecond=0))

    def _refresh(self, drill: Drill, seen: Seen) -> None:
        """An engine that cannot be asked looks by itself, later."""
        try:
            seen.executor.refresh(drill.application, seen.listing)
        except RollbackError:
            return


def _record_of(drill: Drill, seen: Seen) -> RollbackRecord | None:
    """The rollback that takes it back; of several the one that was pushed."""
    found = [one for one in seen.view.journal.records.values() if drill.commit in one.reverts]
    return max(found, key=lambda one: (one.commit is not None, one.phase is not Phase.AWAITING_APPROVAL), default=None)
