"""When was an application under watch because of earlier deployments, and which of these were taken back?

What was counted then is not what is normal (`regression/past.py`). The engine says what was deployed when, the journal
adds what a rollback took back and the engine may no longer list.
Source: detection.md 4.1; 2.4 for how long a watch lasts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitops_rollback.core.deployments import HARD_END, distinct
from gitops_rollback.core.journal import format_time, parse_time
from gitops_rollback.core.regression.past import FAR_SECONDS, Watch
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import DeploymentRecord

WATCHES = "watches"  # in `evidence`: application -> the earlier watches that were known when it was decided


@dataclass(frozen=True)
class Past:
    """What lies before a deployment at `t0`: the earlier watches that reach into the day before it."""

    t0: datetime
    watches: tuple[Watch, ...] = ()


def earlier_watches(
    application: str,
    t0: datetime,
    window: timedelta,
    records: Iterable[DeploymentRecord],
    rollbacks: Iterable[RollbackRecord],
) -> tuple[Watch, ...]:
    """Those of deployments before `t0` that reach into the day before it, the oldest first; none goes beyond `t0`.

    `window` is that of the policy; an earlier deployment that never ended is taken for watched as long as any may be.
    """
    own = [one for one in rollbacks if one.commit is not None and application in one.applications]
    undone = {one.bad_revision for one in own}
    found = [_of_record(one, window, undone) for one in distinct(records)]
    found += [one for record in own if (one := _of_rollback(record)) is not None]
    end = t0.timestamp()
    ended = [one._replace(until_seconds=min(one.until_seconds, end)) for one in found if one.since_seconds < end]
    return tuple(sorted(one for one in set(ended) if one.until_seconds > end - FAR_SECONDS))


def _of_record(record: DeploymentRecord, window: timedelta, undone: Collection[str]) -> Watch:
    hard_end = record.started_at + HARD_END
    ends = [hard_end, *([record.deployed_at + window] if record.deployed_at else [])]
    until = min([*ends, *([record.replaced_at] if record.replaced_at else [])])
    taken_back = any(revision in undone for revision in record.revisions)
    return Watch(record.started_at.timestamp(), until.timestamp(), taken_back)


def _of_rollback(record: RollbackRecord) -> Watch | None:
    """Until the engine had applied what took it back."""
    since = record.times.get("deployed")
    if since is None:
        return None
    until = record.times.get("synced", record.pushed_at)
    return Watch(max(since, until - HARD_END).timestamp(), until.timestamp(), taken_back=True)


def as_evidence(application: str, watches: Sequence[Watch]) -> dict[str, Mapping[str, object]]:
    """As JSON, for what a decision stands on; nothing where there are none."""
    told = [[_time(one.since_seconds), _time(one.until_seconds), one.taken_back] for one in watches]
    return {WATCHES: {application: told}} if told else {}


def in_evidence(application: str, evidence: Mapping[str, object]) -> tuple[Watch, ...]:
    """What `as_evidence` put there; what cannot be read is none, since anybody may have written it."""
    told = evidence.get(WATCHES)
    lines = told.get(application) if isinstance(told, Mapping) else None
    found = [_watch(line) for line in lines] if isinstance(lines, Sequence) else []
    return tuple(one for one in found if one is not None)


def _watch(line: object) -> Watch | None:
    try:
        since, until, taken_back = line if isinstance(line, list | tuple) else ()
        return Watch(parse_time(str(since)).timestamp(), parse_time(str(until)).timestamp(), taken_back is True)
    except ValueError:
        return None


def _time(seconds: float) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
