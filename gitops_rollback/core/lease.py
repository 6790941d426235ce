"""Who may act for a config repository? The elector's decisions over a Lease, without clock and without network.

Other replicas' times are never compared with ours: only that a record *changed*, and when we saw that on our own
monotonic clock, counts. Two holders at once remain possible (a paused process, a request under way), so a lease is no
fence: the branch head is. Monotonic times are seconds and may be compared within one process only.
Source: contracts/flux-kubernetes.md, section 14; client-go tools/leaderelection/leaderelection.go.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_TRANSITIONS = 2**31 - 2  # the field is an int32


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds. A request to the API must take less than `renew_deadline`. Raises: ValueError if they do not fit."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > 1.2 * self.retry > 0:
            raise ValueError("a lease needs duration > renew deadline > 1.2 x retry")


@dataclass(frozen=True)
class LeaseRecord:
    """What a Lease says. `holder` is "" when it was given back; times are texts that are kept, not read."""

    holder: str
    duration: float | None  # seconds; None where the Lease says none that is usable
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


@dataclass(frozen=True)
class Sighting:
    """A record and the monotonic time at which we first saw it as it is; None: there is no Lease.

    `before` is what the Lease said last, where it has been deleted since: its holder may not know that yet.
    """

    record: LeaseRecord | None
    seen_at: float
    before: LeaseRecord | None = None


@dataclass(frozen=True)
class Tenure:
    """We hold the lease: under this epoch, and sure of it since the start of the last write that succeeded."""

    epoch: int
    confirmed_at: float


class Step(StrEnum):
    """What to do after a look at the Lease."""

    CREATE = "create"  # nobody has one: make it, in our name
    TAKE = "take"  # the holder is gone or gave it back
    RENEW = "renew"  # it is ours
    WAIT = "wait"  # somebody else's


def sight(previous: Sighting | None, record: LeaseRecord | None, now: float) -> Sighting:
    """The look that found `record`: its time is that of the first look that found the very same."""
    if previous is None:
        return Sighting(record, now)
    if previous.record == record:
        return previous
    return Sighting(record, now, previous.record if record is None else None)


def next_step(identity: str, sighting: Sighting, times: LeaseTimes, now: float, stand_back: float = 0.0) -> Step:
    """What `identity` may do now. At the very end of another's lease it is still theirs.

    `stand_back`: so many seconds a lease that nobody holds is left to those who are to have it rather than us.
    """
    record = sighting.record or sighting.before
    if sighting.record is not None and sighting.record.holder == identity:
        return Step.RENEW
    others = record is not None and record.holder not in ("", identity)
    held = (record.duration or times.duration) if record is not None and others else 0.0
    if (held or stand_back) and now <= sighting.seen_at + held + stand_back:
        return Step.WAIT
    return Step.CREATE if sighting.record is None else Step.TAKE


def wanted_record(identity: str, sighting: Sighting, times: LeaseTimes, wall_time: str) -> LeaseRecord:
    """The record that makes `identity` the holder, or keeps it so. The epoch grows with each change of the holder."""
    found = sighting.record
    if found is not None and found.holder == identity:
        return replace(found, duration=times.duration, renewed=wall_time)
    last = found or sighting.before
    transitions = 0 if last is None else min(max(last.transitions, 0), MAX_TRANSITIONS) + 1
    return LeaseRecord(identity, times.duration, wall_time, wall_time, transitions)


def released_record(record: LeaseRecord, wall_time: str) -> LeaseRecord:
    """The record that gives the lease back; the epoch stays, so that the next holder's is higher."""
    return replace(record, holder="", duration=1.0, renewed=wall_time)


def current_epoch(tenure: Tenure | None, times: LeaseTimes, now: float) -> int | None:
    """The epoch under which an effect may still be started; None from the renew deadline on.

    What starts just before has `duration - renew_deadline` to arrive before another may hold the lease.
    """
    if tenure is None or now >= tenure.confirmed_at + times.renew_deadline:
        return None
    return tenure.epoch


def lease_name(repository: str) -> str:
    """The name of the Lease of a config repository (`acme/shop-config`): readable, valid, and no other's."""
    readable = re.sub(r"[^a-z0-9]+", "-", repository.lower()).strip("-")[:32].strip("-")
    mark = hashlib.sha256(repository.encode()).hexdigest()[:10]
    return "-".join(part for part in ("gitops-rollback", readable, mark) if part)
