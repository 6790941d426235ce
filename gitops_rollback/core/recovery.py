"""How long did a rollback take until it was on its way, until the traffic was back, and until it was verified?

By strategy, since one of several commits gives the traffic back before its revert: a weight, a slot or a flag is what
users feel. A figure of nothing is none, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from gitops_rollback.core.drill import is_drill
from gitops_rollback.core.rollback import RESTORED, STRATEGY, RollbackRecord
from gitops_rollback.core.strategies.stages import STAGES, Stages

ROLLING, STAGED = "rolling", "in steps"  # the second of records that do not name their strategy
INITIATION, TRAFFIC, COMPLETE = "initiation", "trafficRestored", "complete"
ENDS: Mapping[str, str] = {INITIATION: "pushed", TRAFFIC: RESTORED, COMPLETE: "verified"}
WORDS: Mapping[str, str] = {INITIATION: "to initiation", TRAFFIC: "to traffic restored", COMPLETE: "to complete"}


@dataclass(frozen=True)
class Figures:
    """Of the rollbacks of one strategy: how many, and the median of each phase's span where one is known."""

    count: int
    medians: Mapping[str, timedelta]


def strategy_of(record: RollbackRecord) -> str:
    """As the policy's types are called; several are joined by a plus."""
    named = record.evidence.get(STRATEGY)
    return str(named) if named else STAGED if STAGES in record.evidence else ROLLING


def spans(record: RollbackRecord) -> dict[str, timedelta]:
    """From when the trigger fired, or a person asked, to each phase that was reached."""
    start = record.times.get("fired") or record.times.get("decided")
    if start is None:
        return {}
    return {phase: max(record.times[end] - start, timedelta(0)) for phase, end in ENDS.items() if end in record.times}


def by_strategy(records: Iterable[RollbackRecord]) -> dict[str, Figures]:
    """Of all that pushed something in earnest, by strategy in the order of their names. Drills are none of them."""
    grouped: dict[str, list[RollbackRecord]] = {}
    for record in records:
        if record.commit is not None and not is_drill(record):
            grouped.setdefault(strategy_of(record), []).append(record)
    return {name: Figures(len(found), _medians(found)) for name, found in sorted(grouped.items())}


def gives_back(stages: Stages, n: int) -> bool:
    """Pushing step `n` shows that the traffic is back: it is the revert that only puts git right after the fields."""
    return stages.closes and not stages.coordinated and n == stages.revert


def restored(record: RollbackRecord, at: datetime) -> Mapping[str, datetime]:
    """Its times with the moment at which the traffic was seen to be back, the first one only."""
    return {RESTORED: at, **record.times}


def _medians(records: Iterable[RollbackRecord]) -> dict[str, timedelta]:
    known = [spans(record) for record in records]
    seconds = {phase: [one[phase].total_seconds() for one in known if phase in one] for phase in ENDS}
    return {phase: timedelta(seconds=median(values)) for phase, values in seconds.items() if values}
