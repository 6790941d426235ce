"""Start reading here: the whole way of one config repository, once a tick.

Look at all applications side by side, so that a slow or broken one delays no other; then decide and act on one after
the other, since there is one branch to push to. An open rollback is finished before another is considered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from gitops_rollback.app.circumstances import Surroundings
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.observing import ObservingExecutor
from gitops_rollback.app.outbreaks import Alarm, Outbreak, Outbreaks
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View, Viewer
from gitops_rollback.core.action import Advance, Facts, Finish, Land, Note, Progress, Sync, Terminate, next_action
from gitops_rollback.core.decision import Act, Decision, Proposal, decide
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.ports import Clock, PushOutcome


@dataclass(frozen=True)
class Sight:
    """What one look at one application found: an open rollback's progress, or a look with what would be done."""

    watched: Watched
    progress: Progress | None = None
    look: Look | None = None
    proposal: Proposal | None = None


@dataclass(frozen=True)
class Tick:
    """One tick: the repository as it was fetched, and all applications as they were seen."""

    now: datetime
    view: View
    listing: Listing
    sights: tuple[Sight, ...] = ()
    outbreak: Outbreak = field(default_factory=Outbreak)


@dataclass
class Reconciler:
    """The parts of the way, each wired once. `side_by_side(function, items)` runs looks in worker threads."""

    viewer: Viewer
    directory: Directory
    observer: Observer
    proposer: Proposer
    follower: Follower
    surroundings: Surroundings
    outbreaks: Outbreaks
    executor: Executor | ObservingExecutor
    clock: Clock
    side_by_side: Callable[[Callable[[Watched], Sight | None], Sequence[Watched]], tuple[Sight, ...]]
    isolated: Callable[[str, Callable[[], None]], None]
    exclusive: Callable[[], AbstractContextManager[None]]
    ledger: Callable[[Iterable[RollbackRecord]], None]
    report: Callable[[Tick], None] = lambda _tick: None
    retries: PushRetries = field(default_factory=PushRetries)

    def tick(self, now: datetime) -> Tick:
        """One round. Raises what the repository itself raises; what one application raises stays with it."""
        view = self._view()
        listing = self.directory.look(view, now)
        sights = self.side_by_side(lambda watched: self.look(watched, view, listing, now), listing.watched)
        tick = Tick(now, view, listing, sights, self._outbreak(sights, view, listing, now))
        self.surroundings.see(listing, [sight.watched.name for sight in sights])
        self.report(tick)
        with self.exclusive():
            for sight in sights:
                self.isolated(sight.watched.name, partial(self.reconcile, sight, tick))
            self.executor.flush()
        return tick

    def close(self) -> None:
        """Write what is still batched: nothing that was decided is lost by a restart."""
        with self.exclusive():
            self.executor.flush(at_once=True)

    def _view(self) -> View:
        view = self.viewer.look()
        self.executor.see(view)
        self.ledger(view.journal.records.values())
        return view

    def look(self, watched: Watched, view: View, listing: Listing, now: datetime) -> Sight | None:
        """Everything that is asked about one application; nothing is written. None: another one speaks for it."""
        record = view.open_record(watched.name)
        if record is not None:
            return self._follow(watched, record, view, listing, now)
        look = self.observer.look(watched, view, now, self.directory.feeder(watched))
        proposal = self.proposer.propose(look, view, listing, now) if look.raised.raises_alarm else None
        return Sight(watched, look=look, proposal=proposal)

    def reconcile(self, sight: Sight, tick: Tick) -> None:
        """Decide, and do the one next action."""
        facts = self._facts(sight, tick)
        match next_action(facts, tick.now):
            case Land() as land if sight.look is not None:
                self._land(land, sight.look, tick)
            case Note() as note if sight.look is not None:
                self.executor.note(note, sight.look)
            case Terminate() as terminate:
                self.executor.terminate(terminate, tick.listing)
            case Sync() as sync:
                self.executor.sync(sync, tick.listing)
            case Advance() as advance:
                self.executor.advance(advance)
            case Finish() as finish if sight.progress is not None:
                self.executor.finish(finish, sight.progress.policy)

    def _facts(self, sight: Sight, tick: Tick) -> Facts:
        if sight.look is None:
            return Facts(progress=sight.progress)
        if sight.proposal is None:
            return Facts(decision=sight.look.raised)
        alarm = Alarm(sight.look, sight.proposal)
        around = self.surroundings.around(alarm, tick.view, tick.outbreak, tick.now, self.executor.writable)
        proposal = self.proposer.for_incident(alarm, tick.outbreak.incident_of(sight.look.name))
        return Facts(decision=decide(sight.look.raised, proposal, around, tick.now), proposal=proposal)

    def _outbreak(self, sights: Sequence[Sight], view: View, listing: Listing, now: datetime) -> Outbreak:
        """All red applications together: one commit's incident, or more than can be anybody's commits."""
        alarms = [Alarm(one.look, one.proposal) for one in sights if one.look and one.proposal]
        quiet = {one.look.name for one in sights if one.look and one.look.is_quiet}
        return self.outbreaks.judge(alarms, quiet, view, listing, now)

    def _follow(
        self, watched: Watched, record: RollbackRecord, view: View, listing: Listing, now: datetime
    ) -> Sight | None:
        """An incident has one record for several applications: the first one that is watched follows it for all."""
        speakers = [one.name for one in listing.watched if one.name in record.applications]
        if speakers and speakers[0] != watched.name:
            return None
        return Sight(watched, progress=self.follower.progress(record, watched, view, listing, now))

    def _land(self, land: Land, look: Look, tick: Tick) -> None:
        """Push; on a lost race fetch, look and decide anew, a bounded number of times."""
        for _ in self.retries:
            if self.proposer.moved_on(look):
                self._note(look, Decision(Act.LEAVE, Reason.SUPERSEDED, "a newer sync came first"), None)
                return
            landing = self.executor.land(land, look)
            if landing.outcome not in (PushOutcome.REJECTED, PushOutcome.LOCKED):
                self._after_push(landing.outcome, landing.message, land, look)
                return
            tick = self._look_again(look.watched, tick)
            sight = tick.sights[0] if tick.sights else None
            action = next_action(self._facts(sight, tick), tick.now) if sight else None
            if sight is None or sight.look is None or not isinstance(action, Land):
                if sight is not None:
                    self.reconcile(sight, tick)
                return
            land, look = action, sight.look
        self._note(look, Decision(Act.HOLD, Reason.PUSH_REJECTED, "others kept pushing first"), land)

    def _look_again(self, watched: Watched, tick: Tick) -> Tick:
        now = self.clock.now()
        view = self._view()
        sight = self.look(watched, view, tick.listing, now)
        return replace(tick, now=now, view=view, sights=(sight,) if sight else ())

    def _after_push(self, outcome: PushOutcome, message: str, land: Land, look: Look) -> None:
        """UNKNOWN needs nothing here: the next tick's fetch reads the remote first, and finds our commit or not."""
        if outcome is PushOutcome.PROTECTED:
            self._note(
                look, Decision(Act.ASK, Reason.BRANCH_PROTECTED, f"the branch refuses our push: {message}"), land
            )
        elif outcome is PushOutcome.REWOUND:
            text = "the branch was moved back while we pushed: a person must look at it"
            self._note(look, Decision(Act.HOLD, Reason.BRANCH_REWRITTEN, text), land)

    def _note(self, look: Look, decision: Decision, land: Land | None) -> None:
        self.executor.note(Note(decision, land.plan if land else None), look)
