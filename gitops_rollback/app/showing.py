"""What the pages about all applications say, as plain documents: a page and its `.json` are two forms of one of these.

Source: product.md section 8, Overview; by the same journal, engines and metrics that the verbs read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import is_
from typing import TypeVar

from gitops_rollback.app.board import Board, Picture
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.tick import Sight
from gitops_rollback.core.headline import headline, last_hour, longest, short, syncs
from gitops_rollback.core.journal import DecisionEntry, format_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.rollback import DRILL, RollbackRecord
from gitops_rollback.core.rollback import Phase as RollbackPhase
from gitops_rollback.core.stop import described, standing, stopped
from gitops_rollback.core.sync import Health
from gitops_rollback.core.trigger import Level, Phase, Verdict

Document = dict[str, object]
Item = TypeVar("Item")

PAGE = 50
MOST_TILES = 60
MOST_LANES = 8
MOST_EVENTS = 400
TIMELINE = timedelta(hours=6)
# What needs a look first comes first.
STATES = ("rolling back", "waits", "firing", "unwell", "blind", "pending", "paused", "watching", "idle")
EARLIEST = datetime.min.replace(tzinfo=UTC)  # of what nobody knows when it was
ORDER = {state: number for number, state in enumerate(STATES)}


@dataclass(frozen=True)
class Row:
    """One application on one line."""

    watched: Watched
    name: str  # in full
    repository: str
    state: str
    message: str
    paused: bool
    record: RollbackRecord | None = None

    @property
    def document(self) -> Document:
        """The row for JSON and for the page."""
        return {
            "application": self.name,
            "name": short(self.name),
            "repository": self.repository,
            "policy": self.watched.policy.name,
            "state": self.state,
            "message": for_people(self.message),
            "health": self.watched.state.health.value,
            "sync": self.watched.state.sync.value,
            "paused": self.paused,
            "rollback": self.record.id if self.record else None,
        }


def rows(pictures: Iterable[Picture], now: datetime) -> list[Row]:
    """Every watched application, what needs a look first."""
    return _in_order(row for picture in pictures for row in _rows_of(picture, now))


def _in_order(found: Iterable[Row]) -> list[Row]:
    return sorted(found, key=lambda row: (ORDER[row.state], row.name))


def _rows_of(picture: Picture, now: datetime) -> Iterable[Row]:
    if picture.tick is None:
        return
    view, settings = picture.view, picture.place.reconciler.surroundings.settings_pause()
    any_stop = any(door.pauses or door.unreadable for door in (settings, *view.pauses))
    sights = {sight.watched.name: sight for sight in picture.tick.sights}
    open_ones = {name: one for one in view.journal.records.values() if one.open for name in one.applications}
    for watched in picture.tick.listing.watched:
        name = watched.name
        stop = stopped(name, now, settings, *view.pauses, aliases=(watched.target.name,)) if any_stop else None
        record = open_ones.get(name)
        state, message = _state(watched, sights.get(name), record)
        if stop is not None:  # what is red stays red, and nothing is done about it
            state, message = (state, f"{message}; {stop.message}") if state in STATES[:4] else ("paused", stop.message)
        yield Row(watched, name, picture.name, state, message, stop is not None, record)


def _state(watched: Watched, sight: Sight | None, record: RollbackRecord | None) -> tuple[str, str]:
    if record is not None:
        waits = record.phase is RollbackPhase.AWAITING_APPROVAL
        return "waits" if waits else "rolling back", headline(record)
    if sight is None or (sight.look is None and sight.progress is None):
        return "blind", "it could not be looked at, or not in time"
    verdicts = sight.look.case.verdicts if sight.look else ()
    firing = next((one for one in verdicts if one.fires), None)
    if firing is not None:
        return "firing", firing.message
    if watched.state.health in (Health.DEGRADED, Health.MISSING):
        return "unwell", f"the engine calls it {watched.state.health.value}"
    for state, holds in (("blind", _is_blind), ("pending", _is_pending)):
        found = next((one for one in verdicts if holds(one)), None)
        if found is not None:
            return state, found.message
    message = sight.look.raised.message if sight.look else ""
    return ("watching", message) if verdicts else ("idle", message)


def _is_blind(verdict: Verdict) -> bool:
    last, measured = verdict.state.last, verdict.measurement
    if last is None:  # just after a sync a value counts for nothing yet, but it is there
        return measured is None or measured.value is None
    return last.level in (Level.NO_DATA, Level.ERROR, Level.INVALID)


def _is_pending(verdict: Verdict) -> bool:
    return verdict.state.phase is Phase.PENDING


def overview(pictures: Mapping[str, Picture], found: Sequence[Row], past: Past, now: datetime) -> Document:
    """The front page. `next` is what to do where there is nothing to see yet."""
    records, decisions = past.since(now - TIMELINE), _decided_since(pictures.values(), now - 2 * TIMELINE)
    counts = Counter(row.state for row in found)
    return {
        "at": format_time(now),
        "applications": len(found),
        "repositories": list(pictures),
        "states": {state: counts[state] for state in STATES if counts[state]},
        "rows": [row.document for row in found[:MOST_TILES]],
        "words": list(last_hour(records, decisions, now)),
        "timeline": timeline(records, decisions, found, now),
        "rollbacks": [brief(one) for one in past.records[:10]],
        "stops": [one for name, each in pictures.items() for one in stops(name, each, now)],
        "problems": [_problem(name, one) for name, each in pictures.items() for one in _problems(each)][:20],
        "next": next_steps(pictures, found),
        "elsewhere": [words for words in map(elsewhere, pictures.values()) if words],
    }


def elsewhere(picture: Picture) -> str:
    """Where a repository is looked at, if not here; a replica that stands by measures nothing and obeys no button."""
    if picture.tick is not None:
        return ""
    if not picture.leader:
        return f"This replica stands by for {picture.name}, and nobody is known to lead it yet."
    pod = for_people(picture.leader)
    return (
        f"This replica stands by for {picture.name}: {pod} leads it. In a cluster: kubectl port-forward pod/{pod} PORT"
    )


def stops(name: str, picture: Picture, now: datetime, aliases: Collection[str] = ()) -> Iterator[Document]:
    """What stops everything of a repository, or one application by one of its `aliases`; nothing where nothing does.

    `liftable`: a button can end it, since it stands on the control branch; a stop of everything ends for everything.
    """
    settings, names = picture.place.reconciler.surroundings.settings_pause(), aliases or None
    held = [standing(door, now, names) for door in (settings, *picture.view.pauses)]
    lines = [line for door in held for line in described(door)]
    control = held[1]
    mine = [one for one in control.pauses if not aliases or one.application is not None]
    if lines:
        liftable = bool(mine) or bool(control.unreadable and not aliases)
        yield {"repository": name, "lines": [for_people(line) for line in lines], "liftable": liftable}


@dataclass(frozen=True)
class Past:
    """All rollbacks of the journals, the newest first; and when something last happened to each, in their order."""

    records: tuple[RollbackRecord, ...]
    newest: tuple[datetime, ...]

    def since(self, at: datetime) -> list[RollbackRecord]:
        """Those to which something has happened since, and those that are open."""
        return [one for one, last in zip(self.records, self.newest, strict=True) if last >= at or one.open]


def past_of(pictures: Iterable[Picture]) -> Past:
    """The rollbacks of these journals."""
    found = [one for picture in pictures for one in picture.view.journal.records.values()]
    found.sort(key=lambda one: (one.times.get("decided", EARLIEST), one.id), reverse=True)
    return Past(tuple(found), tuple(max(one.times.values(), default=EARLIEST) for one in found))


def _decided_since(pictures: Iterable[Picture], at: datetime) -> list[DecisionEntry]:
    """The journals' decisions from then on, the oldest first. A journal has them in their order."""
    found: list[DecisionEntry] = []
    for picture in pictures:
        entries = picture.view.journal.decisions
        found += entries[bisect_left(entries, at, key=lambda one: one.at) :]
    return sorted(found, key=lambda one: one.at)


def brief(record: RollbackRecord) -> Document:
    """A rollback on one line."""
    decided = record.times.get("decided")
    return {
        "id": record.id,
        "applications": list(record.applications),
        "name": ", ".join(short(name) for name in record.applications),
        "headline": headline(record),
        "state": record.outcome.value if record.outcome else record.phase.value,
        "reason": record.reason,
        "decided": format_time(decided) if decided else None,
        "restored": longest(record),
        "by": for_people(record.requested_by),
        "drill": for_people(str(record.evidence.get(DRILL) or "")),
    }


def _problems(picture: Picture) -> list[tuple[str, str]]:
    journal = picture.view.journal
    found = [("journal", journal.trouble)] if journal.trouble else []
    found += [("policy", str(fault)) for fault in picture.view.policies.errors]
    if picture.tick is not None:
        found += [(one.subject, f"{one.reason.value}: {one.message}") for one in picture.tick.listing.problems]
    return found


def _problem(repository: str, problem: tuple[str, str]) -> Document:
    return {"repository": repository, "subject": for_people(problem[0]), "message": for_people(problem[1], 400)}


def next_steps(pictures: Mapping[str, Picture], found: Sequence[Row]) -> list[str]:
    """What helps on where no application is watched; () once one is."""
    if found:
        return []
    if not pictures:
        return ["The first look has not ended yet; gitops-rollback doctor says what it may be waiting for."]
    if all(picture.tick is None for picture in pictures.values()):
        return ["What is watched, and every button, is on the dashboard of the replica that leads."]
    if any(picture.view.policies.policies for picture in pictures.values()):
        return ["There are policies, and no application of an engine fits one: gitops-rollback doctor names each."]
    return [
        "No policy is on the branch yet: gitops-rollback init looks at the repository and writes a first one.",
        "gitops-rollback lint checks it; it only watches until a trigger says severity: auto_rollback.",
    ]


def timeline(
    records: Sequence[RollbackRecord], decisions: Sequence[DecisionEntry], found: Sequence[Row], now: datetime
) -> Document:
    """The last hours: a lane for each application with syncs as dots, and rollbacks that lead back from one of them."""
    since = now - TIMELINE
    dots = [one for one in syncs(decisions) if one.at >= since][-MOST_EVENTS:]
    arcs = [one for one in records if any(at >= since for at in one.times.values())][:MOST_EVENTS]
    lanes = list(
        dict.fromkeys([*(name for one in arcs for name in one.applications), *(one.application for one in dots)])
    )
    lanes = (lanes or [row.name for row in found[:MOST_LANES]])[:MOST_LANES]
    return {
        "since": format_time(since),
        "until": format_time(now),
        "lanes": [{"application": name, "name": short(name)} for name in lanes],
        "syncs": [
            {"application": one.application, "at": format_time(one.at), "revision": one.revision}
            for one in dots
            if one.application in lanes
        ],
        "rollbacks": [_arc(one, name) for one in arcs for name in one.applications if name in lanes],
    }


def _arc(record: RollbackRecord, name: str) -> Document:
    times = {key: format_time(at) for key, at in record.times.items()}
    state = record.outcome.value if record.outcome else record.phase.value
    return {
        "id": record.id,
        "application": name,
        "deployed": times.get("deployed"),
        "decided": times.get("decided"),
        "synced": times.get("synced"),
        "bad": record.bad_revision,
        "restores": record.restores,
        "state": state,
    }


class Shelf:
    """What pages share, put in order once for each look at a repository, and not for each who looks at a page."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._each: dict[str, tuple[Picture, list[Row]]] = {}
        self._rows: tuple[int, list[Row]] = (-1, [])
        self._past: tuple[tuple[Mapping[str, RollbackRecord], ...], Past] = ((), Past((), ()))

    def rows(self, now: datetime) -> list[Row]:
        """Every watched application as the newest looks saw it."""
        version, known = self._rows
        if version != self._board.version:
            version, before = self._board.version, self._each
            each = {
                name: before[name] if name in before and before[name][0] is one else (one, list(_rows_of(one, now)))
                for name, one in self._board.pictures().items()
            }
            known = _in_order(row for _, rows_of_one in each.values() for row in rows_of_one)
            self._each, self._rows = each, (version, known)
        return known

    def past(self) -> Past:
        """All rollbacks; they are other ones only once a journal tells of another."""
        pictures = self._board.pictures().values()
        read = tuple(one.view.journal.records for one in pictures)
        before, known = self._past
        if len(before) != len(read) or not all(map(_hold_the_same, before, read)):
            known = past_of(pictures)
        self._past = read, known
        return known


def _hold_the_same(before: Mapping[str, RollbackRecord], now: Mapping[str, RollbackRecord]) -> bool:
    """A journal keeps what it has parsed, so what has not changed is the same object."""
    return before is now or (len(before) == len(now) and all(map(is_, before.values(), now.values())))


def page_of(items: Sequence[Item], number: int) -> tuple[Sequence[Item], Document]:
    """One page of a long list, and where it stands in it."""
    pages = max(1, -(-len(items) // PAGE))
    number = min(max(1, number), pages)
    return items[(number - 1) * PAGE : number * PAGE], {"page": number, "pages": pages, "total": len(items)}


def matching(found: Sequence[Row], word: str, state: str) -> list[Row]:
    """The rows whose application or policy holds `word`, of one state if it is one; "" takes all."""
    word = word.lower()
    return [
        row
        for row in found
        if (not state or row.state == state)
        and (not word or word in row.name.lower() or word in row.watched.policy.name.lower())
    ]
