"""A rollback on a person's word: the same parts, the same guards, the same push; only the alarm is a person's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.holding import selected_words, watched_of
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.tick import Tick
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Land, Release
from gitops_rollback.core.decision import Act, Decision, Proposal
from gitops_rollback.core.deployments import our_revision
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.message import for_people
from gitops_rollback.core.next_plans import follows
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import PULL_REQUEST_MODE, Policy
from gitops_rollback.core.request import Before, To, ToCommit, Without
from gitops_rollback.core.rollback import Phase, RollbackRecord, rollback_id
from gitops_rollback.core.stop import names_of
from gitops_rollback.ports import Clock, ConfigRepo, PushOutcome

FOLLOW_EVERY = timedelta(seconds=2)
SHORTEST_FOLLOW_SECONDS = 0.2


@dataclass(frozen=True)
class Wish:
    """What a person asks for; `to` None asks our opinion.

    `waiting` is the Rollback-Id of the plan that it is the word for, if it is one. `policy` is the one that names the
    application, where the person says so; `path` that of the request file, where it came by one.
    """

    application: str
    by: str
    reason: str = ""
    to: To | None = None
    waiting: str = ""
    policy: str = ""
    path: str = ""

    @property
    def cause(self) -> str:
        """What makes the Rollback-Id: the same wish of the same person is the same rollback."""
        return self.path or f"cli/{self.by}/{self.reason}"


@dataclass(frozen=True)
class Prepared:
    """A wish with its finished plan; `plan` None says in `proposal.attribution` why there is none."""

    look: Look
    proposal: Proposal
    stopped: str = ""

    @property
    def plan(self) -> Plan | None:
        return self.proposal.plan


@dataclass
class Requests:
    """Carries out wishes for one repository. Reads like the controller, writes only in `carry_out` and `follow`."""

    repo: ConfigRepo
    reconciler: Reconciler
    executor: Executor
    clock: Clock

    def prepare(self, wish: Wish) -> Prepared:
        """The plan as it would be carried out now. Raises: StalledError for a wish that names nothing."""
        now, view = self.clock.now(), self.reconciler.see_now()
        return self.planned(wish, view, self.reconciler.directory.look(view, now), now)

    def planned(self, wish: Wish, view: View, listing: Listing, now: datetime) -> Prepared:
        """The same, by what was read already."""
        watched = found_by(wish, listing)
        feeds = self.reconciler.directory.feeder(watched)
        because = Decision(
            Act.ROLL_BACK, Reason.REQUESTED, f"{wish.by} asked for it: {wish.reason or 'no reason given'}"
        )
        look = self.reconciler.observer.look_anyway(watched, view, now, feeds, because)
        look = self.reconciler.proposer.followed(look)
        proposal = self._propose(wish, look, view, listing, now)
        stop = self.reconciler.surroundings.stopped(look, view, now)
        return Prepared(look, self._signed(wish, look, proposal, view), stop)

    def carry_out(self, prepared: Prepared) -> Landing:
        """Push the plan, or merge its pull request, where the policy wants that or the branch refuses a push.

        REJECTED means that somebody was faster, and the caller prepares anew; a newer sync is somebody, too.
        """
        if prepared.plan is None:
            raise StalledError(prepared.look.name, "there is no plan to carry out", Reason.NO_SUSPECT)
        land = Land(prepared.plan, prepared.look.raised)
        with self.repo.exclusive():
            by_request = prepared.plan.delivered(prepared.look.policy.delivery).mode == PULL_REQUEST_MODE
            merged = self._by_forge(prepared.plan) if by_request else None
            if merged is not None:
                return merged
            if self.reconciler.proposer.moved_on(prepared.look):
                return Landing(PushOutcome.REJECTED, "something newer was deployed meanwhile, or nobody can tell")
            landing = self.executor.land(land, prepared.look)
            if landing.outcome is not PushOutcome.PROTECTED:
                return landing
            return self._by_forge(prepared.plan) or landing

    def _by_forge(self, plan: Plan) -> Landing | None:
        """Merge the plan's pull request instead of a push; None where it has none."""
        offers = self.reconciler.pull_requests
        record = self.reconciler.see_now().journal.records.get(plan.rollback_id)
        if offers is None or record is None or record.offer is None or record.phase is not Phase.AWAITING_APPROVAL:
            return None
        return offers.approve(record, plan, self.executor)

    def close_record(
        self, record: RollbackRecord, closed: Callable[[RollbackRecord, datetime], RollbackRecord]
    ) -> bool:
        """Write a person's last word about an open rollback; a running controller sees it at its next tick."""
        with self.repo.exclusive():
            newest = self.reconciler.see_now().journal.records.get(record.id, record)
            return self.executor.keep(closed(newest, self.clock.now()))

    def record(self, identity: str) -> RollbackRecord | None:
        """The record as the journal has it now."""
        return self.reconciler.see_now().journal.records.get(identity)

    def follow(self, identity: str, real_seconds: float, told: Callable[[RollbackRecord], None]) -> RollbackRecord:
        """Go on with an open rollback until it is done, or for `real_seconds`. A running controller may do so, too."""
        end = time.monotonic() + real_seconds
        while True:
            now = self.clock.now()
            view = self.reconciler.see_now()
            record = view.journal.records[identity]
            told(record)
            if record.phase is Phase.DONE or time.monotonic() >= end:
                return record
            self.reconciler.go_on(record, Tick(now, view, self.reconciler.directory.look(view, now)))
            pause = max(SHORTEST_FOLLOW_SECONDS, self.clock.real_seconds(FOLLOW_EVERY))
            time.sleep(min(pause, max(0.0, end - time.monotonic())))

    def _propose(self, wish: Wish, look: Look, view: View, listing: Listing, now: datetime) -> Proposal:
        proposer = self.reconciler.proposer
        waiting = view.journal.records.get(wish.waiting)
        if waiting is not None and (follows(waiting) is not None or _is_about(waiting, look)):
            return self.reconciler.replanner.proposal(waiting, look, view, listing, now)
        if isinstance(wish.to, Without):
            self._require_deployed(wish.to.commits, look, view)
            return proposer.propose_named(look, view, listing, now, only=wish.to.commits)
        if isinstance(wish.to, ToCommit | Before):
            return proposer.propose_named(look, view, listing, now, since=self._revision(wish.to, look, view))
        proposal = proposer.propose(look, view, listing, now)
        good = proposal.attribution.last_good
        if proposal.plan is not None or wish.to is None or good is None:
            return proposal
        revision = our_revision(good, self.reconciler.directory.feeder(look.watched))
        return proposer.propose_named(look, view, listing, now, since=revision or "")

    def _revision(self, to: ToCommit | Before, look: Look, view: View) -> str:
        """The revision that is meant: itself, or what was deployed at that time."""
        if isinstance(to, ToCommit):
            self._require_deployed((to.commit,), look, view)
            return to.commit
        feeds = self.reconciler.directory.feeder(look.watched)
        before = [record for record in look.records if record.started_at <= to.at]
        revision = our_revision(before[-1], feeds) if before else None
        if revision is None:
            when = f"{to.at:%FT%TZ}"
            raise StalledError(when, f"nothing was deployed to {look.name} before {when}", Reason.NO_LAST_GOOD)
        return revision

    def _require_deployed(self, shas: Sequence[str], look: Look, view: View) -> None:
        """Each of them is in what runs now; going to one that is not would be a roll forward. Raises: StalledError."""
        for sha in shas:
            if self.repo.has(sha) and self.repo.is_ancestor(sha, look.bad_revision):
                continue
            if self.repo.has(sha) and self.repo.is_ancestor(sha, view.heads.branch):
                why = f"is newer than {look.bad_revision[:12]}, which runs now: that is no way back"
                raise StalledError(sha[:12], why, Reason.REQUEST_INVALID)
            raise StalledError(sha[:12], "is no commit of the followed branch", Reason.UNKNOWN_REVISION)

    def _signed(self, wish: Wish, look: Look, proposal: Proposal, view: View) -> Proposal:
        """The plan under the person's name. A plan that waits for a word keeps its id: this is the word.

        A request file is a plan of its own, whatever else waits.

        It keeps its triggers, too: whether it helped is what they say.
        """
        plan = proposal.plan
        if plan is None:
            return proposal
        waiting = view.journal.records.get(plan.rollback_id)
        identity = plan.rollback_id
        if wish.path or waiting is None or waiting.phase is not Phase.AWAITING_APPROVAL:
            identity = rollback_id(self.repo.name, plan.applications[0], plan.bad_revision, wish.cause)
        else:
            plan = replace(plan, triggers=plan.triggers or waiting.triggers)
        signed = self.reconciler.proposer.signed(plan, look, proposal.attribution, identity, wish.by)
        return replace(proposal, plan=replace(signed, request=wish.path))


def found_by(wish: Wish, listing: Listing) -> Watched:
    """The one application that is meant. Raises: StalledError, with the known ones."""
    word = wish.application
    mine = [one for one in listing.watched if wish.policy in ("", one.policy.name)]
    found = [one for one in mine if word == one.target.name or word in names_of(one.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted(one.target.name for one in mine)[:12]) or "none"
    why = "fits several" if found else "is no watched application"
    where = f" of policy {for_people(wish.policy)}" if wish.policy else ""
    problems = "; ".join(f"{one.subject}: {one.message}" for one in listing.problems[:3])
    hint = f" ({problems})" if problems else ""
    raise StalledError(for_people(word), f"{why}{where}; known: {known}{hint}", Reason.NO_POLICY)


@dataclass(frozen=True)
class HeldImage:
    """The end of a hold as it would be pushed now. `selected` says what the automation would write then."""

    release: Release
    selected: str
    stopped: str
    policy: Policy


@dataclass
class HoldRequests:
    """A person's word on held images."""

    requests: Requests

    def prepare(self, word: str, by: str, reason: str) -> HeldImage:
        """The newest hold of an application, or that of a rollback. Raises: StalledError if there is none."""
        reconciler, now = self.requests.reconciler, self.requests.clock.now()
        view = reconciler.see_now()
        listing = reconciler.directory.look(view, now)
        for record in reversed(reconciler.holds.lasting(view)):
            watched = watched_of(record, listing)
            alias = watched.target.name if watched else ""
            if not (word in (record.id, alias) or any(word in names_of(name) for name in record.applications)):
                continue
            try:
                release = reconciler.holds.release(record, view, f"{by} asked for it: {reason}", by)
            except StalledError as error:
                if error.reason is Reason.ALREADY_UNDONE:
                    continue
                raise
            stopped = reconciler.holds.paused(record.applications[0], view, now, alias)
            policy = watched.policy if watched else Policy(record.policy, "", record.restores, (), ())
            return HeldImage(release, selected_words(record, watched), stopped, policy)
        raise StalledError(for_people(word), "no image is held for it", Reason.ALREADY_UNDONE)

    def carry_out(self, held: HeldImage) -> Landing:
        """Push it; REJECTED means that somebody was faster, and the caller prepares anew."""
        with self.requests.repo.exclusive():
            return self.requests.executor.release(held.release, held.policy)


def _is_about(waiting: RollbackRecord, look: Look) -> bool:
    """The word is about what was asked: at another moment the blame may fall on other commits."""
    return bool(waiting.reverts) and waiting.bad_revision == look.bad_revision


def landed(landing: Landing) -> bool:
    """The commit is on the branch."""
    return landing.outcome is PushOutcome.LANDED
