"""What is to be done about a plan that waits as a pull request: pure, from what one look at it saw.

It may land in any way, by anybody's hand; that is recognised by its contents, and is no question of this module. What
only a person may decide is never merged by us, and nothing is ever merged but the head that we made.
Source: interfaces.md, Branches; contracts/forges.md, sections 2, 6 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops_rollback.core.action import Finish, Wait
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.offer import Offer
from gitops_rollback.core.policy import PullRequestRules
from gitops_rollback.core.pull_request import Mergeability, PullRequest, PullRequestState
from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord

OPENED_AT = "opened"  # in `times` of the record: then the forge had it
FOREIGN, BLOCKED, CONFLICT, UNREACHED, ASKS = "foreign", "blocked", "conflict", "unreached", "asks"  # of `Offer.said`
READY_SOON = (Mergeability.READY, Mergeability.CHECKING)


def lands_by_itself(record: RollbackRecord, rules: PullRequestRules) -> bool:
    """The forge merges it with nobody's word from us: the plan needs none, and the policy lets it."""
    return record.offer is not None and record.offer.automatic and rules.auto_merge


@dataclass(frozen=True)
class OfferSight:
    """One look at a plan that waits, and that has not landed.

    `base` is the branch that it is for. `found` is what the forge shows of it now, None where there is none yet, or
    where it was not asked or gave no answer: then `trouble` says so. `applies`: merged now, it would leave what the
    plan made anew leaves; None where that cannot be told, with why in `unplanned`. `doubt`: what a guard asks a person
    about by now; it may not have been able to see for a moment, so `lasting` says that it has done so for a while.
    `reason` belongs to either. `merged_here`: what the forge calls its merge is part of the branch as it was read.
    `pushed`: the branch of the pull request has our newest head. `undone`: the followed branch holds already what the
    plan would bring. `young`: a head that is not ours was seen first a moment ago, and may be another replica's whose
    record is still to be read. `stopped` is the stop that forbids acting, or "".
    """

    record: RollbackRecord
    offer: Offer
    rules: PullRequestRules
    found: PullRequest | None = None
    base: str = ""
    trouble: str = ""
    applies: bool | None = True
    unplanned: str = ""
    doubt: str = ""
    lasting: bool = False
    reason: Reason = Reason.REVERT_CONFLICT
    merged_here: bool = False
    pushed: bool = True
    undone: bool = False
    young: bool = False
    stopped: str = ""

    @property
    def may_merge(self) -> bool:
        """Nobody's word is missing: the forge may merge it once its own rules let it."""
        newest = self.offer.newest
        approved = newest is not None and self.offer.approved == newest.commit
        by_itself = self.offer.automatic and self.rules.auto_merge and not self.doubt
        return (approved or by_itself) and not self.stopped


@dataclass(frozen=True)
class Renew:
    """Make the plan anew on the branch's head, and put it on top of the pull request's branch."""

    record: RollbackRecord


@dataclass(frozen=True)
class PushAgain:
    """Push our newest head, which the branch of the pull request does not have yet."""

    record: RollbackRecord


@dataclass(frozen=True)
class OpenRequest:
    """Open the pull request of the branch, or take the one that is open already."""

    record: RollbackRecord


@dataclass(frozen=True)
class Schedule:
    """Let the forge merge it, with our newest head and no other."""

    record: RollbackRecord
    found: PullRequest


@dataclass(frozen=True)
class Unschedule:
    """Take that back."""

    record: RollbackRecord
    found: PullRequest
    message: str


@dataclass(frozen=True)
class LeaveToPeople:
    """It needed nobody's word when it was decided, and does now: a page."""

    record: RollbackRecord
    reason: Reason
    message: str


@dataclass(frozen=True)
class TellOnce:
    """Keep and tell, once for `word`, why it does not land: a page."""

    record: RollbackRecord
    word: str
    reason: Reason
    message: str


Delivering = Renew | PushAgain | OpenRequest | Schedule | Unschedule | LeaveToPeople | TellOnce | Finish | Wait


def next_delivery(sight: OfferSight, now: datetime) -> Delivering:
    """The one thing to do about it now."""
    found, record = sight.found, sight.record
    if found is not None and found.state is PullRequestState.CLOSED:
        return _no(record, found)
    if found is not None and found.state is PullRequestState.MERGED:
        return _merged_otherwise(sight, found)
    if found is not None and _turned(sight, found):
        return _foreign(sight, found, _turned(sight, found))
    if sight.undone:
        message = "git already holds the state before the suspect"
        return Finish(record, RollbackOutcome.SUPERSEDED, Reason.ALREADY_UNDONE, message)
    if sight.offer.automatic and sight.doubt:
        if found is not None and sight.offer.scheduled:
            return Unschedule(record, found, sight.doubt)
        if sight.lasting and not sight.offer.scheduled:
            return LeaveToPeople(record, sight.reason, sight.doubt)
    if sight.stopped:
        if found is not None and sight.offer.scheduled:
            return Unschedule(record, found, sight.stopped)
        return Wait(sight.stopped)
    if sight.applies is None:
        return _cannot_be_made(sight)
    if sight.offer.newest is None or sight.applies is False:
        return Renew(record)
    if not sight.pushed:
        return PushAgain(record)
    if sight.trouble:
        return _unreached(sight, now)
    if sight.offer.number is None:
        return OpenRequest(record)
    if found is None:
        return Wait("the forge was not asked")
    return _open(sight, found, now)


def refused_word(offer: Offer) -> str:
    """That the forge refused to merge the newest head: what it refused once only a person can change."""
    return f"refused {offer.newest.commit[:12]}" if offer.newest else ""


def _unreached(sight: OfferSight, now: datetime) -> Delivering:
    """The plan waits as one without a forge does; a person is told where nobody was."""
    if _late(sight, now) and UNREACHED not in sight.offer.said:
        return TellOnce(sight.record, UNREACHED, Reason.FORGE_UNAVAILABLE, sight.trouble)
    return Wait(sight.trouble)


def _late(sight: OfferSight, now: datetime) -> bool:
    times = sight.record.times
    return now >= times.get(OPENED_AT, times.get("decided", now)) + sight.rules.land_within


def _open(sight: OfferSight, found: PullRequest, now: datetime) -> Delivering:
    """It is open, as we made it, and would do what is planned."""
    offer, newest = sight.offer, sight.offer.newest
    if offer.scheduled and not sight.may_merge:
        return Unschedule(sight.record, found, "the policy lets nobody but a person merge it")
    blocked = sight.may_merge or found.mergeability not in READY_SOON
    if _late(sight, now) and blocked and BLOCKED not in offer.said:
        return TellOnce(sight.record, BLOCKED, Reason.PULL_REQUEST_BLOCKED, _what_blocks(found))
    at_our_head = newest is not None and found.head_sha == newest.commit
    may_ask = at_our_head and refused_word(offer) not in offer.said
    if sight.may_merge and may_ask and not (offer.scheduled and found.auto_merge):
        return Schedule(sight.record, found)
    return Wait(_what_blocks(found))


def _no(record: RollbackRecord, found: PullRequest) -> Finish:
    """Closed unmerged is a person's no, for this deployment and for good."""
    who = found.closed_by or "somebody"
    message = f"{who} closed pull request #{found.number} without merging it: that is a no"
    return Finish(record, RollbackOutcome.REFUSED, Reason.REJECTED, message)


def _merged_otherwise(sight: OfferSight, found: PullRequest) -> Finish | Wait:
    """What stands on the branch is not what was planned; before the branch was read that cannot be said."""
    if not sight.merged_here:
        return Wait(f"pull request #{found.number} was merged; the branch is read at the next look")
    message = f"pull request #{found.number} was merged, and left something else than was planned: look at it"
    return Finish(sight.record, RollbackOutcome.FAILED, Reason.FOREIGN_PUSH, message)


def _turned(sight: OfferSight, found: PullRequest) -> str:
    """What somebody has made of it, so that it is not ours any more; "" if it is as we opened it."""
    if not sight.offer.made(found.head_sha):
        return f"somebody else pushed {found.head_sha[:12]} to {found.head}"
    if sight.base and found.base != sight.base:
        return f"somebody pointed it at {found.base[:80]}"
    return ""


def _foreign(sight: OfferSight, found: PullRequest, turned: str) -> Delivering:
    """Not ours any more: what it would land was judged by nobody."""
    message = f"{turned}: pull request #{found.number} is a person's"
    if sight.offer.scheduled:
        return Unschedule(sight.record, found, message)
    if FOREIGN not in sight.offer.said and not sight.young:
        return TellOnce(sight.record, FOREIGN, Reason.FOREIGN_PUSH, message)
    return Wait(message)


def _cannot_be_made(sight: OfferSight) -> Delivering:
    """The branch has moved, and the plan cannot be made on it: neither merged nor changed by us."""
    if sight.offer.scheduled and sight.found is not None:
        return Unschedule(sight.record, sight.found, sight.unplanned)
    if CONFLICT not in sight.offer.said:
        return TellOnce(sight.record, CONFLICT, sight.reason, sight.unplanned)
    return Wait(sight.unplanned)


def _what_blocks(found: PullRequest) -> str:
    """In the forge's own words, where it has any."""
    words = {
        Mergeability.READY: "nothing blocks it: it waits for somebody to merge it",
        Mergeability.CHECKING: "the forge still works out whether it can be merged, or checks still run",
        Mergeability.BLOCKED: "a rule of the branch blocks it",
        Mergeability.CONFLICT: "it conflicts with the branch",
        Mergeability.DRAFT: "it is a draft",
    }[found.mergeability]
    return f"pull request #{found.number}: {words}{f': {found.why}' if found.why else ''}"
