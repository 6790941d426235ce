"""A rollback under way: its record in the journal, its phases, and the name that all replicas give it.

The journal is the only storage; phases move forward only, by `TRANSITIONS`.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class StepRecord:
    n: int
    of: int
    commit: str | None
    blobs: Mapping[str, str | None] = field(default_factory=dict)  # path -> blob after the step; None: removed
    pushed_at: datetime | None = None


@dataclass(frozen=True)
class RollbackRecord:
    """`records/<id>.json` of the journal. `times`: deployed, fired, decided, pushed, synced, verified, where known."""

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
    def commit(self) -> str | None:
        """The last commit that was pushed for it; None before the first."""
        return next((step.commit for step in reversed(self.steps) if step.commit), None)


def rollback_id(repository: str, application: str, bad_revision: str, cause: str = "auto") -> str:
    """`rb-` and 16 hex digits of SHA-256 over the JSON list; never of plan, head or time, so all replicas agree.

    Source: safety.md, Definitions.
    """
    canonical = json.dumps([repository, application, bad_revision, cause], separators=(",", ":"), ensure_ascii=False)
    return "rb-" + hashlib.sha256(canonical.encode()).hexdigest()[:16]
