"""Takes care of plans that wait as pull requests: pushed, opened, shown, merged where nobody's word is missing.

What is to be done is decided in `core.delivery`, from the journal, git and what the forge shows now, at every tick: so
polling alone suffices, and whoever takes over after a crash goes on. A forge that does not answer delays nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor, Landing
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.app.holding import Holds, watched_of
from gitops_rollback.app.offer_acts import Around, OfferActs
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.replanning import Replanned, Replanner
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Finish
from gitops_rollback.core.delivery import (
    Delivering,
    LeaveToPeople,
    OfferSight,
    OpenRequest,
    PushAgain,
    Renew,
    Schedule,
    TellOnce,
    Unschedule,
    next_delivery,
)
from gitops_rollback.core.errors import LeaseLost, Reason, RepositoryUnavailable, RollbackError, StalledError
from gitops_rollback.core.in_force import restrict_delivery
from gitops_rollback.core.offer import Offer, branch_of
from gitops_rollback.core.ownership import CONTROLLER
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.pull_request import MergeMethod, PullRequest, PullRequestState
from gitops_rollback.core.rollback import Phase, RollbackRecord, offered
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import Clock, ConfigRepo, Forge, PushOutcome

SETTLE_WITHIN = timedelta(hours=24)  # after the end of a rollback; then the forge is left as it is
STEPS = 4  # that one pull request may take in one tick
PLANNED_SECONDS = 60.0  # so long a plan counts as made now
DOUBT_SECONDS = 120.0  # so long a guard asks before a person is woken up: it may not have been able to see
READ_WITHIN_SECONDS = 60.0  # after the forge said that it is merged; a mirror may show it late


@dataclass
class PullRequests:
    """Those of one repository at its forge. Memory only spares calls: all that counts stands in the journal.

    `policy_of` is the policy that judged a record; `landed` hears of a merge that the engine has to apply.
    """

    repo: ConfigRepo
    forge: Forge
    replanner: Replanner
    holds: Holds
    trees: OfferedTrees
    clock: Clock
    policy_of: Callable[[RollbackRecord, Watched | None], Policy]
    landed: Callable[[], None] = lambda: None
    _planned: dict[str, tuple[str, float, Replanned]] = field(default_factory=dict)
    _doubted: dict[str, float] = field(default_factory=dict)
    _attended: dict[str, float] = field(default_factory=dict)
    _merged_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic, self.clock.real_seconds)
        self.acts = OfferActs(self.repo, self.forge, self.clock)

    def due(self, view: View, executor: Executor, now: datetime) -> list[RollbackRecord]:
        """The records whose pull request is not settled: those that wait first, and of these who waited longest."""
        self.patience.begin()
        offers = (one for one in executor.newest(view).values() if one.offer is not None and not one.request)
        records = [one for one in offers if one.offer is not None and not one.offer.settled]
        young = [one for one in records if one.open or now - max(one.times.values(), default=now) <= SETTLE_WITHIN]
        return sorted(
            young, key=lambda one: (one.phase is not Phase.AWAITING_APPROVAL, self._attended.get(one.id, 0.0))
        )

    @crash_point("attend")
    def attend(self, record: RollbackRecord, view: View, listing: Listing, now: datetime, executor: Executor) -> None:
        """One pull request: look, do the one next thing, and look again; then it is shown as it is."""
        watched = watched_of(record, listing)
        around = Around(view, now, watched, self.policy_of(record, watched), executor)
        keep(self._attended, record.id, self.clock.monotonic())
        trouble = ""
        for _ in range(STEPS):  # pushed, opened and merged in one tick, each by what is seen after the one before
            if not self._waits(record, view):
                break
            sight = self._sight(record, around, listing)
            trouble = sight.stopped or sight.unplanned
            self._do(next_delivery(sight, now), sight, around, listing)
            before, record = record, executor.newest(view).get(record.id, record)
            if record == before:
                break
        if not self.patience.waits(record.id):
            self._guarded(record, around, lambda: self.acts.show(record, trouble, around))

    def _waits(self, record: RollbackRecord, view: View) -> bool:
        """It has neither ended nor landed; what has landed is gone on with at the next look."""
        return record.phase is Phase.AWAITING_APPROVAL and self.trees.landing(record, view.heads.branch) is None

    def approve(self, record: RollbackRecord, plan: Plan, executor: Executor) -> Landing:
        """A person's word, as `plan` bears it: the forge is to merge the head that was seen, and no other.

        LANDED once it has; PROTECTED with the forge's words where it does so later, or not at all.
        Raises: RollbackError.
        """
        offer, planned = record.offer or Offer(), {one.path: one.new_blob for one in plan.reversal.changes}
        if offer.number is None or offer.newest is None:
            return Landing(PushOutcome.PROTECTED, "its pull request is not open yet: try again")
        found = self.forge.get(offer.number)
        if found.state is not PullRequestState.OPEN:
            return Landing(PushOutcome.PROTECTED, f"pull request #{found.number} is {found.state.value}")
        ours = found.head_sha == offer.newest.commit and found.base == self.repo.branch
        if not ours or planned != offer.newest.blobs:
            return Landing(
                PushOutcome.PROTECTED, f"pull request #{found.number} holds something else: look at it again"
            )
        given = replace(offer, approved=found.head_sha)
        approved = offered(replace(record, requested_by=plan.requested_by), given)
        executor.keep(approved)
        method = MergeMethod(self.policy_of(record, None).delivery.pull_request.merge_method)
        return self.acts.approve(approved, found, method, executor)

    def merged_by(self, record: RollbackRecord) -> str:
        """Who let a plan that has landed land: a login, or what is known of it; "" where nobody's word was needed."""
        offer = record.offer
        if offer is None or offer.automatic or record.requested_by != CONTROLLER:
            return ""
        if offer.number is None:
            return "a person"
        self.patience.begin()
        try:
            known = "" if self.patience.waits(record.id) else self.forge.get(offer.number).merged_by
        except RollbackError:
            known = ""
        return known or f"pull request #{offer.number}"

    def _do(self, action: Delivering, sight: OfferSight, around: Around, listing: Listing) -> None:
        record = sight.record
        if isinstance(action, Finish):
            around.executor.finish(action, around.policy)
        elif isinstance(action, TellOnce):
            self.acts.tell(action, around)
        elif not self.patience.refused(record.id):
            self._guarded(record, around, lambda: self._act(action, sight, around, listing))

    def _act(self, action: Delivering, sight: OfferSight, around: Around, listing: Listing) -> None:
        match action:
            case Renew(record=record):
                self.acts.renew(record, self._replanned(record, around, listing), around)
            case PushAgain(record=record):
                self.acts.push(record, around)
            case OpenRequest(record=record):
                self.acts.open(record, self._replanned(record, around, listing), sight.rules, around)
            case Schedule(record=record, found=found):
                if self.acts.merge(record, found, sight.rules, around):
                    self.landed()
            case LeaveToPeople() as left:
                self.acts.leave_to_people(left, around)
            case Unschedule(record=record, found=found):
                self.acts.unschedule(record, found, around)

    def _guarded(self, record: RollbackRecord, around: Around, call: Callable[[], None]) -> str:
        """Why the call did not do its work; "" if it did. What only a person can mend is told, once a day."""
        try:
            call()
        except (LeaseLost, RepositoryUnavailable):
            raise
        except RollbackError as error:
            self.patience.failed(record.id, error)
            around.executor.fail(record.applications[0], error, page=isinstance(error, StalledError))
            return error.message
        return ""

    # Looking

    def _sight(self, record: RollbackRecord, around: Around, listing: Listing) -> OfferSight:
        offer = record.offer or Offer()
        found, trouble = self._find(record, offer, around)
        rules = restrict_delivery(around.policy.delivery, around.head_policy.delivery).pull_request
        stopped = self._stopped(record, around)
        sight = OfferSight(record, offer, rules, found, self.repo.branch, trouble, stopped=stopped)
        if found is not None and found.state is not PullRequestState.OPEN:
            return replace(sight, merged_here=self._is_here(record, found, around))
        if found is not None and not offer.made(found.head_sha):
            sight = replace(sight, young=self.acts.branches.may_be_ours(record, found.head_sha))
        pushed, can_be = self._is_pushed(record, offer, found)
        sight = self._with_plan(replace(sight, pushed=pushed), around, listing)
        # Whoever made it died before the push, and its disk is gone, or another replica was faster: it is made again.
        return replace(sight, applies=False) if sight.applies and not (pushed or can_be) else sight

    def _find(self, record: RollbackRecord, offer: Offer, around: Around) -> tuple[PullRequest | None, str]:
        trouble, number = self.patience.waits(record.id), offer.number
        if trouble or number is None:
            return None, trouble
        found: list[PullRequest] = []
        words = self._guarded(record, around, lambda: found.append(self.forge.get(number)))
        if not words:
            self.patience.answered()
        return (found[0] if found else None), words

    def _is_pushed(self, record: RollbackRecord, offer: Offer, found: PullRequest | None) -> tuple[bool, bool]:
        """Is our newest head on the branch, and if not, can it be pushed there?

        Before it is open git alone can tell; what is open the forge shows, if late.
        """
        if offer.newest is None or (offer.number is not None and found is None):
            return True, True
        if found is not None and not offer.made(found.head_sha):
            return True, True
        head = found.head_sha if found else self.repo.head_of(branch_of(record.id, record.applications[0]))
        return head == offer.newest.commit, self.acts.branches.can_follow(offer.newest.commit, head)

    def _is_here(self, record: RollbackRecord, found: PullRequest, around: Around) -> bool:
        """What the forge merged has been read: then its landing would have been found."""
        sha, now = found.merge_sha, self.clock.monotonic()
        if sha and self.repo.has(sha) and self.repo.is_ancestor(sha, around.view.heads.branch):
            return True
        since = keep(self._merged_since, record.id, self._merged_since.get(record.id, now))
        return now - since >= READ_WITHIN_SECONDS

    def _stopped(self, record: RollbackRecord, around: Around) -> str:
        watched, view = around.watched, around.view
        if watched is None:
            return "no policy watches the application any more"
        if watched.policy.suspend:
            return f"policy {watched.policy.name} is suspended"
        names = ((one, watched.target.name if one == watched.name else "") for one in record.applications)
        stops = (self.holds.paused(name, view, around.now, alias) for name, alias in names)
        return view.journal.trouble or next((stop for stop in stops if stop), "")

    def _with_plan(self, sight: OfferSight, around: Around, listing: Listing) -> OfferSight:
        """Would it leave what the plan made anew leaves, and do the guards still let it?

        What a person merges is made anew only where somebody has changed its files.
        """
        newest, head = sight.offer.newest, around.view.heads.branch
        untouched = newest is not None and self.trees.untouched(newest, head)
        if sight.stopped or (untouched and not sight.offer.automatic):
            return sight
        made = self._replanned(sight.record, around, listing)
        if made.plan is None:
            return replace(sight, applies=None, unplanned=made.why, reason=made.reason, undone=made.undone)
        sight = self._with_doubt(sight, made)
        same = newest is not None and (untouched or self.trees.merged(newest, head) == made.plan.reversal.tree)
        return replace(sight, applies=newest is None or same)

    def _with_doubt(self, sight: OfferSight, made: Replanned) -> OfferSight:
        asks, identity, now = made.asks, sight.record.id, self.clock.monotonic()
        if asks is None:
            self._doubted.pop(identity, None)
            return sight
        since = keep(self._doubted, identity, self._doubted.get(identity, now))
        reason, lasting = asks.reason or Reason.GUARD_FAILED, now - since >= DOUBT_SECONDS
        return replace(sight, doubt=asks.words, reason=reason, lasting=lasting)

    def _replanned(self, record: RollbackRecord, around: Around, listing: Listing) -> Replanned:
        """The plan on the branch's head, made once for each; now and then anew, since time alone moves some guards."""
        head, now = around.view.heads.branch, self.clock.monotonic()
        known = self._planned.get(record.id)
        if known is not None and known[0] == head and now - known[1] < PLANNED_SECONDS:
            return known[2]
        if around.watched is None:
            raise StalledError(record.id, "no policy watches the application any more", Reason.NO_POLICY)
        made = self.replanner.again(record, around.watched, around.view, listing, around.now)
        keep(self._planned, record.id, (head, now, made))
        return made
