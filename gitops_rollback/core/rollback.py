"""A rollback under way: its record in the journal, its phases, and the name that all replicas give it.

The journal is the only storage; phases move forward only, by `TRANSITIONS`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.offer import Offer, merge_offers, offer_of


class Phase(StrEnum):
    PENDING = "Pending"
    AWAITING_APPROVAL = "AwaitingApproval"
    PUSHING = "Pushing"
    SYNCING = "Syncing"
    VERIFYING = "Verifying"
    DONE = "Done"


class RollbackOutcome(StrEnum):
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    REFUSED = "refused"
    HELD = "held"
    FAILED = "failed"
    SUPERSEDED = "superseded"


TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.AWAITING_APPROVAL, Phase.PUSHING, Phase.DONE}),
    Phase.AWAITING_APPROVAL: frozenset({Phase.PUSHING, Phase.DONE}),
    Phase.PUSHING: frozenset({Phase.SYNCING, Phase.DONE}),
    Phase.SYNCING: frozenset({Phase.VERIFYING, Phase.DONE}),
    Phase.VERIFYING: frozenset({Phase.DONE}),
    Phase.DONE: frozenset(),
}


HOLDS, RELEASE = "holds", "release"  # in `evidence`: images that are kept from coming back, and what ended that
DRILL = "drill"  # in `evidence`: the id of the drill whose bad commit it took back
REQUEST = "request"  # in `evidence`: the path of the file by which a person asked for it
ASKED_IN = "askedIn"  # in `evidence`: the request that was merged alone, and whose plan waits as a pull request of ours
PULL_REQUEST = "pullRequest"  # in `evidence`: the pull request as which the plan waits, see `offer`
UPSTREAM = "upstream"  # in `evidence`: what is taken back where the writer of the branch reads, see `upstream`
STRATEGY = "strategy"  # in `evidence`: how it goes back, as the types of the policy are called
RESTORED = "restored"  # in `times`: then the traffic was seen to be back, at the latest
OBJECTS = "objects"  # in `evidence`: application -> uid of the engine's object that it is about
BECAUSE = "because"  # in `evidence`: the reason that it had before something held it up
HINDERED_AT = "hinderedAt"  # in `times`: then it was told what keeps the engine from applying what is on the branch
STEP_HELD_AT = "stepHeldAt"  # in `times`: then it was told why the next commit of its plan is not pushed
HELD_UNTIL = "heldUntil"  # in `times`: until then the engine works on the bad revision, and nobody can end that


@dataclass(frozen=True)
class StepRecord:
    n: int
    of: int
    commit: str | None
    blobs: Mapping[str, str | None] = field(default_factory=dict)  # path -> blob after the step; None: removed
    pushed_at: datetime | None = None


@dataclass(frozen=True)
class AskedIn:
    """A request as it was merged: the path of its file, its pull request, and what that brought."""

    path: str
    number: int
    head: str

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        return {"path": self.path, "number": self.number, "head": self.head}


@dataclass(frozen=True)
class RollbackRecord:
    """`records/<id>.json` of the journal.

    `times`: deployed, fired, decided, pushed, heldUntil, hinderedAt, restored, synced, verified, where known.
    """

    id: str
    applications: tuple[str, ...]
    engine: str
    repository: str
    bad_revision: str
    restores: str
    policy: str
    triggers: tuple[str, ...]
    reverts: tuple[str, ...]
    phase: Phase
    superseded: tuple[str, ...] = ()
    rung: int | None = None
    steps: tuple[StepRecord, ...] = ()
    outcome: RollbackOutcome | None = None
    reason: str = ""
    message: str = ""
    requested_by: str = "controller"
    guards: tuple[Mapping[str, str], ...] = ()
    times: Mapping[str, datetime] = field(default_factory=dict)
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.phase is not Phase.DONE

    @property
    def did_not_help(self) -> bool:
        """It ended, and what it brought was not seen to be good.

        What was overtaken is none of these: it was quiet when something newer was deployed, which went bad.
        """
        failed = self.outcome in (RollbackOutcome.UNVERIFIED, RollbackOutcome.FAILED)
        return failed and self.reason != Reason.OVERTAKEN.value

    @property
    def doubtful(self) -> bool:
        """It was written before its newest commit was pushed: the branch says whether that arrived."""
        later = self.open and len(self.steps) > 1 and self.steps[-1].pushed_at is None
        return self.phase is Phase.PUSHING or later

    @property
    def halfway(self) -> tuple[str, ...]:
        """Its commits that stand between two states: the steps before the last, and the last where it ended there."""
        between = self.steps if self.ended_half else self.steps[:-1]
        return tuple(step.commit for step in between if step.commit)

    @property
    def ended_half(self) -> bool:
        """It is over, and not all of its commits were pushed."""
        return not self.open and bool(self.steps) and self.steps[-1].n < self.steps[-1].of

    @property
    def release(self) -> StepRecord | None:
        """The commit that ended its holds, beside the steps of the rollback itself; None if none is known."""
        return self._beside(RELEASE)

    def _beside(self, name: str) -> StepRecord | None:
        """A commit of ours that is no step, as the evidence has it under `name`."""
        found = self.evidence.get(name)
        commit, blobs = (found.get("commit"), found.get("blobs")) if isinstance(found, Mapping) else (None, None)
        if not isinstance(commit, str) or not commit or not isinstance(blobs, Mapping):
            return None
        return StepRecord(
            1, 1, commit, {path: blob for path, blob in blobs.items() if blob is None or isinstance(blob, str)}
        )

    @cached_property
    def offer(self) -> Offer | None:
        """The pull request as which it waits, or waited; None if there is to be none."""
        return offer_of(self.evidence.get(PULL_REQUEST))

    def is_about_another(self, application: str, uid: str) -> bool:
        """The object `uid` has taken the place of the one that this began with; False where either is not known."""
        objects = self.evidence.get(OBJECTS)
        known = objects.get(application) if isinstance(objects, Mapping) else None
        return bool(uid) and bool(known) and known != uid

    @property
    def request(self) -> str:
        """The path of the request file that it carries out; "" for one that came otherwise."""
        return str(self.evidence.get(REQUEST, ""))

    @cached_property
    def asked_in(self) -> AskedIn | None:
        """The merged request that it carries out by a pull request of its own; None for all others."""
        found = self.evidence.get(ASKED_IN)
        number, head = (found.get("number"), str(found.get("head"))) if isinstance(found, Mapping) else (None, "")
        if not isinstance(found, Mapping) or not isinstance(number, int) or not is_sha(head):
            return None
        return AskedIn(str(found.get("path", "")), number, head)

    @property
    def is_weighed_anew(self) -> bool:
        """It waits for a word since it was not the cheapest way out, which may change while it waits."""
        waits = self.phase is Phase.AWAITING_APPROVAL and self.offer is None
        return waits and self.reason == Reason.CHEAPER_OTHERWISE.value

    @property
    def is_waiting_request(self) -> bool:
        """A person has asked for it, and nobody has let it land yet."""
        return bool(self.request) and self.phase is Phase.AWAITING_APPROVAL

    @cached_property
    def planned(self) -> tuple[StepRecord, ...]:
        """All that we may have put on a branch for it: its steps, what is beside them, each head of its offer."""
        heads = self.offer.heads if self.offer else ()
        beside = (one for one in (self.release, self._beside(UPSTREAM)) if one is not None)
        return (*self.steps, *beside, *(StepRecord(1, 1, None, head.blobs) for head in heads))

    @property
    def pushed_at(self) -> datetime:
        """When its newest commit was pushed; before the first, when it was decided."""
        newest = self.steps[-1].pushed_at if len(self.steps) > 1 else None
        return newest or self.times.get("pushed") or self.times["decided"]

    @property
    def commit(self) -> str | None:
        """The last commit that was pushed for it; None before the first."""
        return next((step.commit for step in reversed(self.steps) if step.commit), None)


def rollback_id(repository: str, application: str, bad_revision: str, cause: str = "auto") -> str:
    """`rb-` and 16 hex digits of SHA-256 over the JSON list; never of plan, head or time, so all replicas agree.

    Source: safety.md, Definitions.
    """
    canonical = json.dumps([repository, application, bad_revision, cause], separators=(",", ":"), ensure_ascii=False)
    return "rb-" + hashlib.sha256(canonical.encode()).hexdigest()[:16]


def advance(
    record: RollbackRecord,
    phase: Phase,
    at: datetime | None = None,
    *,
    outcome: RollbackOutcome | None = None,
    reason: str | None = None,
    message: str | None = None,
) -> RollbackRecord:
    """The record moved forward to `phase`; the same phase again only updates its words.

    What held it up is over with the phase that it did so in: then the reason is again the one from before.
    `at` is noted under the name that the step has in `times` (pushed, synced, verified), the first time only.
    Raises: ValueError for a move that `TRANSITIONS` does not hold, and for `Done` without an outcome.
    """
    if phase is not record.phase and phase not in TRANSITIONS[record.phase]:
        raise ValueError(f"{record.id}: {record.phase.value} cannot become {phase.value}")
    if (phase is Phase.DONE) != ((outcome or record.outcome) is not None):
        raise ValueError(f"{record.id}: an outcome belongs to Done, and Done needs one")
    kept = record.reason if phase is record.phase else str(record.evidence.get(BECAUSE, record.reason))
    return dataclasses.replace(
        record,
        phase=phase,
        outcome=outcome or record.outcome,
        reason=kept if reason is None else reason,
        message=record.message if message is None else message,
        times=_with_time(record, phase, at, outcome),
    )


def held_up(record: RollbackRecord, named: str, at: datetime, reason: str, message: str) -> RollbackRecord:
    """The same phase, which goes on later: the first word on that holds, over restarts too.

    `at` is noted in `times` as `named`: `HELD_UNTIL` or `HINDERED_AT`.
    """
    times, evidence = {named: at, **record.times}, {BECAUSE: record.reason, **record.evidence}
    return dataclasses.replace(record, reason=reason, message=message, times=times, evidence=evidence)


def _with_time(
    record: RollbackRecord, phase: Phase, at: datetime | None, outcome: RollbackOutcome | None
) -> Mapping[str, datetime]:
    names = {Phase.SYNCING: "pushed", Phase.VERIFYING: "synced"}
    name = "verified" if outcome is RollbackOutcome.VERIFIED else names.get(phase)
    if at is None or name is None or name in record.times:
        return record.times
    back = {RESTORED: at} if phase is Phase.VERIFYING else {}
    return {**back, **record.times, name: at}


def merge(one: RollbackRecord, other: RollbackRecord) -> RollbackRecord:
    """Which of two views of the same rollback holds: the one further on; of two equally far, `other`.

    `other` is the newer writer's. Two views that both ended keep the end that was there first. What only one of them
    knows is kept: pushed steps, times, applications that joined and superseded commits, so that no view can lose a
    commit of ours.
    """
    if one.id != other.id:
        raise ValueError(f"{one.id} and {other.id} are two rollbacks")
    order = list(Phase)
    ahead = other if order.index(other.phase) >= order.index(one.phase) else one
    if one.phase is Phase.DONE and other.phase is Phase.DONE:
        ahead = one
    behind = one if ahead is other else other
    return dataclasses.replace(
        ahead,
        applications=tuple(dict.fromkeys((*behind.applications, *ahead.applications))),
        steps=_merge_steps(behind.steps, ahead.steps),
        times={**behind.times, **ahead.times},
        superseded=tuple(dict.fromkeys((*behind.superseded, *ahead.superseded))),
        evidence=_merge_evidence(one, other, ahead),
    )


def _merge_evidence(one: RollbackRecord, other: RollbackRecord, ahead: RollbackRecord) -> Mapping[str, object]:
    """What is done beside the phases, and after the end: the newer writer's word on it is added to whatever holds."""
    released = other.evidence.get(RELEASE) or one.evidence.get(RELEASE)
    above = _known_upstream(other.evidence.get(UPSTREAM)) or _known_upstream(one.evidence.get(UPSTREAM))
    offered = merge_offers(one.evidence.get(PULL_REQUEST), other.evidence.get(PULL_REQUEST))
    beside = ((RELEASE, released), (PULL_REQUEST, offered), (UPSTREAM, above))
    more = {name: known for name, known in beside if known is not None}
    return {**ahead.evidence, **more} if more else ahead.evidence


def _known_upstream(found: object) -> object:
    """One view of it, where that knows more than the plan did; else None."""
    known = ("commit", "done", "offered")
    return found if isinstance(found, Mapping) and any(found.get(name) for name in known) else None


def offered(record: RollbackRecord, offer: Offer) -> RollbackRecord:
    """The record with its pull request as it is now; what the newest head changes is its planned step."""
    evidence = {**record.evidence, PULL_REQUEST: offer.document}
    waits = record.phase is Phase.AWAITING_APPROVAL and offer.newest is not None
    steps = (StepRecord(1, 1, None, offer.newest.blobs),) if waits and offer.newest else record.steps
    return dataclasses.replace(record, evidence=evidence, steps=steps)


def landed_by_forge(
    record: RollbackRecord, commit: str, blobs: Mapping[str, str | None], at: datetime, by: str
) -> RollbackRecord:
    """The record of a plan that stands on the branch by the hand of a forge or a person, as `commit`.

    `by` is who let it land, and "" where the plan needed nobody.
    """
    step = StepRecord(1, 1, commit, blobs, at)
    there = dataclasses.replace(record, steps=(step,), requested_by=by or record.requested_by)
    return advance(advance(there, Phase.PUSHING), Phase.SYNCING, at)


def unpushed(record: RollbackRecord) -> RollbackRecord:
    """An open record as it is before its newest commit is on the branch; one that has ended stays as it is."""
    if not record.open:
        return record
    newest = dataclasses.replace(record.steps[-1], pushed_at=None)
    if len(record.steps) > 1:
        return dataclasses.replace(record, steps=(*record.steps[:-1], newest))
    times = {name: at for name, at in record.times.items() if name != "pushed"}
    return dataclasses.replace(record, phase=Phase.PUSHING, steps=(newest,), times=times)


def stepped(record: RollbackRecord, step: StepRecord, message: str) -> RollbackRecord:
    """The record with one more commit of its plan; what held it up before that is over."""
    times = {name: at for name, at in record.times.items() if name != STEP_HELD_AT}
    reason = str(record.evidence.get(BECAUSE, record.reason))
    return dataclasses.replace(
        record, phase=Phase.SYNCING, steps=(*record.steps, step), reason=reason, message=message, times=times
    )


def before_newest(record: RollbackRecord) -> RollbackRecord | None:
    """A record whose newest commit never came to be, as it was before that; None if it was its first."""
    if len(record.steps) < 2:
        return None
    return dataclasses.replace(record, steps=record.steps[:-1])


def _merge_steps(behind: tuple[StepRecord, ...], ahead: tuple[StepRecord, ...]) -> tuple[StepRecord, ...]:
    known = {step.n: step for step in ahead}
    for step in behind:
        mine = known.get(step.n)
        if mine is None or (mine.commit is None and step.commit is not None):
            known[step.n] = step
    return tuple(known[n] for n in sorted(known))
