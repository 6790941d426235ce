"""Makes heartbeats and follows them: the same push, signature, journal and delivery as a rollback, and no rollback.

Level-based, like all else: what is open is known from the journal, and each look does the one next thing.
Source: safety.md, Proving the write path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.heartbeat_offers import HeartbeatOffers
from gitops_rollback.app.holding import Holds
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import View
from gitops_rollback.core import heartbeat
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.heartbeat import SUBJECT, Beat, Outcome, Rhythm, is_automatic, newest_beat
from gitops_rollback.core.message import HeartbeatText, heartbeat_message
from gitops_rollback.core.ownership import CONTROLLER
from gitops_rollback.core.paths import HEARTBEAT as PATH
from gitops_rollback.core.policy import Policy
from gitops_rollback.ports import Clock, ConfigRepo, Forge, Message, PushOutcome

MOST_TRIES = 10
TRY_AGAIN_SECONDS = 60.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """What one tick read. `alarm`: something of the repository is red, or may be about to be."""

    view: View
    listing: Listing
    now: datetime
    executor: Executor
    alarm: bool = False


@dataclass
class Heartbeats:
    """Those of one repository. `measured` hears of each that has ended. Memory only spares writes."""

    repo: ConfigRepo
    forge: Forge | None
    holds: Holds
    clock: Clock
    rhythm: Rhythm = field(default_factory=Rhythm)
    measured: Callable[[Beat], None] = lambda _beat: None

    def __post_init__(self) -> None:
        self.offers = HeartbeatOffers(self.repo, self.forge, self.clock) if self.forge is not None else None
        self._known: Beat | None = None
        self._measured = ""
        self._tries = 0
        self._not_before = 0.0  # monotonic seconds

    def newest(self, view: View) -> Beat | None:
        """The newest one, as the journal or this process knows it, whichever is further on."""
        written, mine = newest_beat(view.journal.decisions), self._known
        if written is None or mine is None:
            return written or mine
        if written.id == mine.id:
            return written if not written.open else mine
        return max(written, mine, key=lambda one: one.begun)

    def attend(self, seen: Seen) -> None:
        """The one next thing of the controller's own. Raises: LeaseLost, and what git raises."""
        beat = self.newest(seen.view)
        if beat is not None and not beat.open and beat.id != self._measured:
            self._measured = beat.id
            self.measured(beat)
        if beat is not None and beat.open:
            self.go_on(beat, seen)
        elif beat is not None and beat.outcome is not Outcome.SEEN and not beat.told:
            self._page(beat, seen)
        elif self.clock.monotonic() >= self._not_before:
            self._begin_if_due(beat, seen)

    def _begin_if_due(self, newest: Beat | None, seen: Seen) -> None:
        first = min((entry.at for entry in seen.view.journal.decisions), default=None)
        if seen.alarm or not self.rhythm.is_due(newest, first, seen.now):
            return
        for watched in seen.listing.watched:
            if is_automatic(watched.policy) and not self.why_not(watched, seen):
                self.begin(watched, CONTROLLER, seen)
                return

    def why_not(self, watched: Watched, seen: Seen) -> str:
        """Why none may be made now; "" if nothing stands against it."""
        view = seen.view
        running = [one for one in view.journal.records.values() if one.open and not one.is_waiting_request]
        if running:
            return f"rollback {running[0].id} is open: its end is waited for"
        if watched.policy.suspend:
            return f"policy {watched.policy.name} is suspended"
        stop = self.holds.paused(watched.name, view, seen.now, watched.target.name)
        return view.journal.trouble or stop

    def begin(self, watched: Watched, by: str, seen: Seen) -> Beat | None:
        """Make one and let it land as a rollback of `watched` would; None where somebody was faster: look anew."""
        now, base = self.clock.now(), seen.view.heads.branch
        identity, delivery = heartbeat.beat_id(self.repo.name, watched.name, now), watched.policy.delivery
        message = heartbeat_message(HeartbeatText(identity, watched.name, watched.policy.label, by))
        date = max(self.repo.commit(base).committed_at + timedelta(seconds=1), now.replace(microsecond=0))
        files = {PATH: heartbeat.content(identity, now)}
        tree = self.repo.tree(self.repo.write_files(base, files, message, date))
        commit = self.repo.write_commit(tree, base, message, date)
        blob = self.repo.entry_id(commit, PATH) or ""
        beat = Beat(
            identity, watched.name, commit, base, blob, by, times={"begun": now}, told=by != CONTROLLER,
            offered=delivery.mode == "pull-request",
        )  # fmt: skip
        return self._offer(beat, seen) if beat.offered else self._push(beat, watched.policy, seen)

    def _push(self, beat: Beat, policy: Policy, seen: Seen) -> Beat | None:
        landing = seen.executor.push_commit(beat.commit, beat.base, heartbeat.entry_of(beat, beat.begun))
        if landing.outcome is PushOutcome.LANDED:
            self._tries, self._known = 0, beat.at("landed", self.clock.now())
            self._refresh(self._known, seen)
            return self._known
        if landing.outcome is PushOutcome.PROTECTED:
            if policy.delivery.on_rejected == "pull-request" and self.offers is not None:
                return self._offer(replace(beat, offered=True), seen)
            return self._end(beat, Outcome.REFUSED, Reason.BRANCH_PROTECTED, landing.message, seen)
        self._tries += 1
        self._not_before = self.clock.monotonic() + TRY_AGAIN_SECONDS
        if self._tries < MOST_TRIES:
            return None
        self._tries, words = 0, landing.message or landing.outcome.value
        return self._end(beat, Outcome.REFUSED, Reason.PUSH_REJECTED, f"{MOST_TRIES} times in a row: {words}", seen)

    def _offer(self, beat: Beat, seen: Seen) -> Beat | None:
        """The journal first, so that it is known as ours whoever lands it; the next looks deliver it."""
        if self.offers is None:
            message = "the policy wants a pull request, and the settings name no forge for the repository"
            return self._end(beat, Outcome.REFUSED, Reason.NO_FORGE, message, seen)
        return self._keep(beat, seen)

    # One that is open

    def go_on(self, beat: Beat, seen: Seen) -> Beat:
        """The one next thing of an open one."""
        if "landed" not in beat.times and self.repo.entry_id(seen.view.heads.branch, PATH) == beat.blob:
            beat = self._known = beat.at("landed", seen.now)
            self._refresh(beat, seen)
        if "landed" in beat.times:
            return self._await_engine(beat, seen)
        if beat.offered and self.offers is not None:
            return self._deliver(beat, self.offers, seen)
        if seen.now - beat.begun > heartbeat.PUSHED_WITHIN:
            message = "it was never seen on the branch"
            return self._end(beat, Outcome.REFUSED, Reason.PUSH_REJECTED, message, seen)
        return beat

    def _await_engine(self, beat: Beat, seen: Seen) -> Beat:
        found = seen.listing.named(beat.application)
        revisions = [one for fed in found for one in fed.state.sync_revisions if is_sha(one) and self.repo.has(one)]
        if any(self.repo.entry_id(one, PATH) == beat.blob for one in revisions):
            return self._end(beat.at("seen", seen.now), Outcome.SEEN, Reason.HEARTBEAT, "", seen)
        if seen.now - beat.times["landed"] > heartbeat.SEEN_WITHIN:
            message = f"it is on the branch, and the engine has not looked at it for {beat.application}"
            return self._end(beat, Outcome.UNSEEN, Reason.SYNC_TIMEOUT, message, seen)
        return beat

    def _deliver(self, beat: Beat, offers: HeartbeatOffers, seen: Seen) -> Beat:
        policy = next((one.policy for one in seen.listing.watched if one.name == beat.application), None)
        if policy is None:
            message = "no policy watches the application any more"
            return self._end(beat, Outcome.REFUSED, Reason.NO_POLICY, message, seen)
        try:
            done = offers.deliver(beat, policy.delivery.pull_request, seen.now, seen.executor)
        except StalledError as error:
            return self._end(beat, Outcome.REFUSED, error.reason, error.message, seen)
        if not done.open:
            return self._end(done, done.outcome, done.reason, done.message, seen)
        if done.message and not done.told:
            return self._page(done, seen)
        return done if done == beat else self._keep(done, seen)

    def _refresh(self, beat: Beat, seen: Seen) -> None:
        """As after a rollback; an engine that cannot be asked looks by itself, later."""
        try:
            seen.executor.refresh(beat.application, seen.listing)
        except RollbackError as error:
            log.info("the engine was not asked to look", application=beat.application, error=error.message)

    # What is kept, and told

    def _end(self, beat: Beat, outcome: Outcome, reason: Reason, message: str, seen: Seen) -> Beat:
        ended = self._keep(beat.ended(outcome, reason, message), seen)
        if outcome is not Outcome.SEEN:
            return self._page(ended, seen) if not ended.told else ended
        before = newest_beat(one for one in seen.view.journal.decisions if one.revision != beat.id)
        if before is not None and before.outcome is not Outcome.SEEN:
            self._tell(ended, page=False, seen=seen)
        return ended

    def _keep(self, beat: Beat, seen: Seen) -> Beat:
        """Where the journal cannot be written, memory has it until the next look."""
        self._known = beat
        seen.executor.enter(heartbeat.entry_of(beat, self.clock.now()))
        return beat

    def _page(self, beat: Beat, seen: Seen) -> Beat:
        """In office hours: nothing is on fire. That it was told is kept afterwards, rather twice than never."""
        if not self.rhythm.office.holds(seen.now):
            self._known = beat
            return beat
        self._tell(beat, page=True, seen=seen)
        return self._keep(replace(beat, told=True), seen)

    def _tell(self, beat: Beat, page: bool, seen: Seen) -> None:
        """A fault, to who is told of the application; that it is over only closes what the fault opened."""
        watched = next((one for one in seen.listing.watched if one.name == beat.application), None)
        title = "A rollback could not land now" if page else "A rollback would land"
        text = f"the heartbeat of {beat.application} went {beat.words}" if page else beat.words
        seen.executor.tell(
            Message(
                "failed" if page else "stopped", self.repo.name, f"{title}: {self.repo.name}",
                "\n".join(line for line in (f"{beat.reason.value}: {text}", beat.url if page else "") if line),
                f"{self.repo.name}/{SUBJECT}/{beat.id}/{beat.outcome.value}", beat.reason.value, page=page,
                routes=watched.policy.notifications if watched else (),
                topic=f"{self.repo.name}/{SUBJECT}", over=not page,
            )
        )  # fmt: skip
