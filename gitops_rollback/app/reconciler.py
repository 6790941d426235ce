"""Start reading here: the whole way of one config repository, once a tick.

Look at all applications side by side, so that a slow or broken one delays no other; then decide and act on one after
the other, since there is one branch to push to. An open rollback is finished before another is considered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.app.aftermath import Aftermath
from gitops_rollback.app.afterwards import Afterwards
from gitops_rollback.app.calm import Calm
from gitops_rollback.app.circumstances import Surroundings, waiting_for
from gitops_rollback.app.directory import Directory, Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.heartbeats import Heartbeats
from gitops_rollback.app.holding import Holds, watched_of
from gitops_rollback.app.landing import Lander, StepLander, stood_still
from gitops_rollback.app.notices import Notice
from gitops_rollback.app.observation import Observer
from gitops_rollback.app.observing import ObservingExecutor
from gitops_rollback.app.outbreaks import Alarm, Outbreak, Outbreaks
from gitops_rollback.app.overtaking import newer_alarm, on_top, overtaken_by
from gitops_rollback.app.progress import Follower
from gitops_rollback.app.proposing import Proposer
from gitops_rollback.app.pull_requests import PullRequests
from gitops_rollback.app.records import message_about_record
from gitops_rollback.app.replanning import Replanner
from gitops_rollback.app.retrying import PushRetries
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.tick import Sight, Tick
from gitops_rollback.app.unfollowed import Unfollowed, policy_of
from gitops_rollback.app.upstreams import Upstreams
from gitops_rollback.app.view import View, Viewer
from gitops_rollback.core.action import (
    SEEN_JUST_NOW,
    Action,
    Advance,
    Arrived,
    Facts,
    Finish,
    HoldOn,
    Join,
    Land,
    Note,
    Step,
    Sync,
    Terminate,
    next_action,
    stands_on,
)
from gitops_rollback.core.decision import decide
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.progress import Progress
from gitops_rollback.core.rollback import Phase, RollbackRecord, landed_by_forge
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Clock, Forge, JournalView


@dataclass
class Reconciler:
    """The parts of the way, each wired once. `side_by_side(look, items)` runs looks in worker threads."""

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
    remember: Callable[[JournalView], None] = lambda _journal: None
    report: Callable[[Tick], None] = lambda _tick: None
    retries: Callable[[], PushRetries] = PushRetries
    landed: Callable[[], None] = lambda: None  # the engine has a commit of ours to apply now
    requested: Callable[[Tick], None] = lambda _tick: None  # looks after what people ask for by pull request
    besides: tuple[Callable[[Tick], None], ...] = ()  # what is no rollback, after all that is

    def __post_init__(self) -> None:
        self._unfollowed = Unfollowed(self.directory)
        self.holds = Holds(self.surroundings.repo, self.surroundings.settings_pause)
        self.upstreams = Upstreams(self.surroundings.repo, self.holds, self.clock)
        self.afterwards = Afterwards(self.surroundings.repo, self.directory, self.observer, self.proposer)
        self.replanner = Replanner(self.directory, self.observer, self.proposer, self.afterwards)
        self.calm = Calm(self.clock)
        self.aftermath = Aftermath(self.follower.measuring)
        self.pull_requests: PullRequests | None = None
        self.heartbeats: Heartbeats | None = None

    def offer_at(self, forge: Forge) -> None:
        """Plans wait as pull requests at `forge` from now on."""
        self.follower.runs.forge = forge
        self.upstreams = replace(self.upstreams, forge=forge)
        self.pull_requests = PullRequests(
            repo=self.surroundings.repo,
            forge=forge,
            replanner=self.replanner,
            holds=self.holds,
            trees=self.follower.offered,
            clock=self.clock,
            policy_of=self._judged_by,
            landed=lambda: self.landed(),
        )

    @crash_point("tick")
    def tick(self, now: datetime) -> Tick:
        """One round. Raises what the repository itself raises; what one application raises stays with it."""
        tick = self.look_around(self.see_now(), now)
        view, listing = tick.view, tick.listing
        for watched in listing.watched:
            self.isolated(watched.name, partial(self.executor.tell_again, view, watched))
        with self.exclusive():
            for notice in (*self.surroundings.notices(view, listing, tick.outbreak, now), *tick.aftermaths):
                self.isolated(notice.subject, partial(self.executor.announce, notice))
            for sight in tick.sights:
                self.isolated(sight.watched.name, partial(self.reconcile, sight, tick))
            over = [one.progress.record.id for one in tick.sights if one.progress and one.progress.superseded]
            for end, policy in (*self._unfollowed.ends(view, listing), *self.afterwards.ends(view, over)):
                self.isolated(end.record.applications[0], partial(self.executor.finish, end, policy))
            for record in self.upstreams.due(view.journal.records.values()):
                self.isolated(record.applications[0], partial(self.upstreams.attend, record, tick, self.executor))
            for record in self.holds.lasting(view):
                self.isolated(record.applications[0], partial(self._tend, record, tick))
            self._attend_all(tick)
            for attend in self.besides:
                self.isolated(self.surroundings.repo.name, partial(attend, tick))
            self.executor.flush()
        return tick

    def read_only(self, now: datetime) -> Tick:
        """A round that looks at everything, and writes and tells nothing: for when nobody may act."""
        return self.look_around(self.stand_by(), now)

    def stand_by(self) -> View:
        """Fetch and read, so that this replica can go on where another one ends."""
        view = self.viewer.look()
        self.ledger(view.journal.records.values())
        return view

    def look_around(self, view: View, now: datetime) -> Tick:
        """All applications as they are now, side by side."""
        listing = self.directory.look(view, now)
        self.observer.begin(listing, now)
        sights = self.side_by_side(lambda watched: self.look(watched, view, listing, now), listing.watched)
        tick = Tick(now, view, listing, sights, self._outbreak(sights, view, listing, now))
        self.surroundings.see(listing, view, [sight.look for sight in sights if sight.look])
        self.report(tick)
        return tick

    @crash_point("look")
    def look(self, watched: Watched, view: View, listing: Listing, now: datetime) -> Sight | None:
        """Everything that is asked about one application; nothing is written. None: another one speaks for it."""
        record = view.open_record(watched.name)
        if record is None:
            return self._watch(watched, view, listing, now)
        if record.phase is not Phase.AWAITING_APPROVAL:
            why = self._overtaken(record, view, listing, now)  # first, so that what is followed is not old by then
            sight = self._follow(watched, record, view, listing, now)
            if not why or sight is None or sight.progress is None:
                return sight
            return replace(sight, progress=replace(sight.progress, overtaken=why))
        waiting = [self._follow(watched, one, view, listing, now) for one in view.open_records(watched.name)]
        over = next((one for one in waiting if one is not None and one.progress and one.progress.over), None)
        if over is not None:
            return over
        watching = self._watch(watched, view, listing, now)
        return watching if newer_alarm(watching.look, record) else self._calmed(waiting[0], watching)

    def _watch(self, watched: Watched, view: View, listing: Listing, now: datetime) -> Sight:
        since = self._since(now)
        look = self.observer.look(watched, view, now, self.directory.feeder(watched))
        look = self.proposer.followed(look) if look.raised.raises_alarm else look
        proposal = self.proposer.propose(look, view, listing, now) if look.raised.raises_alarm else None
        return Sight(watched, now, since, None, look, proposal, self.aftermath.look(look, view, listing, now))

    def _overtaken(self, record: RollbackRecord, view: View, listing: Listing, now: datetime) -> str:
        """What is deployed on top of an unverified rollback has its own triggers, and does not wait for its end."""
        is_ancestor = self.surroundings.repo.is_ancestor
        newer = on_top(record, listing, is_ancestor)
        looks = (self.observer.look(one, view, now, self.directory.feeder(one)) for one in newer)
        return next((why for look in looks if (why := overtaken_by(look, record, is_ancestor))), "")

    def _calmed(self, waiting: Sight | None, watching: Sight) -> Sight | None:
        """A pull request that nobody has merged is of no use any more once its alarm is over."""
        if waiting is None or waiting.progress is None or watching.look is None:
            return waiting
        over = self.calm.over(waiting.progress.record, watching.look)
        return replace(waiting, progress=replace(waiting.progress, superseded=over)) if over else waiting

    def reconcile(self, sight: Sight, tick: Tick) -> None:
        """Decide, and do the one next action. What cannot be taken back is done by what was seen just now."""
        action = self._next(sight, tick)
        if not self._is_fresh(sight, tick, stands_on(action)):
            renewed = self._look_anew(sight.watched, tick)
            if renewed is None:
                return
            sight, tick = renewed
            action = self._next(sight, tick)
        match action:
            case Land() as land if sight.look is not None:
                self._land(land, sight.look, tick)
            case Note() as note if sight.look is not None:
                self.executor.note(note, sight.look)
            case Join() as join if sight.look is not None:
                self.executor.join(join, sight.look)
            case Terminate() as terminate:
                if terminate.progress.ends_by is not None:  # to ask again at each look would not end it sooner
                    self.follower.asks(terminate.record, terminate.progress.application, self.clock.now())
                self.executor.terminate(terminate, tick.listing)
            case Sync() as sync:
                self.follower.asks(sync.record, sync.progress.application, self.clock.now())
                self.executor.sync(sync, tick.listing)
            case Arrived() as arrived if sight.progress is not None:
                self._arrive(arrived, sight.progress)
            case HoldOn() as held if sight.progress is not None:
                self.executor.hold_on(held, sight.progress.policy)
            case Step() as step if sight.progress is not None:
                self._step(step, sight.progress, sight.watched, tick)
            case Advance() as advance:
                self.executor.advance(advance)
            case Finish() as finish if sight.progress is not None:
                self._finish(finish, sight.progress, sight.watched, tick)

    def _step(self, step: Step, progress: Progress, watched: Watched, tick: Tick) -> None:
        lander = StepLander(self.executor, self.follower.stepper, self.holds, self.landed, self.clock)
        end = lander.land(step, progress, watched, tick.view, tick.now)
        if end is not None:
            self._finish(end, progress, watched, tick)

    def _finish(self, finish: Finish, progress: Progress, watched: Watched, tick: Tick) -> None:
        offers = self.pull_requests is not None
        end = self.afterwards.prepared(finish, progress, watched, tick.view, tick.listing, tick.now, offers)
        self.executor.finish(end, progress.policy)

    @crash_point("decide")
    def _next(self, sight: Sight, tick: Tick) -> Action:
        return next_action(self._facts(sight, tick), tick.now)

    def _is_fresh(self, sight: Sight, tick: Tick, enough: timedelta) -> bool:
        """It was seen for this very tick, and the process has not stood still, or been busy for long, since."""
        seen_now = sight.at == tick.now and self.clock.monotonic() - sight.since <= enough.total_seconds()
        return enough == timedelta.max or seen_now

    def _since(self, now: datetime) -> float:
        return self.clock.monotonic() - max(0.0, (self.clock.now() - now).total_seconds())

    def _land(self, land: Land, look: Look, tick: Tick) -> None:
        """What was decided before something else in this tick fetched again is decided anew: a stop may stand there."""
        again = partial(self._decide_anew, look.watched, tick)
        as_read = tick.view.heads == self.executor.read and land.plan.reversal.base == tick.view.heads.branch
        offers = self.pull_requests is not None
        if (decided := (land, look) if as_read else again()) is not None:
            lander = Lander(self.executor, self.proposer, self.clock, self.retries(), self.landed, offers)
            lander.land(*decided, again)

    def _attend_all(self, tick: Tick) -> None:
        """Each open pull request, and what people ask for, after all that is more urgent."""
        if not isinstance(self.executor, Executor):
            return
        if self.clock.monotonic() - self._since(tick.now) > SEEN_JUST_NOW.total_seconds():
            tick = replace(tick, now=self.clock.now(), view=self.see_now())  # a stop may stand there by now
        if self.pull_requests is not None:
            for record in self.pull_requests.due(tick.view, self.executor, tick.now):
                attend = partial(self.pull_requests.attend, record, tick.view, tick.listing, tick.now, self.executor)
                self.isolated(record.applications[0], attend)
        self.isolated(self.surroundings.repo.name, partial(self.requested, tick))

    def _arrive(self, arrived: Arrived, progress: Progress) -> None:
        """A plan that waited has landed, by whosever hand: the engine has it to apply now."""
        if not isinstance(self.executor, Executor):
            return
        by = self.pull_requests.merged_by(arrived.record) if self.pull_requests is not None else ""
        landing = arrived.landing
        record = landed_by_forge(arrived.record, str(landing.commit), landing.blobs, self.clock.now(), by)
        self.executor.keep(record)
        self.executor.tell(message_about_record("started", record, progress.policy))
        self.landed()

    def _judged_by(self, record: RollbackRecord, watched: Watched | None) -> Policy:
        return policy_of(record, self.directory) if watched is None else self.follower.policy_of(record, watched)

    def _tend(self, record: RollbackRecord, tick: Tick) -> None:
        """End the holds of a rollback, or say what a person must know of them. A moved branch is looked at again."""
        due = self.holds.look(record, tick.view, tick.listing, tick.now)
        if isinstance(due, Notice):
            self.executor.announce(due)
        elif due is not None and tick.view.heads == self.executor.read and self.executor.writable:
            watched = watched_of(record, tick.listing)
            if watched is not None:
                self.executor.release(due, watched.policy)

    def _facts(self, sight: Sight, tick: Tick) -> Facts:
        if sight.look is None:
            return Facts(progress=sight.progress)
        record = tick.view.open_record(sight.watched.name)
        if record is not None and record.phase is not Phase.AWAITING_APPROVAL:
            return Facts()  # a look that came late, from before the push: what it would judge is under way
        if sight.proposal is None:
            return Facts(decision=tick.outbreak.outages.told_once(sight.look))
        alarm = Alarm(sight.look, sight.proposal)
        around = self.surroundings.around(alarm, tick.view, tick.outbreak, tick.now, self.executor.writable)
        proposal = self.proposer.for_incident(alarm, tick.outbreak.incident_of(sight.look.name), tick.listing)
        decision = decide(sight.look.raised, proposal, around, tick.now)
        joins = self.surroundings.under_way(alarm, tick.view) or waiting_for(proposal, tick.view)
        delivery = proposal.delivered(sight.look.policy.delivery) if self.pull_requests is not None else None
        return Facts(decision=decision, proposal=proposal, joins=joins, delivery=delivery)

    def _outbreak(self, sights: Sequence[Sight], view: View, listing: Listing, now: datetime) -> Outbreak:
        """All red applications together: one commit's incident, or more than can be anybody's commits."""
        alarms = [Alarm(one.look, one.proposal) for one in sights if one.look and one.proposal]
        quiet = {one.look.name for one in sights if one.look and one.look.is_quiet}
        return self.outbreaks.judge(alarms, quiet, view, listing, now).with_sources(sights)

    def _decide_anew(self, watched: Watched, tick: Tick) -> tuple[Land, Look] | None:
        """After a lost race: nothing that was decided on the old head counts."""
        renewed = self._look_anew(watched, tick)
        if renewed is None:
            return None
        sight, fresh = renewed
        action = self._next(sight, fresh)
        if isinstance(action, Land) and sight.look is not None:
            return action, sight.look
        self.reconcile(sight, fresh)
        return None

    def _look_anew(self, watched: Watched, tick: Tick) -> tuple[Sight, Tick] | None:
        """The same tick as it would be seen now; None where the process stands still at this look as well."""
        view, now = self.see_now(), self.clock.now()
        sight = self.look(watched, view, tick.listing, now)
        if sight is None or stood_still(self.clock, sight.since):
            return None
        return sight, replace(tick, now=now, view=view, sights=(sight,))

    def _follow(
        self, watched: Watched, record: RollbackRecord, view: View, listing: Listing, now: datetime
    ) -> Sight | None:
        """An incident has one record for several applications: the one that speaks for it follows it for all."""
        speaker = watched_of(record, listing)
        if speaker is not None and speaker.name != watched.name:
            return None
        since = self._since(now)
        return Sight(watched, now, since, self.follower.progress(record, watched, view, listing, now))

    def go_on(self, record: RollbackRecord, tick: Tick) -> None:
        """One step of one open rollback, whoever started it."""
        for watched in tick.listing.watched:
            if watched.name in record.applications:
                sight = self._follow(watched, record, tick.view, tick.listing, tick.now)
                if sight is not None:
                    with self.exclusive():
                        self.reconcile(sight, tick)

    def see_now(self) -> View:
        """Fetch and read; whoever writes afterwards writes on top of this. Raises what the repository raises."""
        view = self.executor.see(self.viewer.look())
        self.ledger(view.journal.records.values())
        self.remember(view.journal)
        return view

    def close(self) -> None:
        """Write what is still batched: nothing that was decided is lost by a restart."""
        with self.exclusive():
            self.executor.flush(at_once=True)
