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
BECAUSE = "because"  # in `evidence`: the reason that it had before something held it up
HINDERED_AT = "hinderedAt"  # in `times`: then it was told what keeps the engine from applying what is on the branch
HELD_UNTIL = "heldUntil"  # in `times`: until then the engine works on the bad revision, and nobody can end that


@dataclass(frozen=True)
class StepRecord:
    n: int
    of: int
    commit: str | None
    blobs: Mapping[str, str | None] = field(default_factory=dict)  # path -> blob after the step; None: removed
    pushed_at: datetime | None = None


@dataclass(frozen=True)
class RollbackRecord:
    """`records/<id>.json` of the journal.

    `times`: deployed, fired, decided, pushed, heldUntil, hinderedAt, synced, verified, where known.
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
    def release(self) -> StepRecord | None:
        """The commit that ended its holds, beside the steps of the rollback itself; None if none is known."""
        found = self.evidence.get(RELEASE)
        commit, blobs = (found.get("commit"), found.get("blobs")) if isinstance(found, Mapping) else (None, None)
        if not isinstance(commit, str) or not isinstance(blobs, Mapping):
            return None
        return StepRecord(1, 1, commit, {path: blob for path, blob in blobs.items() if isinstance(blob, str)})

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
    return {**record.times, name: at}


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
        evidence=_merge_release(one, other, ahead),
    )


def _merge_release(one: RollbackRecord, other: RollbackRecord, ahead: RollbackRecord) -> Mapping[str, object]:
    """A hold is ended after the rollback: the newer writer's word on that is added to whatever holds."""
    known = other.evidence.get(RELEASE) or one.evidence.get(RELEASE)
    return ahead.evidence if known is None else {**ahead.evidence, RELEASE: known}


def _merge_steps(behind: tuple[StepRecord, ...], ahead: tuple[StepRecord, ...]) -> tuple[StepRecord, ...]:
    known = {step.n: step for step in ahead}
    for step in behind:
        mine = known.get(step.n)
        if mine is None or (mine.commit is None and step.commit is not None):
            known[step.n] = step
    return tuple(known[n] for n in sorted(known))
