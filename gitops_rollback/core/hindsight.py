"""What did people do, what would have been done, and is an application ready for automatic rollbacks? One table.

From decisions that changed nothing (observed ones, or those of a replay) and what people took back meanwhile.
Source: safety.md, Observe, report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gitops_rollback.core.decision import Act
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import rollback_id

LEAST_DAYS = timedelta(days=14)
LEAST_SYNCS = 20
# From what people should hear at least, to what is done: of several decisions about one deployment the last counts.
STRENGTH = {Act.PAGE: 1, Act.HOLD: 2, Act.REFUSE: 3, Act.ASK: 4, Act.ROLL_BACK: 6}
WOULD_ACT = 5  # every guard said yes, and only the policy's severity made it a question
HOLDS = timedelta(minutes=10)
BLIND = frozenset(
    {Reason.NO_DATA, Reason.NO_TRAFFIC, Reason.TELEMETRY_LOST, Reason.METRICS_UNAVAILABLE, Reason.METRICS_OUTAGE}
    | {Reason.QUERY_INVALID, Reason.QUERY_BUDGET, Reason.ALERT_SUPPRESSED}
)

UNJUDGED = BLIND | {Reason.WARMING_UP, Reason.NO_RECENT_SYNC, Reason.NO_POLICY, Reason.NO_COMMIT, Reason.ENGINE_UNCLEAR}


class Kind(StrEnum):
    """How a row of the table compares people with the controller."""

    AGREED = "agreed"
    THEY_ONLY = "they only"
    WE_ONLY = "we only"
    ASKED = "asked"


@dataclass(frozen=True)
class Change:
    """A commit of the mainline that changes an application's inputs."""

    sha: str
    at: datetime
    subject: str = ""


@dataclass(frozen=True)
class TakenBack:
    """A commit by which people took back the contents of the commits `undone`, newest first."""

    commit: Change
    undone: tuple[str, ...]


@dataclass(frozen=True)
class Past:
    """One application between `since` and `until`. `decisions` are oldest first; `syncs` were under watch."""

    application: str
    repository: str
    since: datetime
    until: datetime
    decisions: tuple[DecisionEntry, ...]
    changes: tuple[Change, ...]
    taken_back: tuple[TakenBack, ...]
    syncs: int


@dataclass(frozen=True)
class Row:
    """One incident. `ours` and `theirs` say in words what the controller and what people did.

    `sooner` is by how much the controller came before people (below zero: after them); `same_tree` whether both
    ended in the same files. Both are None where only one of them did something.
    """

    kind: Kind
    application: str
    id: str
    at: datetime
    revision: str
    reason: str
    ours: str
    theirs: str
    same_tree: bool | None = None
    sooner: timedelta | None = None


@dataclass(frozen=True)
class Verdict:
    """May the application's triggers act by themselves? `missing` has a sentence for each thing that is not so."""

    application: str
    counts: Mapping[Kind, int]
    syncs: int
    days: float
    missing: tuple[str, ...] = ()
    blind: int = 0  # how often a trigger saw nothing for too long

    @property
    def ready(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class _Alarm:
    """The strongest decision about one deployment, and the time since which it was live."""

    entry: DecisionEntry
    strength: int
    reverts: frozenset[str]
    tree: str

    @property
    def acts(self) -> bool:
        return self.strength >= WOULD_ACT


SameTree = Callable[[str, str], bool | None]  # (tree, commit): equal in the application's inputs?


def watched_syncs(decisions: Iterable[DecisionEntry], trigger: str = "") -> int:
    """How many deployments were judged by data: those of which no trigger had a value are not.

    With the name of a `trigger`: how many were judged by that one.
    """
    judged = (entry for entry in decisions if entry.reason not in UNJUDGED and _has_value(entry, trigger))
    return len({entry.revision for entry in judged if entry.revision})


def _has_value(entry: DecisionEntry, trigger: str) -> bool:
    verdicts = entry.details.get("verdicts")
    told = [one for one in verdicts if isinstance(one, Mapping)] if isinstance(verdicts, list) else []
    return any(one.get("value") is not None and trigger in ("", one.get("trigger")) for one in told)


def rows(past: Past, same_tree: SameTree) -> tuple[Row, ...]:
    """The application's rows in order of time."""
    found: list[Row] = []
    left = list(past.taken_back)
    for alarm in _alarms(past):
        theirs = next((one for one in left if alarm.reverts & set(one.undone)), None)
        if theirs is not None:
            left.remove(theirs)
        found.append(_row(past, alarm, theirs, same_tree))
    found += [_they_only(past, one) for one in left if past.since <= one.commit.at <= past.until]
    return tuple(sorted(found, key=lambda row: (row.at, row.revision)))


def judge(past: Past, table: Iterable[Row], confirmed: Collection[str], heartbeat: str) -> Verdict:
    """Is the application ready? `confirmed` are ids of *we only* rows that a person found right.

    `heartbeat` is what is wrong with the proof that a commit of ours reaches the engine, "" where nothing is.
    """
    own = [row for row in table if row.application == past.application]
    counts = {kind: sum(row.kind is kind for row in own) for kind in Kind}
    days = (past.until - past.since) / timedelta(days=1)
    missing: list[str] = []
    if past.until - past.since < LEAST_DAYS:
        missing.append(f"{days:.0f} of {LEAST_DAYS.days} days were watched")
    if past.syncs < LEAST_SYNCS:
        missing.append(f"{past.syncs} of {LEAST_SYNCS} syncs were watched")
    open_ones = [row.id for row in own if row.kind is Kind.WE_ONLY and row.id not in confirmed]
    if open_ones:
        ids = ", ".join(open_ones[:3])
        missing.append(f"nobody has confirmed {ids}{' and more' if len(open_ones) > 3 else ''} (report --confirm ID)")
    if heartbeat:
        missing.append(heartbeat)
    return Verdict(past.application, counts, past.syncs, days, tuple(missing), _blind(past))


def is_clean(verdict: Verdict, heartbeat: str) -> bool:
    """Nothing but the heartbeat is missing: what its metrics say of its past was right."""
    return all(sentence == heartbeat for sentence in verdict.missing)


def well_tested(past: Past, triggers: Iterable[str]) -> frozenset[str]:
    """Those of `triggers` that judged enough deployments: where one saw nothing, a clean past is none of its doing."""
    return frozenset(name for name in triggers if watched_syncs(past.decisions, name) >= LEAST_SYNCS)


def in_total(verdicts: Sequence[Verdict]) -> Mapping[Kind, int]:
    """The counts of all applications."""
    return {kind: sum(one.counts[kind] for one in verdicts) for kind in Kind}


def _alarms(past: Past) -> list[_Alarm]:
    strongest: dict[str, _Alarm] = {}
    for entry in past.decisions:
        alarm = _alarm(entry)
        if alarm is None or not past.since <= entry.at <= past.until:
            continue
        known = strongest.get(entry.revision)
        if known is None or alarm.strength > known.strength:
            strongest[entry.revision] = alarm
    return _apart(past, sorted(strongest.values(), key=lambda alarm: alarm.entry.at))


def _apart(past: Past, alarms: Sequence[_Alarm]) -> list[_Alarm]:
    """Without what only went on from an earlier alarm that would have been answered."""
    kept: list[_Alarm] = []
    until = past.since
    for alarm in alarms:
        if not alarm.acts and alarm.entry.at <= until:
            continue
        kept.append(alarm)
        end = _end(past, alarm.entry) if alarm.acts else None
        until = end.at if end is not None else until
    return kept


def _alarm(entry: DecisionEntry) -> _Alarm | None:
    if entry.action not in {act.value for act in STRENGTH} or not entry.revision or entry.reason in BLIND:
        return None
    suggests = entry.action == Act.ASK and entry.reason == Reason.SUGGEST_ONLY
    plan = entry.details.get("plan")
    document = plan if isinstance(plan, Mapping) else {}
    reverts = document.get("reverts")
    named = frozenset(map(str, reverts)) if isinstance(reverts, list) else frozenset()
    tree = document.get("tree")
    strength = WOULD_ACT if suggests else STRENGTH[Act(entry.action)]
    return _Alarm(entry, strength, named or frozenset({entry.revision}), tree if isinstance(tree, str) else "")


def _blind(past: Past) -> int:
    return sum(entry.action == Act.PAGE and entry.reason in BLIND for entry in past.decisions)


def _row(past: Past, alarm: _Alarm, theirs: TakenBack | None, same_tree: SameTree) -> Row:
    entry = alarm.entry
    undone = ", ".join(sorted(sha[:12] for sha in alarm.reverts))
    if alarm.acts:
        ours = f"would have reverted {undone}: {entry.message}"
    else:
        ours = f"{entry.action}, {entry.reason}: {entry.message}"
    row = Row(
        kind=Kind.WE_ONLY if alarm.acts else Kind.ASKED,
        application=past.application,
        id=rollback_id(past.repository, past.application, entry.revision),
        at=entry.at,
        revision=entry.revision,
        reason=entry.reason,
        ours=ours,
        theirs=_course(past, entry),
    )
    if theirs is None:
        return row
    sooner = theirs.commit.at - entry.at
    same = same_tree(alarm.tree, theirs.commit.sha) if alarm.tree else None
    kind = Kind.AGREED if alarm.acts else Kind.ASKED
    return _changed(row, kind, f"reverted by {theirs.commit.sha[:12]}", same, sooner)


def _changed(row: Row, kind: Kind, theirs: str, same: bool | None, sooner: timedelta) -> Row:
    return Row(
        kind, row.application, row.id, row.at, row.revision, row.reason, row.ours, theirs, same_tree=same, sooner=sooner
    )


def _course(past: Past, alarm: DecisionEntry) -> str:
    """What became of it without the controller, as the later decisions tell."""
    end = _end(past, alarm)
    if end is None:
        return "not known: nobody looked on"
    after = format_duration(_whole(end.at - alarm.at))
    between = [one for one in past.changes if alarm.at < one.at <= end.at]
    if end.reason == Reason.NO_RECENT_SYNC:
        return f"stayed bad for {after}, until the watch ended"
    if between:
        return f"fixed forward by {between[-1].sha[:12]} after {format_duration(_whole(between[-1].at - alarm.at))}"
    return f"recovered by itself after {after}"


def _end(past: Past, alarm: DecisionEntry) -> DecisionEntry | None:
    """The decision from which on it was quiet, or nobody looked any more. The first look at a sync is always quiet."""
    later = [entry for entry in past.decisions if entry.at > alarm.at]
    for place, entry in enumerate(later):
        if entry.reason == Reason.NO_RECENT_SYNC:
            return entry
        relapse = later[place + 1 : place + 2]
        holds = not any(one.reason == Reason.PENDING and one.at - entry.at <= HOLDS for one in relapse)
        if entry.reason == Reason.QUIET and holds:
            return entry
    return None


def _whole(duration: timedelta) -> timedelta:
    return timedelta(seconds=int(duration.total_seconds()))


def _they_only(past: Past, theirs: TakenBack) -> Row:
    """What was seen of the undone commit when people took it back, and so which reason held us."""
    before = [entry for entry in past.decisions if entry.at <= theirs.commit.at and entry.revision]
    about = [entry for entry in before if entry.revision in theirs.undone]
    seen = (about or before)[-1:] if about else []
    reason = seen[0].reason if seen else Reason.NO_RECENT_SYNC.value
    ours = f"{seen[0].reason}: {seen[0].message}" if seen else "no sync that brought it was under watch"
    undone = theirs.undone[0]
    return Row(
        kind=Kind.THEY_ONLY,
        application=past.application,
        id=rollback_id(past.repository, past.application, undone),
        at=theirs.commit.at,
        revision=undone,
        reason=reason,
        ours=ours,
        theirs=f"reverted by {theirs.commit.sha[:12]}",
    )


USUALLY = "99.9 % of the time at most"


@dataclass(frozen=True)
class Peak:
    """How high a trigger's value went: `usual` in 99.9 % of the time without incidents, by its nearest rank.

    `worst` is the lowest of the highest values of those `incidents` that people reverted.
    """

    trigger: str
    usual: float | None
    worst: float | None
    incidents: int = 0


@dataclass(frozen=True)
class Suggestion:
    """A threshold between what is usual and what people reverted; None where no number parts them."""

    trigger: str
    threshold: float | None
    because: str = field(default="")


def peak(trigger: str, quiet: Sequence[float], incidents: Sequence[Sequence[float]]) -> Peak:
    """From the values of the quiet time, and those of each reverted incident; without data of it one says nothing."""
    ordered = sorted(quiet)
    usual = ordered[min(len(ordered) - 1, int(0.999 * len(ordered)))] if ordered else None
    highest = [max(values) for values in incidents if values]
    return Peak(trigger, usual, min(highest, default=None), len(highest))


def suggested(peak: Peak, written: float) -> Suggestion:
    """The threshold that `peak` asks for, in words; the written one stays where it parts them already."""
    if peak.usual is None:
        return Suggestion(peak.trigger, None, "no data: nothing can be suggested")
    if peak.worst is None or not peak.incidents:
        held = "holds" if written > peak.usual else "would have fired without an incident"
        return Suggestion(peak.trigger, None, f"{USUALLY} {peak.usual:.4g} without an incident: {written:g} {held}")
    span = (
        f"{USUALLY} {peak.usual:.4g} without an incident, at least {peak.worst:.4g} in {peak.incidents} reverted ones"
    )
    if peak.usual < written < peak.worst:
        return Suggestion(peak.trigger, written, f"{span}: {written:g} parts them")
    if peak.usual >= peak.worst:
        return Suggestion(peak.trigger, None, f"{span}: no threshold parts them, a `regression` trigger may")
    between = (max(peak.usual, peak.worst / 100) * peak.worst) ** 0.5
    return Suggestion(peak.trigger, float(f"{between:.2g}"), f"{span}: {between:.2g} parts them, {written:g} does not")
