"""A drill: a known-bad commit that the running controller, or people, must find and take back, timed.

What is known of one stands in the journal, as the details of lines of its own. The rollback of one is a record like any
other, named by the drill that it is of: it spends no budget, and no figure about real rollbacks counts it.
Source: safety.md, Proving the write path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from gitops_rollback.core.breaking import Break
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry, format_time, parse_time
from gitops_rollback.core.rollback import DRILL, RollbackOutcome, RollbackRecord
from gitops_rollback.core.stop import names_of

SUBJECT = f"{CONTROLLER}/drill"
SIGN = "DRILL"  # stands in every message about one
OVERDUE_AFTER = timedelta(days=90)
GRACE = timedelta(minutes=2)  # so long after its deadline a running controller leaves the clean-up to who began it
PHASES = ("begun", "deployed", "fired", "decided", "pushed", "synced", "verified")
SAYS = {"fired": "found", "decided": "decided", "pushed": "reverted", "open": "under way"}  # for people


class Outcome(StrEnum):
    """How it ended, or that it has not."""

    OPEN = "open"
    PASSED = "passed"  # found, taken back, and seen to be well
    FAILED = "failed"  # it was not; what it broke was taken back by the drill itself, or by somebody else
    STOPPED = "stopped"  # who began it stopped it, and it took back what it broke


@dataclass(frozen=True)
class Drill:
    """One drill. `commit` is the known-bad one, on `base`; `cleaned` the commit by which the drill itself took it back.

    `people`: the controller only pages. `deadline`: then the drill takes it back. `times`: see PHASES, where known.
    """

    id: str
    application: str
    how: Break
    commit: str
    base: str
    by: str
    deadline: datetime
    people: bool = False
    cleaned: str = ""
    rollback: str = ""
    times: Mapping[str, datetime] = field(default_factory=dict)
    outcome: Outcome = Outcome.OPEN
    message: str = ""

    @property
    def open(self) -> bool:
        return self.outcome is Outcome.OPEN

    @property
    def begun(self) -> datetime:
        return self.times.get("begun", datetime.min.replace(tzinfo=UTC))

    @property
    def phases(self) -> dict[str, float]:
        """Seconds from each known phase to the next."""
        known = [(name, self.times[name]) for name in PHASES if name in self.times]
        return {name: max(0.0, (at - before).total_seconds()) for (_, before), (name, at) in pairwise(known)}

    @property
    def took(self) -> timedelta | None:
        """From the bad commit until all was seen to be well again."""
        return self.times["verified"] - self.begun if "verified" in self.times else None

    @property
    def words(self) -> str:
        """For people."""
        parts = [f"{SAYS.get(name, name)} {_short(timedelta(seconds=took))}" for name, took in self.phases.items()]
        spent = f" ({', '.join(parts)})" if parts else ""
        who = "people" if self.people else "the controller"
        if self.outcome is Outcome.PASSED and self.took is not None:
            return f"{SIGN}: {who} found {self.how.words} and took it back in {_short(self.took)}{spent}"
        return f"{SIGN}: {self.how.words}: {self.message or SAYS.get(self.outcome, self.outcome)}{spent}"

    def with_record(self, record: RollbackRecord) -> Drill:
        """With what its rollback says of times."""
        known = {name: at for name, at in record.times.items() if name in PHASES}
        return replace(self, rollback=record.id, times={**known, **self.times})

    def ended(self, outcome: Outcome, message: str = "", cleaned: str = "") -> Drill:
        return replace(self, outcome=outcome, message=message, cleaned=cleaned or self.cleaned)


def _short(span: timedelta) -> str:
    return format_duration(timedelta(seconds=round(span.total_seconds())))


def drill_id(repository: str, application: str, at: datetime) -> str:
    """`dr-` and 16 hex digits."""
    canonical = json.dumps([repository, application, format_time(at)], separators=(",", ":"))
    return "dr-" + hashlib.sha256(canonical.encode()).hexdigest()[:16]


def entry_of(drill: Drill, now: datetime) -> DecisionEntry:
    """The line that the journal keeps of it. Only one that was not passed is for a person."""
    details: dict[str, object] = {
        "id": drill.id, "application": drill.application, "break": drill.how.value, "commit": drill.commit,
        "base": drill.base, "by": drill.by, "deadline": format_time(drill.deadline), "people": drill.people,
        "cleaned": drill.cleaned, "drillOf": drill.rollback, "outcome": drill.outcome.value, "message": drill.message,
        "times": {name: format_time(at) for name, at in drill.times.items()},
    }  # fmt: skip
    subject = f"{SUBJECT}/{drill.application}"
    return DecisionEntry(
        now, subject, f"drill-{drill.outcome.value}", Reason.DRILL.value, drill.id, drill.words, details
    )


def drill_of(entry: DecisionEntry) -> Drill | None:
    """The drill of such a line; None for one that is none, or not as we write it: many may write to the journal."""
    found = entry.details
    times = found.get("times")
    if not entry.application.startswith(f"{SUBJECT}/") or not isinstance(times, Mapping):
        return None
    if not is_sha(str(found.get("commit"))) or entry.application != f"{SUBJECT}/{found.get('application')}":
        return None
    try:
        return Drill(
            id=entry.revision,
            application=str(found["application"]),
            how=Break(str(found.get("break", ""))),
            commit=str(found["commit"]),
            base=str(found.get("base", "")),
            by=str(found.get("by", "")),
            deadline=parse_time(str(found.get("deadline", ""))),
            people=found.get("people") is True,
            cleaned=str(found.get("cleaned", "")),
            rollback=str(found.get("drillOf", "")),
            times={str(name): parse_time(str(at)) for name, at in times.items()},
            outcome=Outcome(str(found.get("outcome", ""))),
            message=str(found.get("message", "")),
        )
    except ValueError:
        return None


def drills(entries: Iterable[DecisionEntry]) -> tuple[Drill, ...]:
    """The last word on each, the newest drill first."""
    newest: dict[str, tuple[datetime, Drill]] = {}
    for entry in entries:
        drill = drill_of(entry)
        if drill is not None and (drill.id not in newest or entry.at >= newest[drill.id][0]):
            newest[drill.id] = entry.at, drill
    return tuple(sorted((one for _, one in newest.values()), key=lambda one: one.begun, reverse=True))


def practised(entries: Sequence[DecisionEntry], reverts: Collection[str]) -> Drill | None:
    """The drill that all of `reverts` are of; None where anything real is among them."""
    if not reverts or not any(entry.application.startswith(SUBJECT) for entry in entries):
        return None
    return next((one for one in drills(entries) if set(reverts) == {one.commit}), None)


def is_drill(record: RollbackRecord) -> bool:
    """It took back what a drill broke."""
    return bool(record.evidence.get(DRILL))


def real(records: Iterable[RollbackRecord]) -> tuple[RollbackRecord, ...]:
    """Those that are of no drill."""
    return tuple(record for record in records if not is_drill(record))


@dataclass(frozen=True)
class Practice:
    """When a target that may be drilled passed a drill last; None: never. `overdue` in words, "" if it is not."""

    application: str
    passed: datetime | None
    overdue: str = ""


def practice_of(
    application: str, entries: Iterable[DecisionEntry], records: Iterable[RollbackRecord], now: datetime
) -> Practice:
    """Of one application by any of its names. The lines of long ago may be gone; the records of rollbacks stay."""
    mine = (one for one in drills(entries) if application in names_of(one.application))
    known = [one.times["verified"] for one in mine if one.outcome is Outcome.PASSED and "verified" in one.times]
    for record in records:
        named = is_drill(record) and any(application in names_of(name) for name in record.applications)
        if named and record.outcome is RollbackOutcome.VERIFIED and "verified" in record.times:
            known.append(record.times["verified"])
    newest = max(known, default=None)
    if newest is None:
        return Practice(application, None, "it never passed a drill")
    days = (now - newest) // timedelta(days=1)
    late = now - newest >= OVERDUE_AFTER
    return Practice(application, newest, f"it passed the last drill {days} days ago" if late else "")


def running(entries: Iterable[DecisionEntry]) -> Iterator[Drill]:
    """Those that have not ended."""
    return (one for one in drills(entries) if one.open)
