"""What became of a rollback, and what happened lately, in whole sentences; and how long each phase took.

From records and decisions of the journal alone, so that a restarted controller tells the same.
Source: product.md section 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.core.decision import Act
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry
from gitops_rollback.core.message import for_people
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord

HOUR = timedelta(hours=1)
MOST_SENTENCES = 12
SPANS = (
    ("detect", "deployed", "fired"),
    ("decide", "fired", "decided"),
    ("push", "decided", "pushed"),
    ("sync", "pushed", "synced"),
    ("verify", "synced", "verified"),
)
_RATIO = re.compile(r"\([^()]* of [^()]* per second\)")
_TOLD = frozenset(act.value for act in Act if act.tells)


@dataclass(frozen=True)
class Span:
    """One part of a rollback. `begin` and `end` are None where nothing says so."""

    name: str
    begin: datetime | None
    end: datetime | None

    @property
    def lasted(self) -> timedelta | None:
        """None while it goes on, and where it is not known; never below zero."""
        if self.begin is None or self.end is None:
            return None
        return max(self.end - self.begin, timedelta(0))


@dataclass(frozen=True)
class SyncSeen:
    """A deployment that the journal tells of."""

    application: str
    at: datetime
    revision: str


def spans(record: RollbackRecord) -> tuple[Span, ...]:
    """The parts in their order, each from the end of the one before it."""
    return tuple(Span(name, record.times.get(begin), record.times.get(end)) for name, begin, end in SPANS)


def short(application: str) -> str:
    """The last part of a full name, harmless."""
    return for_people(application.rsplit("/", 1)[-1])


def headline(record: RollbackRecord, version: str = "") -> str:
    """One sentence: what, to where, why, and how it stands. `version`: the image's that comes back; "" if unknown."""
    names = ", ".join(short(name) for name in record.applications)
    to, why = f"{for_people(version)} ({record.restores[:7]})" if version else record.restores[:7], _because(record)
    if record.phase is Phase.AWAITING_APPROVAL or record.phase is Phase.PENDING:
        return f"{names} should go back to {to}{why}: it waits for a person."
    if record.phase is not Phase.DONE:
        step = {Phase.PUSHING: "pushed", Phase.SYNCING: "applied by the engine"}.get(record.phase, "verified")
        return f"{names} is being rolled back to {to}{why}; it is being {step}."
    if record.outcome is RollbackOutcome.VERIFIED:
        return f"{names} was rolled back to {to}{why}, and recovered."
    if record.commit and record.outcome in (RollbackOutcome.UNVERIFIED, RollbackOutcome.FAILED):
        return f"{names} was rolled back to {to}{why}, but that is not verified: {for_people(record.message)}."
    outcome = record.outcome.value if record.outcome else "over"
    return f"The rollback of {names} to {to} was {outcome}: {for_people(record.message) or record.reason}."


def _because(record: RollbackRecord) -> str:
    for verdict in mappings(record.evidence.get("verdicts")):
        value, name = verdict.get("value"), verdict.get("trigger")
        if name in record.triggers and isinstance(value, int | float):
            if verdict.get("threshold") is None and not verdict.get("counts"):
                return f" because {for_people(str(name))} fired"  # its value says no more than that it did
            limit, is_ratio = verdict.get("threshold"), _RATIO.search(str(verdict.get("message", ""))) is not None
            bound = f" (limit {amount(limit, is_ratio)})" if isinstance(limit, int | float) else ""
            return f" because {for_people(str(name))} was {amount(value, is_ratio)}{bound}"
    if record.triggers:
        return f" because of {', '.join(for_people(name) for name in record.triggers)}"
    return f" because {for_people(record.requested_by)} asked for it"


def is_ratio(verdict: Mapping[str, object]) -> bool:
    """Whether its value is a part of a whole, by the words that it was told in."""
    return _RATIO.search(str(verdict.get("message", ""))) is not None


def amount(value: float, is_ratio: bool = False) -> str:
    """A number for people; a part of a whole in per cent."""
    return f"{value * 100:.3g}\N{NO-BREAK SPACE}%" if is_ratio else f"{value:.4g}"


def mappings(value: object) -> tuple[Mapping[str, object], ...]:
    """The objects of a list of evidence; what is none is left out."""
    return tuple(one for one in value if isinstance(one, Mapping)) if isinstance(value, list | tuple) else ()


def syncs(decisions: Iterable[DecisionEntry]) -> tuple[SyncSeen, ...]:
    """Each deployment that some decision was about, once, the oldest first."""
    found: dict[tuple[str, str], SyncSeen] = {}
    for entry in decisions:
        sync = entry.details.get("sync")
        begun = sync.get("startedAt") if isinstance(sync, Mapping) else None
        at = _time(begun)
        if at is not None:
            found.setdefault((entry.application, str(begun)), SyncSeen(entry.application, at, entry.revision))
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.application)))


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def last_hour(records: Iterable[RollbackRecord], decisions: Sequence[DecisionEntry], now: datetime) -> tuple[str, ...]:
    """What happened since an hour ago, the newest first; that nothing did is one sentence, too."""
    since = now - HOUR
    told: list[tuple[datetime, str]] = []
    recent = [entry for entry in decisions if entry.at >= since]
    for record in records:
        newest = max(record.times.values(), default=None)
        if newest is not None and (newest >= since or record.open):
            told.append((newest, headline(record)))
    for entry in recent:
        if entry.action in _TOLD and not entry.details.get("rollback") and entry.application != CONTROLLER:
            told.append((entry.at, f"{short(entry.application)}: {for_people(entry.message)}."))
    told.sort(key=lambda one: one[0], reverse=True)
    lines = [f"{at:%H:%M} {words}" for at, words in told[:MOST_SENTENCES]]
    seen = [one for one in syncs(recent) if one.at >= since]
    if seen:
        names = sorted({short(one.application) for one in seen})
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        watched = "1 sync was watched" if len(seen) == 1 else f"{len(seen)} syncs were watched"
        lines.append(f"{watched}: {', '.join(names[:4])}{more}.")
    return tuple(lines) or ("Nothing was rolled back, and nobody was asked anything.",)


def longest(record: RollbackRecord) -> str:
    """From the bad sync to its end, as far as it is known."""
    known = [record.times[name] for name in ("deployed", "verified") if name in record.times]
    return format_duration(known[1] - known[0]) if len(known) == 2 else ""
