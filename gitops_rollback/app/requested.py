"""Takes care of the requests that people open as pull requests: planned onto their branch, shown, followed when merged.

Level-based, like all else: each look reads the forge and git anew, and does the one next thing. The journal is written
before anything is pushed, so that a merge is known as ours whoever did it and whatever the forge made of it.
Source: product.md, section 10, Manual request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.comment_acts import Looked
from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.forge_patience import ForgePatience
from gitops_rollback.app.merged_requests import MergedRequest, MergedRequests
from gitops_rollback.app.offered_trees import OfferedTrees
from gitops_rollback.app.records import message_about_record, open_record
from gitops_rollback.app.request_branches import RequestBranches
from gitops_rollback.app.request_finding import FoundRequest, RequestFinder
from gitops_rollback.app.request_judging import Judged, RequestJudge
from gitops_rollback.app.requesting import Prepared, Requests
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Finish
from gitops_rollback.core.delivery import OPENED_AT
from gitops_rollback.core.errors import LeaseLost, Reason, RepositoryUnavailable, RollbackError, StalledError
from gitops_rollback.core.offer import Offer, PlannedHead
from gitops_rollback.core.policy import PULL_REQUEST_MODE, Policy
from gitops_rollback.core.pull_request import MergeMethod, MergeOutcome, PullRequest, PullRequestState, StatusState
from gitops_rollback.core.pull_request_text import STATUS, Shown, shown
from gitops_rollback.core.request_text import comment, marker
from gitops_rollback.core.rollback import (
    ASKED_IN,
    AskedIn,
    Phase,
    RollbackOutcome,
    RollbackRecord,
    advance,
    landed_by_forge,
    offered,
)
from gitops_rollback.ports import Clock, ConfigRepo, PushOutcome
from gitops_rollback.ports.forge import Forge

ONE = timedelta(seconds=1)
ALL = "requests"  # the forge's patience with the list of them
SETTLE_WITHIN = timedelta(hours=24)
MERGE_AGAIN_SECONDS = 30.0
JUDGED_SECONDS = 60.0  # so long a judgement holds while neither git nor the forge shows anything new
READ_WITHIN_SECONDS = 60.0  # after the forge said that it is merged; a mirror may show it late


@dataclass(frozen=True)
class _Judged:
    """What a judgement stood on, when it was made, and what it said."""

    key: object
    at: float
    claims: tuple[str, ...]


@dataclass
class RequestedRollbacks:
    """Those of one repository at its forge. `landed` hears of a merge that the engine has to apply."""

    repo: ConfigRepo
    forge: Forge
    judge: RequestJudge
    clock: Clock
    landed: Callable[[], None] = lambda: None
    _shown: dict[str, tuple[str, object]] = field(default_factory=dict)
    _whys: dict[int, str] = field(default_factory=dict)  # why a plan cannot be approved as it is
    _merge_after: dict[str, float] = field(default_factory=dict)
    _open: tuple[int, ...] = ()  # at the last look
    _judged: dict[int, _Judged] = field(default_factory=dict)
    _merged_since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.patience = ForgePatience(self.clock.monotonic)
        self.finder = RequestFinder(self.repo, self.forge)
        self.merged = MergedRequests(self.repo)
        self.trees = OfferedTrees(self.repo)
        self.branches = RequestBranches(self.repo, self.trees)

    def attend_all(self, view: View, listing: Listing, now: datetime, requests: Requests) -> None:
        """One look at all of them."""
        around = _Around(view, listing, now, requests, requests.executor)
        for record in _waiting(around.records):
            self._landing(record, around)
        self.patience.begin()
        for one in self.merged.find(view, around.records, now):
            self._guarded(one.path, around, partial(self._after_merge, one, around))
        found = self._found(around)
        if found is not None:
            self._attend(found, around)
        for record in self._unsettled(around):
            self._guarded(record.id, around, partial(self._show_record, record, around))
        for record in around.records:
            if record.asked_in and (record.open or around.now - max(record.times.values()) <= SETTLE_WITHIN):
                self._guarded(record.id, around, partial(self._show_offered, record, around))

    def _attend(self, found: list[FoundRequest], around: _Around) -> None:
        claimed: dict[str, int] = {}
        self._open = tuple(one.pull.number for one in found)
        for one in found:
            self._guarded(f"#{one.pull.number}", around, partial(self._look, one, claimed, around))
        numbers = set(self._open)
        for record in _waiting(around.records):
            if record.offer is not None and record.offer.number not in numbers:
                self._guarded(record.id, around, partial(self._gone, record, around))

    def _found(self, around: _Around) -> list[FoundRequest] | None:
        """None where the forge cannot be asked now."""
        if self.patience.waits(ALL):
            return None
        found: list[FoundRequest] = []
        planned = {one.offer.number: _paths(one.offer) for one in around.records if one.offer is not None}
        find = partial(self.finder.find, lambda number: planned.get(number, ()))
        words = self._guarded(ALL, around, lambda: found.extend(find()))
        if not words:
            self.patience.answered()
        return None if words else found

    # One open request

    def _look(self, found: FoundRequest, claimed: dict[str, int], around: _Around) -> None:
        number, now = found.pull.number, self.clock.monotonic()
        key = found.pull, around.view.heads, self._open
        known = self._judged.get(number)
        if known is not None and known.key == key and now - known.at < JUDGED_SECONDS and not _approved(found, around):
            claimed.update({name: number for name in known.claims if name not in claimed})
            return
        before = set(claimed)
        self._look_anew(found, claimed, around)
        keep(self._judged, number, _Judged(key, now, tuple(set(claimed) - before)))

    def _look_anew(self, found: FoundRequest, claimed: dict[str, int], around: _Around) -> None:
        judged = self.judge.judge(found, claimed, around.view, around.listing, around.now, around.requests)
        if judged.ended is not None:
            return  # its outcome is shown with its record
        record = self._written(found, judged, around) if judged.may_be_written else None
        head, moved = found.pull.head_sha, False
        if record is not None and record.offer is not None and record.offer.newest is not None:
            head, moved = record.offer.newest.commit, len({one.base for one in record.offer.heads}) > 1
        plan = judged.prepared.plan if judged.prepared else None
        diff = diff_of(plan, self.repo) if plan is not None else ""
        answer = replace(judged.answer, head=head, moved=moved, diff=diff)
        keep(self._whys, found.pull.number, "" if answer.state is StatusState.SUCCESS else answer.status)
        how = Shown(comment(answer), answer.state, answer.status, answer.verbs)
        self._say(found.pull.number, found.path, head, how, around)
        if record is not None and answer.state is StatusState.SUCCESS and head == found.pull.head_sha:
            self._merge(record, found, around)

    def _merge(self, record: RollbackRecord, found: FoundRequest, around: _Around) -> None:
        """Let the forge merge the one head that a person has approved; not asked at each look."""
        head, now = found.pull.head_sha, self.clock.monotonic()
        if record.offer is None or record.offer.approved != head or now < self._merge_after.get(record.id, 0.0):
            return
        keep(self._merge_after, record.id, now + MERGE_AGAIN_SECONDS)
        around.executor.confirm()
        method = MergeMethod(around.policy_of(record).delivery.pull_request.merge_method)
        message = self.repo.commit(head).message
        answer = self.forge.merge_when_ready(found.pull.number, head, method, message)
        if answer.outcome is MergeOutcome.UNAVAILABLE:
            answer = self.forge.merge(found.pull.number, head, method, message)
        if answer.outcome is MergeOutcome.MERGED:
            self.landed()
        elif answer.outcome is MergeOutcome.REFUSED:
            raise StalledError(found.path, f"approved, and the forge does not merge it: {answer.message}")

    def why(self, number: int) -> str:
        """Why the plan of a request cannot be approved as it is; "" where it can."""
        return self._whys.get(number, "it was not planned yet")

    def again(self) -> None:
        """Show it anew, and ask the forge even if it said no to it lately."""
        self.patience = ForgePatience(self.clock.monotonic)
        self._shown.clear()
        self._judged.clear()

    def _written(self, found: FoundRequest, judged: Judged, around: _Around) -> RollbackRecord | None:
        """The plan as the newest commit of the request's branch, and its record."""
        prepared = judged.prepared
        if prepared is None or prepared.plan is None:
            return None
        plan, pull = prepared.plan, found.pull
        known = around.newest(plan.rollback_id)
        self._supersede(found, plan.rollback_id, around)
        offer = (known.offer if known else None) or Offer(number=pull.number, url=pull.url)
        if known is not None and self.branches.stands(offer, found, around.view.heads.branch):
            return known
        head = self.branches.head_for(found, offer, prepared)
        record = _record(found, prepared, known, around.now)
        record = offered(record, replace(offer, number=pull.number, url=pull.url).with_head(head))
        if not around.executor.put(record):
            raise RepositoryUnavailable(self.repo.name, "the journal could not be written, so nothing is pushed")
        self.branches.push(found, head.commit, around.executor)
        return record

    def _supersede(self, found: FoundRequest, identity: str, around: _Around) -> None:
        """Something else is deployed than when it was planned first: that plan is of no use any more."""
        for record in _waiting(around.records):
            if record.request == found.path and record.id != identity:
                message = f"something newer was deployed: it is planned anew as {identity}"
                self._finish(record, RollbackOutcome.SUPERSEDED, Reason.SUPERSEDED, message, around)

    def _after_merge(self, merged: MergedRequest, around: _Around) -> None:
        """Carry out what was merged as a request alone; whoever merged it had the right to."""
        pulls = self.forge.pull_requests_of(merged.commit)
        pull = next((one for one in pulls if one.state is PullRequestState.MERGED), None)
        if pull is None:
            message = "it came onto the branch by no pull request, and is not carried out"
            raise StalledError(merged.path, message, Reason.REQUEST_INVALID)
        found = FoundRequest(pull, (merged.path,), read=merged.read)
        judged = self.judge.planned(found, merged.request, around.view, around.listing, around.now, around.requests)
        why = judged.answer.why or self.merged.came_after(merged, judged.prepared)
        if judged.prepared is not None and judged.prepared.plan is not None and not why and not judged.answer.faults:
            landing = around.requests.carry_out(judged.prepared)
            record = around.newest(judged.prepared.plan.rollback_id)
            if landing.outcome is PushOutcome.LANDED and record is not None and record.commit is not None:
                head = PlannedHead(record.commit, judged.prepared.plan.reversal.base, record.steps[-1].blobs)
                around.executor.put(offered(record, Offer(number=pull.number, url=pull.url).with_head(head)))
                self.landed()
                return
            if landing.outcome is not PushOutcome.PROTECTED:
                return  # the next look decides anew
            why = f"the branch refuses the push: {landing.message}"
            policy = judged.prepared.look.policy.delivery
            if policy.on_rejected == PULL_REQUEST_MODE and self._offer(judged.prepared, merged, pull, around):
                return
        answer = replace(judged.answer, why=why, head=pull.head_sha)
        how = Shown(comment(answer), answer.state, answer.status)
        self._say(pull.number, merged.path, pull.head_sha, how, around)

    def _offer(self, prepared: Prepared, merged: MergedRequest, pull: PullRequest, around: _Around) -> bool:
        """A plan that waits as a pull request of ours: what the reviewers of the request saw was no change yet."""
        if prepared.plan is None:
            return False
        words = replace(prepared.look.raised, reason=Reason.BRANCH_PROTECTED)
        record = open_record(replace(prepared.plan, request=""), prepared.look, words, around.now, Phase.PENDING)
        asked = AskedIn(merged.path, pull.number, pull.head_sha)
        record = replace(record, evidence={**record.evidence, ASKED_IN: asked.document})
        return around.executor.keep(offered(advance(record, Phase.AWAITING_APPROVAL), Offer()))

    def _show_offered(self, record: RollbackRecord, around: _Around) -> None:
        """The request's own comment follows the pull request that carries it out."""
        asked, offer = record.asked_in, record.offer
        if asked is None or offer is None or offer.number is None or self.patience.waits(record.id):
            return
        how = shown(record)
        link = f"Its request is merged, and the branch refuses a push: pull request #{offer.number} carries it out."
        self._say(asked.number, asked.path, asked.head, replace(how, comment=f"{link}\n\n{how.comment}"), around)

    # What became of it

    def _landing(self, record: RollbackRecord, around: _Around) -> None:
        """It stands on the branch, by whosever hand: from here on it is a rollback like any other."""
        landing = self.trees.landing(record, around.view.heads.branch)
        if landing is None:
            return
        there = landed_by_forge(record, str(landing.commit), landing.blobs, self.clock.now(), "")
        around.executor.keep(there)
        around.executor.tell(message_about_record("started", there, around.policy_of(there)))
        self.landed()

    def _gone(self, record: RollbackRecord, around: _Around) -> None:
        """It is not open any more."""
        if record.offer is None or record.offer.number is None:
            return
        pull = self.forge.get(record.offer.number)
        if pull.state is PullRequestState.OPEN:
            message = f"pull request #{pull.number} holds no request any more"
        elif pull.state is PullRequestState.CLOSED:
            message = f"pull request #{pull.number} was closed without being merged"
        elif not self._is_read(record, pull.merge_sha, around):
            return
        else:
            message = f"pull request #{pull.number} was merged, and left something else than was planned: look at it"
            self._finish(record, RollbackOutcome.FAILED, Reason.FOREIGN_PUSH, message, around)
            return
        # Taken back by whoever asked; it is no word on what the controller may do by itself.
        self._finish(record, RollbackOutcome.SUPERSEDED, Reason.REJECTED, message, around)

    def _is_read(self, record: RollbackRecord, merged: str | None, around: _Around) -> bool:
        """What the forge merged has been read: then its landing would have been found."""
        if merged and self.repo.has(merged) and self.repo.is_ancestor(merged, around.view.heads.branch):
            return True
        now = self.clock.monotonic()
        return now - keep(self._merged_since, record.id, self._merged_since.get(record.id, now)) >= READ_WITHIN_SECONDS

    def _finish(
        self, record: RollbackRecord, outcome: RollbackOutcome, reason: Reason, message: str, around: _Around
    ) -> None:
        around.executor.finish(Finish(record, outcome, reason, message), around.policy_of(record))

    def _unsettled(self, around: _Around) -> Iterator[RollbackRecord]:
        """Those that have landed, or ended, and whose pull request does not show all of it yet."""
        for record in around.records:
            mine = bool(record.request) and record.phase is not Phase.AWAITING_APPROVAL
            young = record.open or around.now - max(record.times.values()) <= SETTLE_WITHIN
            if mine and young and record.offer is not None and not record.offer.settled:
                yield record

    def _show_record(self, record: RollbackRecord, around: _Around) -> None:
        """The comment becomes the proof."""
        offer = record.offer
        if offer is None or offer.number is None or offer.newest is None or self.patience.waits(record.id):
            return
        self._say(offer.number, record.request, offer.newest.commit, shown(record), around)
        if not record.open:
            around.executor.put(offered(record, replace(offer, settled=True)))

    def _say(self, number: int, path: str, head: str, how: Shown, around: _Around) -> None:
        if self._shown.get(path) == (head, how):
            return
        around.executor.confirm()
        self.forge.comment(number, marker(path), how.comment)
        self.forge.set_status(head, STATUS, how.state, how.status, buttons=how.buttons(number))
        keep(self._shown, path, (head, how))

    def talked_about(self, looked: Looked) -> dict[int, RollbackRecord | None]:
        """The pull requests whose comments count: those of plans that are not settled, and all open requests."""
        found: dict[int, RollbackRecord | None] = dict.fromkeys(self._open)
        for record in looked.executor.newest(looked.view).values():
            offer = record.offer
            if offer is not None and offer.number is not None and not offer.settled:
                found[offer.number] = record
        return found

    def _guarded(self, identity: str, around: _Around, call: Callable[[], None]) -> str:
        return self.guarded(identity, around.executor, call)

    def guarded(self, identity: str, executor: Executor, call: Callable[[], None]) -> str:
        """Why the call did not do its work; "" if it did. What only a person can mend is told, once a day."""
        if self.patience.waits(identity):
            return self.patience.waits(identity)
        try:
            call()
        except (LeaseLost, RepositoryUnavailable):
            raise
        except RollbackError as error:
            self.patience.failed(identity, error)
            executor.fail(self.repo.name, error, page=False)
            return error.message
        return ""


@dataclass(frozen=True)
class _Around:
    """What one tick read."""

    view: View
    listing: Listing
    now: datetime
    requests: Requests
    executor: Executor

    @property
    def records(self) -> tuple[RollbackRecord, ...]:
        return tuple(self.executor.newest(self.view).values())

    def newest(self, identity: str) -> RollbackRecord | None:
        return self.executor.newest(self.view).get(identity)

    def policy_of(self, record: RollbackRecord) -> Policy:
        """The policy that names its application now, for who is told of it."""
        watched = next((one for one in self.listing.watched if one.name in record.applications), None)
        return watched.policy if watched else Policy(record.policy, "", record.restores, (), ())


def _waiting(records: Collection[RollbackRecord]) -> list[RollbackRecord]:
    """Requests that wait for their merge."""
    return [one for one in records if one.is_waiting_request]


def _approved(found: FoundRequest, around: _Around) -> bool:
    """A person has said yes: then each look is a fresh one, since it may be merged."""
    mine = (one.offer for one in _waiting(around.records) if one.request == found.path)
    return any(offer is not None and offer.approved for offer in mine)


def _paths(offer: Offer) -> frozenset[str]:
    return frozenset(path for head in offer.heads for path in head.blobs)


def _record(found: FoundRequest, prepared: Prepared, known: RollbackRecord | None, now: datetime) -> RollbackRecord:
    """The record of the plan as it is now; what was known of it before stays, as far as it is not the plan's."""
    plan = prepared.plan
    if plan is None:
        raise StalledError(found.path, "there is no plan", Reason.NO_SUSPECT)
    made = advance(open_record(plan, prepared.look, prepared.look.raised, now, Phase.PENDING), Phase.AWAITING_APPROVAL)
    opened = {OPENED_AT: found.pull.created_at} if found.pull.created_at else {}
    times = {**made.times, **opened, **(known.times if known else {})}
    return replace(made, times=times)
