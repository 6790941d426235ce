"""A heartbeat: one real commit by the way of a rollback, that changes nothing, so that the first push is never at 3 AM.

What is known of one stands in the journal, as the details of lines of its own; it is no record, so nothing that counts
or looks for rollbacks ever meets it.
Source: safety.md, Proving the write path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry, format_time, parse_time
from gitops_rollback.core.policy import Policy, Severity

SUBJECT = f"{CONTROLLER}/heartbeat"
BRANCHES = "gitops-rollback/heartbeat"
FIRST_AFTER = timedelta(days=1)  # of keeping a journal: then it has settled, and people know of it
SEEN_WITHIN = timedelta(minutes=10)  # by the engine, after it landed
PUSHED_WITHIN = timedelta(minutes=15)
MERGED_WITHIN = timedelta(hours=24)
PHASES = ("begun", "opened", "landed", "seen")


class Outcome(StrEnum):
    """How it ended, or that it has not. All but SEEN are a fault that a rollback would meet, too."""

    OPEN = "open"
    SEEN = "seen"  # landed, and the engine has looked at it
    UNSEEN = "unseen"  # landed, and the engine has not looked at it in time
    REFUSED = "refused"  # it did not land


@dataclass(frozen=True)
class Beat:
    """One heartbeat. `times`: begun, opened, landed, seen, where known; `number` of its pull request, if it has one.

    `blob` is what the file holds after it; `told`: people know of the fault, or of what it waits for.
    """

    id: str
    application: str
    commit: str
    base: str
    blob: str
    by: str = CONTROLLER
    offered: bool = False  # delivered by a pull request
    number: int | None = None
    url: str = ""
    times: Mapping[str, datetime] = field(default_factory=dict)
    outcome: Outcome = Outcome.OPEN
    reason: Reason = Reason.HEARTBEAT
    message: str = ""
    told: bool = False

    @property
    def open(self) -> bool:
        return self.outcome is Outcome.OPEN

    @property
    def begun(self) -> datetime:
        return self.times.get("begun", datetime.min.replace(tzinfo=UTC))

    @property
    def took(self) -> timedelta | None:
        """From the beginning until the engine had seen it: about what a rollback takes here before its checks."""
        return self.times["seen"] - self.begun if "seen" in self.times else None

    @property
    def phases(self) -> dict[str, float]:
        """Seconds from each known phase to the next."""
        known = [(name, self.times[name]) for name in PHASES if name in self.times]
        return {name: max(0.0, (at - before).total_seconds()) for (_, before), (name, at) in pairwise(known)}

    @property
    def words(self) -> str:
        """For people."""
        parts = [f"{name} {format_duration(timedelta(seconds=round(took)))}" for name, took in self.phases.items()]
        way = f"pull request #{self.number}" if self.number else "a pull request" if self.offered else "a push"
        spent = f" ({', '.join(parts)})" if parts else ""
        if self.outcome is Outcome.SEEN and self.took is not None:
            total = format_duration(timedelta(seconds=round(self.took.total_seconds())))
            return f"a commit reaches the engine by {way} in {total}{spent}"
        return f"by {way}{spent}: {self.message or self.outcome.value}"

    def at(self, phase: str, now: datetime) -> Beat:
        """With the time of a phase, the first time only."""
        return replace(self, times={phase: now, **self.times})

    def ended(self, outcome: Outcome, reason: Reason, message: str = "") -> Beat:
        return replace(self, outcome=outcome, reason=reason, message=message)


@dataclass(frozen=True)
class OfficeHours:
    """When somebody reads what is no emergency. Days as `weekday()` counts them, 0 is Monday."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    start: time = time(9)
    end: time = time(17)
    zone: str = "UTC"

    def holds(self, now: datetime) -> bool:
        here = now.astimezone(ZoneInfo(self.zone))
        return here.weekday() in self.days and self.start <= here.time() < self.end


@dataclass(frozen=True)
class Rhythm:
    """How often the controller makes one by itself; None: never."""

    every: timedelta | None = timedelta(days=7)
    office: OfficeHours = OfficeHours()

    def is_due(self, newest: Beat | None, first_line: datetime | None, now: datetime) -> bool:
        """In office hours, so that somebody is there to mend a fault; `first_line` is the oldest of the journal."""
        if self.every is None or first_line is None or not self.office.holds(now):
            return False
        if newest is None:
            return now - first_line >= FIRST_AFTER
        return not newest.open and now - newest.begun >= self.every

    def overdue(self, entries: Iterable[DecisionEntry], now: datetime) -> str:
        """Since when one is missing, in words, by the journal's lines; "" where none is, or none is wanted."""
        if self.every is None:
            return ""
        known, late = list(entries), 2 * self.every
        newest = newest_beat(known)
        if newest is not None:
            age = format_duration(timedelta(seconds=round((now - newest.begun).total_seconds())))
            return f"the last one was {age} ago" if now - newest.begun > late else ""
        first = min((entry.at for entry in known), default=now)
        return f"there was none since {format_time(first)}" if now - first > FIRST_AFTER + late else ""


def is_automatic(policy: Policy) -> bool:
    """Whether the controller may come to land something by itself under this policy."""
    acts = any(trigger.severity is Severity.AUTO_ROLLBACK for trigger in policy.triggers)
    return acts and not policy.suspend and policy.delivery.mode != "suggest"


def beat_id(repository: str, application: str, at: datetime) -> str:
    """`hb-` and 16 hex digits."""
    canonical = json.dumps([repository, application, format_time(at)], separators=(",", ":"))
    return "hb-" + hashlib.sha256(canonical.encode()).hexdigest()[:16]


def content(identity: str, at: datetime) -> bytes:
    """The file: comments alone, so that whoever renders all files of a folder finds nothing to apply."""
    return (
        "# +argocd:skip-file-rendering\n"
        "# The heartbeat of gitops-rollback: its last line changes now and then, to show that a rollback could land.\n"
        f"# {format_time(at.replace(microsecond=0))} {identity}\n"
    ).encode()


def branch_of(identity: str) -> str:
    return f"{BRANCHES}/{identity.removeprefix('hb-')[:12]}"


def entry_of(beat: Beat, now: datetime) -> DecisionEntry:
    """The line that the journal keeps of it."""
    action = "heartbeat" if beat.open else "resumed" if beat.outcome is Outcome.SEEN else "page"
    details: dict[str, object] = {
        "id": beat.id, "application": beat.application, "commit": beat.commit, "base": beat.base, "blob": beat.blob,
        "by": beat.by, "offered": beat.offered, "number": beat.number, "url": beat.url,
        "times": {name: format_time(at) for name, at in beat.times.items()}, "outcome": beat.outcome.value,
        "told": beat.told, "message": beat.message,
    }  # fmt: skip
    return DecisionEntry(now, SUBJECT, action, beat.reason.value, beat.id, beat.words, details)


def beat_of(entry: DecisionEntry) -> Beat | None:
    """The heartbeat of such a line; None for one that is none, or not as we write it: many may write to the journal."""
    found = entry.details
    times, number = found.get("times"), found.get("number")
    if entry.application != SUBJECT or not isinstance(times, Mapping) or not is_sha(str(found.get("commit"))):
        return None
    try:
        return Beat(
            id=entry.revision,
            application=str(found.get("application", "")),
            commit=str(found.get("commit", "")),
            base=str(found.get("base", "")),
            blob=str(found.get("blob", "")),
            by=str(found.get("by", CONTROLLER)),
            offered=found.get("offered") is True,
            number=number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None,
            url=str(found.get("url", ""))[:1000],
            times={str(name): parse_time(str(at)) for name, at in times.items()},
            outcome=Outcome(str(found.get("outcome", ""))),
            reason=Reason(entry.reason),
            message=str(found.get("message", "")),
            told=found.get("told") is True,
        )
    except ValueError:
        return None


def newest_beat(entries: Iterable[DecisionEntry]) -> Beat | None:
    """The last word on the newest one."""
    newest: tuple[datetime, Beat] | None = None
    for entry in entries:
        beat = beat_of(entry) if entry.application == SUBJECT else None
        if beat is not None and (newest is None or (beat.begun, entry.at) >= (newest[1].begun, newest[0])):
            newest = entry.at, beat
    return newest[1] if newest else None
