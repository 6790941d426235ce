"""A rollback that has ended, as one trace: what followed what, and how long each of it took.

The identifiers come from the Rollback-Id alone, so whoever finds that in a commit, the journal or a log finds the
trace, and a replica that takes a rollback over tells the same one. Nothing is told before the end: then all times
are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from gitops_rollback.core.rollback import RollbackOutcome, RollbackRecord

# The name in a record's `times` that ends each phase, in their order; the first one only begins.
PHASES = {"fired": "detect", "decided": "decide", "pushed": "push", "synced": "sync", "verified": "verify"}
BEGINNING = "deployed"


@dataclass(frozen=True)
class Span:
    """One stretch of time. `id` is a number of 64 bits."""

    name: str
    id: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Trace:
    """`id` is a number of 128 bits; the phases are children of `root`. `failed`: it was not seen to help."""

    id: int
    root: Span
    phases: tuple[Span, ...]
    attributes: Mapping[str, str | int]
    failed: bool = False
    message: str = ""


def trace_id_of(rollback_id: str) -> str:
    """The trace of a rollback: 32 hex digits."""
    return hashlib.sha256(rollback_id.encode()).hexdigest()[:32]


def trace_of(record: RollbackRecord, ended: datetime) -> Trace | None:
    """The trace of a rollback that ended then; None where no time of it is known."""
    known = [(name, record.times[name]) for name in (BEGINNING, *PHASES) if name in record.times]
    if not known:
        return None
    failed = record.outcome is not RollbackOutcome.VERIFIED
    if failed:
        known.append((_following(known[-1][0]), ended))
    pairs = pairwise(known)
    phases = [_span(record, PHASES[name], before, max(before, after)) for (_, before), (name, after) in pairs]
    end = max(moment for _, moment in known)
    return Trace(
        int(trace_id_of(record.id), 16),
        _span(record, "rollback", known[0][1], end),
        tuple(phases),
        _attributes(record),
        failed,
        record.message if failed else "",
    )


def _following(name: str) -> str:
    """The name in `times` that would have come next: a rollback that fails does so in the phase that this ends."""
    order = (BEGINNING, *PHASES)
    return order[min(order.index(name) + 1, len(order) - 1)]


def _span(record: RollbackRecord, name: str, start: datetime, end: datetime) -> Span:
    digits = hashlib.sha256(f"{record.id}/{name}".encode()).hexdigest()[:16]
    return Span(name, int(digits, 16), start, end)


def _attributes(record: RollbackRecord) -> dict[str, str | int]:
    """In the words of OpenTelemetry's conventions where they have one."""
    told: dict[str, str | int] = {
        "gitops_rollback.id": record.id,
        "gitops_rollback.application": ",".join(record.applications),
        "gitops_rollback.outcome": record.outcome.value if record.outcome is not None else "",
        "gitops_rollback.reason": record.reason,
        "gitops_rollback.triggers": ",".join(record.triggers),
        "gitops_rollback.requested_by": record.requested_by,
        "gitops_rollback.reverts": ",".join(record.reverts),
        "gitops_rollback.restores": record.restores,
        "vcs.repository.name": record.repository,
        "vcs.ref.base.revision": record.bad_revision,
        "vcs.ref.head.revision": record.commit or "",
    }
    if record.offer is not None and record.offer.number is not None:
        told["vcs.change.id"] = str(record.offer.number)
    return {name: value for name, value in told.items() if value != ""}
