"""Which revision was deployed to an application, when, is it still under watch, and which was the last good one?

`status.sync.revision` is never asked here: it moves on with every commit of a monorepo. A deployment is an entry of the
engine's history, or its last operation where that may have changed the cluster and stands in no entry.
Source: contracts/argocd.md section 6; argo-cd v3.5.1 controller/sync.go (SyncAppState), controller/state.go.
The last good one: safety.md, Definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.sync import (
    REMEDIATION,
    ApplicationState,
    DeploymentRecord,
    Health,
    Operation,
    OperationPhase,
    Source,
    SyncEvent,
)

HARD_END = timedelta(hours=2)
CLOCK_SKEW = timedelta(minutes=5)
KEPT_RECORDS = 100
WINDOW_BLOCKED = "blocked by sync window"  # the engine's message while a window holds a running operation
ROLLBACK_ID_INFO = "rollback-id"  # the name under which our id stands in an operation's info


def deployments(state: ApplicationState) -> tuple[DeploymentRecord, ...]:
    """All that was deployed, oldest first: the history, then the last operation if it is a deployment of its own.

    To the letter of the engine: a re-sync of the same revision has its own record (see `distinct`), a moved
    `status.sync.revision` has none. `replaced_at` is the next record's start. () for an application never deployed.
    What the engine took back by itself is left out: git still asks for the other, and the engine will try that again.
    """
    return _chained([record for record in _all_told(state) if record.initiated_by != REMEDIATION])


def _all_told(state: ApplicationState) -> Sequence[DeploymentRecord]:
    last = state.history[-1] if state.history else None
    operation = state.operation
    if operation is None or not _deploys_anew(operation, state.history, last):
        return state.history
    return (*state.history, _record_of(operation))


def distinct(records: Iterable[DeploymentRecord]) -> tuple[DeploymentRecord, ...]:
    """Runs of equal revisions and sources as one record each, starting at the run's first and replaced by the next.

    A re-sync changes nothing in git, so it neither restarts a watch nor shortens how long a revision lived.
    """
    runs: list[DeploymentRecord] = []
    for record in records:
        if runs and _same_state(runs[-1], record):
            runs[-1] = replace(runs[-1], deployed_at=runs[-1].deployed_at or record.deployed_at)
        else:
            runs.append(record)
    return _chained(runs)


def joined(
    records: Iterable[DeploymentRecord], brings_nothing: Callable[[DeploymentRecord, DeploymentRecord], bool]
) -> tuple[DeploymentRecord, ...]:
    """`distinct(records)` without the newest ones that brought nothing, each compared with the one before it.

    The last record left is the one whose inputs run now, under the revision and t0 by which they came. Where the engine
    may have deployed something in between that it no longer tells (`holes`), nothing is joined.
    """
    known = list(records)
    gaps, runs = holes(known), list(distinct(known))
    while len(runs) > 1:
        before, after = runs[-2:]
        unseen = any(start < after.started_at and end > before.started_at for start, end in gaps)
        if unseen or not brings_nothing(before, after):
            break
        runs[-2:] = [replace(before, deployed_at=before.deployed_at or after.deployed_at)]
    return _chained(runs)


def remembered(known: Iterable[DeploymentRecord], state: ApplicationState) -> tuple[DeploymentRecord, ...]:
    """`deployments(state)` and what was seen before and the engine no longer tells, oldest first, the newest 100.

    The engine trims its history, and forgets a failed operation once the next one starts. An operation that was
    seen running and then ended without having changed anything is forgotten too.
    """
    seen = deployments(state)
    keys = {_key(record) for record in seen}
    kept = [one for one in known if _key(one) not in keys and not _came_to_nothing(one, state.operation)]
    merged = sorted((*kept, *seen), key=lambda record: record.started_at)
    return _chained(merged[-KEPT_RECORDS:])


def holes(records: Sequence[DeploymentRecord]) -> tuple[tuple[datetime, datetime], ...]:
    """From one record's start to the next one's, where the engine may have deployed more that it no longer tells.

    It numbers its history without gaps, from 0 or 1 on, and trims it; `records` are oldest first. What is known of its
    last operation alone has no number, so between that and the oldest entry that is told there may have been more.
    """
    numbered = [(at, one.history_id) for at, one in enumerate(records) if one.history_id is not None]
    known = [(records[at].started_at, number) for at, number in numbered]
    if numbered and numbered[0][0] > 0 and numbered[0][1] > 1:
        known.insert(0, (records[numbered[0][0] - 1].started_at, 0))
    return tuple((start, end) for (start, one), (end, other) in pairwise(known) if other > one + 1)


def watched(
    state: ApplicationState,
    now: datetime,
    window: timedelta,
    hard_end: timedelta = HARD_END,
    records: Sequence[DeploymentRecord] | None = None,
) -> SyncEvent | None:
    """The newest deployment if it is still under watch: t0 <= now < the earlier of two ends. Else None.

    One end is `hard_end` after t0. The other is `window` after the application became Healthy with it (where its
    health never left Healthy: after it was deployed); while it is not Healthy, or still being deployed, there is none.
    `records` stand in for `deployments(state)` where more is remembered. A t0 more than 5 minutes ahead of `now` is a
    wrong clock, on which nothing is watched.
    """
    known = distinct(deployments(state) if records is None else records)
    if not known or known[-1].started_at > now + CLOCK_SKEW:
        return None
    record = known[-1]
    settled = _settled_at(state, record)
    ends = [record.started_at + hard_end, *([settled + window] if settled else [])]
    if now >= min(ends):
        return None
    return SyncEvent(state.id, record, known[-2] if len(known) > 1 else None)


def source_index(sources: Sequence[Source], matches: Callable[[Source], bool]) -> tuple[int, ...]:
    """Positions of the sources that `matches` picks (those in our repository). A chart is in no git repository."""
    return tuple(i for i, source in enumerate(sources) if not source.chart and matches(source))


def revision_in(record: DeploymentRecord, index: int) -> str | None:
    """The record's revision of the source at `index`; None where the engine did not say one."""
    revision = record.revisions[index] if 0 <= index < len(record.revisions) else ""
    return revision or None


def contains_our_operation(state: ApplicationState, rollback_id: str) -> bool:
    """True if the requested, running or last operation carries this id: it was started by us for that rollback."""
    marks = [state.requested_info, *([state.operation.info] if state.operation else [])]
    return any(info.get(ROLLBACK_ID_INFO) == rollback_id for info in marks)


def changed_cluster(operation: Operation) -> bool:
    """True if some object was applied or pruned; a failed operation may have."""
    return any(result.status in ("Synced", "Pruned") for result in operation.results)


def _deploys_anew(operation: Operation, history: Sequence[DeploymentRecord], last: DeploymentRecord | None) -> bool:
    record = _record_of(operation)
    if operation.dry_run or not any(operation.revisions):
        return False
    if any(_key(entry) == _key(record) for entry in history) or (last is not None and _same_state(last, record)):
        return False
    return _may_have_applied(operation)


def _may_have_applied(operation: Operation) -> bool:
    if operation.phase is OperationPhase.SUCCEEDED or changed_cluster(operation):
        return True
    held = WINDOW_BLOCKED in operation.message
    return not operation.phase.ended and not held


def _record_of(operation: Operation) -> DeploymentRecord:
    succeeded = operation.phase is OperationPhase.SUCCEEDED
    return DeploymentRecord(
        revisions=operation.revisions,
        sources=operation.sources,
        started_at=operation.started_at,
        deployed_at=operation.finished_at if succeeded else None,
        initiated_by=operation.initiated_by,
    )


def _chained(records: Sequence[DeploymentRecord]) -> tuple[DeploymentRecord, ...]:
    starts = [record.started_at for record in records[1:]]
    return tuple(
        one if one.replaced_at == end else replace(one, replaced_at=end)
        for one, end in zip(records, [*starts, None], strict=False)
    )


def _key(record: DeploymentRecord) -> tuple[tuple[str, ...], datetime]:
    return record.revisions, record.started_at


def _same_state(one: DeploymentRecord, other: DeploymentRecord) -> bool:
    return (one.revisions, one.sources) == (other.revisions, other.sources)


def _came_to_nothing(record: DeploymentRecord, operation: Operation | None) -> bool:
    return (
        operation is not None
        and _key(record) == _key(_record_of(operation))
        and operation.phase.ended
        and not _may_have_applied(operation)
    )


def _settled_at(state: ApplicationState, record: DeploymentRecord) -> datetime | None:
    """When the application was Healthy with `record` deployed; None while it is not."""
    if state.health is not Health.HEALTHY:
        return None
    done = _done_at(state, record)
    changed = state.health_changed_at
    if done is None or changed is None or changed < record.started_at:
        return done
    return max(done, changed)


def _done_at(state: ApplicationState, record: DeploymentRecord) -> datetime | None:
    operation = state.operation
    if record.deployed_at is not None:
        return record.deployed_at
    if operation is not None and _key(_record_of(operation)) == _key(record):
        return operation.finished_at if operation.phase.ended else None
    # What failed and was forgotten by the engine has no end of its own; its start is the only time there is.
    return record.started_at


def our_revision(record: DeploymentRecord, in_repository: Callable[[Source], bool]) -> str | None:
    """The commit of our repository that `record` deployed; None if there is none, or if its sources disagree."""
    pairs = zip(record.revisions, record.sources, strict=False)
    found = {revision for revision, source in pairs if not source.chart and in_repository(source)}
    return next(iter(found)) if len(found) == 1 and is_sha(next(iter(found))) else None


def spec_changed(bad: DeploymentRecord, last_good: DeploymentRecord) -> bool:
    """True if the two deployments differ in what no commit of the followed branch decides: path, parameters, images."""
    return bad.sources != last_good.sources


def earlier_records(records: Sequence[DeploymentRecord], bad: DeploymentRecord) -> tuple[DeploymentRecord, ...]:
    """The records before `bad`, newest first; a failed or unfinished one never stood for itself and is left out."""
    before = [record for record in records if record.started_at < bad.started_at and record.deployed_at is not None]
    return tuple(sorted(before, key=lambda record: record.started_at, reverse=True))


def last_good(
    records: Sequence[DeploymentRecord],
    bad: DeploymentRecord,
    *,
    in_repository: Callable[[Source], bool],
    window: timedelta,
    marked: Collection[str],
    on_line: Callable[[str], bool],
) -> DeploymentRecord | None:
    """The newest earlier record that lived at least `window`; if none did, the oldest one. None: there is no such.

    Only records count whose revision lies on the bad one's first-parent line (`on_line`) and is not in `marked`: the
    revisions that the journal calls bad, rolled back or unverified. Living exactly `window` is enough. Being deployed
    again unchanged does not start a new life.
    """

    def is_eligible(record: DeploymentRecord) -> bool:
        revision = our_revision(record, in_repository)
        return revision is not None and revision not in marked and on_line(revision)

    # `on_line` is the dear question: it is asked only where its answer can decide.
    earlier = earlier_records(records, bad)
    lives = _lives(earlier, bad)
    lived = (record for record in earlier if lives[record.started_at] >= window and is_eligible(record))
    oldest_first = (record for record in reversed(earlier) if is_eligible(record))
    return next(lived, None) or next(oldest_first, None)


def _lives(newest_first: Sequence[DeploymentRecord], bad: DeploymentRecord) -> dict[datetime, timedelta]:
    """How long each state had been live when it was replaced, by the record's t0."""
    lives: dict[datetime, timedelta] = {}
    since: datetime | None = None
    previous: DeploymentRecord | None = None
    ends = [bad.started_at, *(record.started_at for record in newest_first)]
    for record, end in reversed(list(zip(newest_first, ends, strict=False))):
        same = previous is not None and (previous.revisions, previous.sources) == (record.revisions, record.sources)
        since = since if same and since is not None else record.started_at
        lives[record.started_at] = (record.replaced_at or end) - since
        previous = record
    return lives
