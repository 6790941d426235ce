"""What must the next shift know? From the journal and the doors in git alone, so that it is true with nobody running.

Source: safety.md, After the rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gitops_rollback.core.decision import Act
from gitops_rollback.core.drill import SIGN, Practice, is_drill
from gitops_rollback.core.heartbeat import Rhythm
from gitops_rollback.core.image_holds import LASTS, holds_of
from gitops_rollback.core.journal import CONTROLLER, DecisionEntry
from gitops_rollback.core.message import for_people
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.silence import active, words
from gitops_rollback.core.stop import Pause, PauseState, described, names_of

SHIFT = timedelta(hours=12)
MOST_ITEMS = 500


NO_HEARTBEATS = Rhythm(None)


class Section(StrEnum):
    """In the order in which the next shift should read."""

    OPEN = "under way"
    WAITING = "waits for a word"
    NOT_VERIFIED = "did not help"
    HELD = "held"
    REFUSED = "cannot be rolled back"
    BLIND = "blind"
    CONTROLLER = "the controller itself"
    POLICY = "policy refused"
    PAUSED = "paused"
    SILENCED = "silenced"
    DONE = "rolled back and verified"


@dataclass(frozen=True)
class Item:
    """One thing. `applications` () concern the whole repository; `since` and `until` where they are known."""

    section: Section
    applications: tuple[str, ...]
    text: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class ShiftFacts:
    """One repository: what its journal, its doors and its policies at the branch's head say."""

    records: Sequence[RollbackRecord]
    decisions: Sequence[DecisionEntry]
    pauses: Sequence[PauseState]
    silences: PauseState
    policy_faults: Sequence[str] = ()
    rhythm: Rhythm = NO_HEARTBEATS  # of heartbeats, where something is automatic
    practices: Sequence[Practice] = ()  # of those that may be drilled


@dataclass(frozen=True)
class ShiftTimes:
    """When shifts change: times of day in one zone."""

    at: tuple[time, ...] = ()
    zone: str = "UTC"

    def newest(self, now: datetime) -> datetime | None:
        """The newest change at or before `now`; None if there is none."""
        here = now.astimezone(ZoneInfo(self.zone))
        days = (here.date(), here.date() - timedelta(days=1))
        found = [datetime.combine(day, one, here.tzinfo) for day in days for one in self.at]
        return max((one.astimezone(UTC) for one in found if one <= here), default=None)


NO_SHIFTS = ShiftTimes()


def handed_over(facts: ShiftFacts, now: datetime, since: datetime) -> tuple[Item, ...]:
    """All items, by section, the newest first in each; `since` bounds what is over."""
    found = [
        *_of_records(facts.records, since),
        *_of_decisions(facts.decisions),
        *_of_heartbeats(facts, now),
        *(_of_practice(one) for one in facts.practices if one.overdue),
        *_of_pauses(facts.pauses, now),
        *(_of_silence(one) for one in active(facts.silences, now)),
        *(Item(Section.POLICY, (), for_people(fault)) for fault in facts.policy_faults),
    ]
    order = list(Section)
    found.sort(key=lambda item: (order.index(item.section), -(item.since.timestamp() if item.since else 0.0)))
    return tuple(found[:MOST_ITEMS])


def in_words(items: Iterable[Item]) -> Iterator[str]:
    """A line each, for a message."""
    for item in items:
        who = ", ".join("/".join(name.split("/")[-2:]) for name in item.applications)
        until = f" (until {item.until:%F %H:%M}Z)" if item.until else ""
        yield f"{item.section.value}: {who + ': ' if who and who not in item.text else ''}{item.text}{until}"


def ending(items: Iterable[Item], now: datetime, shift: timedelta = SHIFT) -> tuple[Item, ...]:
    """What ends within the next shift, the first end first."""
    soon = [item for item in items if item.until is not None and now < item.until <= now + shift]
    return tuple(sorted(soon, key=lambda item: item.until or now))


def of_applications(items: Iterable[Item], names: set[str]) -> tuple[Item, ...]:
    """Those that concern one of these applications by any of its names, and those that concern all."""
    return tuple(
        item
        for item in items
        if not item.applications or any(names & names_of(application) for application in item.applications)
    )


def _of_records(records: Sequence[RollbackRecord], since: datetime) -> Iterator[Item]:
    for record in records:
        section = _section_of(record)
        at = max(record.times.values(), default=None)
        over = section in (Section.NOT_VERIFIED, Section.DONE)
        if section is not None and not (over and (at is None or at < since)):
            yield Item(section, record.applications, _told(record, section), record.times.get("decided"))
        if record.release is None and record.outcome is RollbackOutcome.VERIFIED:
            yield from _of_image_holds(record)


def _section_of(record: RollbackRecord) -> Section | None:
    if record.open:
        return Section.WAITING if record.phase is Phase.AWAITING_APPROVAL else Section.OPEN
    if record.did_not_help:
        return Section.NOT_VERIFIED
    return Section.DONE if record.outcome is RollbackOutcome.VERIFIED else None


def _told(record: RollbackRecord, section: Section) -> str:
    answer = f"; gitops-rollback approve {record.id}, or reject" if section is Section.WAITING else ""
    return f"{f'{SIGN}: ' if is_drill(record) else ''}{record.id} {record.reason}: {for_people(record.message)}{answer}"


def _of_image_holds(record: RollbackRecord) -> Iterator[Item]:
    verified = record.times.get("verified")
    for hold in holds_of(record):
        text = f"{record.id}: {for_people(hold.words())} is not written back; gitops-rollback release ends it"
        yield Item(Section.HELD, record.applications, text, verified, verified + LASTS if verified else None)


_SECTIONS: Mapping[str, Section] = {
    Act.HOLD.value: Section.HELD,
    Act.REFUSE.value: Section.REFUSED,
    Act.PAGE.value: Section.BLIND,
}


def _of_decisions(entries: Sequence[DecisionEntry]) -> Iterator[Item]:
    """Only the newest word about each subject counts: what came after it has answered it."""
    newest: dict[str, DecisionEntry] = {}
    for entry in sorted(entries, key=lambda entry: entry.at):
        newest[entry.application] = entry
    for name, entry in newest.items():
        ours = name == CONTROLLER or name.startswith(f"{CONTROLLER}/")
        section = _SECTIONS.get(entry.action)
        if section is not None:
            text = f"{entry.reason}: {for_people(entry.message)}"
            yield Item(Section.CONTROLLER if ours else section, () if ours else (name,), text, entry.at)


def _of_heartbeats(facts: ShiftFacts, now: datetime) -> Iterator[Item]:
    """Whether a rollback could land is not known; that the last one did not land is a decision of its own."""
    missing = facts.rhythm.overdue(facts.decisions, now)
    if missing:
        yield Item(Section.CONTROLLER, (), f"the heartbeat is overdue: {missing}; gitops-rollback heartbeat makes one")


def _of_practice(practice: Practice) -> Item:
    text = f"its drill is overdue: {practice.overdue}; gitops-rollback drill {practice.application} makes one"
    return Item(Section.CONTROLLER, (practice.application,), text, practice.passed)


def _of_pauses(doors: Sequence[PauseState], now: datetime) -> Iterator[Item]:
    for door in doors:
        held: tuple[Pause, ...] = tuple(pause for pause in door.pauses if pause.holds(now))
        if door.unreadable:
            yield Item(Section.PAUSED, (), described(PauseState(door.door, (), door.unreadable))[0])
        for pause in held:
            (text,) = described(PauseState(door.door, (pause,)))
            yield Item(
                Section.PAUSED, (pause.application,) if pause.application else (), for_people(text), None, pause.until
            )


def _of_silence(silence: Pause) -> Item:
    name = silence.application or ""
    return Item(Section.SILENCED, (name,), for_people(f"{name} {words(silence)}"), None, silence.until)
