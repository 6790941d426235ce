"""Which of all that Flux tells again and again was a deployment, of which revision, and when did it begin?

Flux keeps few outcomes, without order of lives and with the *latest* revision of each content: each foreign commit of
a monorepo overwrites it. So what was seen is kept here, folded look by look: a run is one change of the content, it
bears the first revision that was seen with it. A first sight is a baseline; a changed uid is another object.
Source: contracts/flux-kubernetes.md sections 4.2 (history) and 6; fluxcd/pkg apis/meta/history.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gitops_rollback.core.sync import DeploymentRecord, Health, Judged, Source

KEPT_RUNS = 100
KEPT_BY_FLUX = 5  # contents
AUTOMATED = "automated"
# A wait in which nothing had changed ends at once (tens of milliseconds); one that goes on brought something.
LASTING_WAIT = timedelta(seconds=10)
SECOND = timedelta(seconds=1)  # to which what is written down is exact
UNKNOWN = "unknown:"  # a content that nobody named; its revisions follow


@dataclass(frozen=True)
class Outcome:
    """One outcome as the cluster tells it now. `content` names what was applied; "" where Flux does not say.

    `key` is the same as long as nothing new happened to it.
    """

    key: tuple[object, ...]
    content: str
    revisions: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    ok: bool
    times: int = 1
    took: timedelta = timedelta()  # the newest time
    may_take: timedelta = timedelta()  # at most, and any time
    number: int | None = None
    initiated_by: str = AUTOMATED


@dataclass(frozen=True)
class Run:
    """One real change of an application. `failed` and `ended_at` are those of its newest outcome.

    `finished_at` is the time of its first outcome, or of the first good one: looking again at the same is no news.
    """

    content: str
    revisions: tuple[str, ...]
    sources: tuple[Source, ...]
    started_at: datetime
    sure_from: datetime  # it was surely there from then on; before, something else may have been, unseen
    deployed_at: datetime | None
    ended_at: datetime | None
    failed: bool
    finished_at: datetime | None = None
    number: int | None = None
    initiated_by: str = AUTOMATED


@dataclass(frozen=True)
class Waiting:
    """The engine has applied `revisions` and waits for their health; until `until`, if it says so."""

    revisions: tuple[str, ...]
    since: datetime
    until: datetime | None = None
    seen_at: datetime | None = None

    def lasts(self, now: datetime) -> bool:
        return now - self.since >= LASTING_WAIT


@dataclass(frozen=True)
class Look:
    """What one look found. `outcomes` are newest first; `differs` says if two revisions differ in the inputs."""

    uid: str
    sources: tuple[Source, ...]
    outcomes: tuple[Outcome, ...]
    waiting: Waiting | None
    now: datetime
    differs: Callable[[str, str], bool] = field(default=lambda *_: True)


@dataclass(frozen=True)
class Memory:
    """All that is known of one application. `health_at`: since when its health is what it is."""

    uid: str
    runs: tuple[Run, ...] = ()
    seen: tuple[Outcome, ...] = ()
    waiting: Waiting | None = None
    health: Health | None = None
    health_at: datetime | None = None
    reconciled_at: datetime | None = None
    began_at: datetime | None = None  # of a run of the controller that was seen and not seen to end

    @property
    def last(self) -> Run | None:
        return self.runs[-1] if self.runs else None

    def run_at(self, moment: datetime) -> Run | None:
        """What was live then, as far as it is known; None before the first one."""
        return next((run for run in reversed(self.runs) if run.started_at <= moment and run.revisions), None)


def is_older(memory: Memory | None, look: Look) -> bool:
    """True if the look shows an earlier state of the same object than was seen before: a stale answer.

    An emptied history is none: Flux empties that of a HelmRelease when its release gets another name or place.
    """
    if memory is None or memory.uid != look.uid or not memory.seen or not look.outcomes:
        return False
    return max(one.last_at for one in look.outcomes) < max(one.last_at for one in memory.seen)


def fold(memory: Memory | None, look: Look) -> Memory:
    """What is known after this look. A stale look teaches nothing."""
    if memory is None or memory.uid != look.uid:
        waiting = replace(look.waiting, seen_at=look.now) if look.waiting else None
        return Memory(look.uid, _baseline(look), look.outcomes, waiting)
    if is_older(memory, look):
        return memory
    known = {one.key for one in memory.seen}
    fresh = [one for one in reversed(look.outcomes) if one.key not in known]
    memory = _with_lost_wait(memory, look, fresh)
    for outcome in fresh:
        memory = _with_outcome(memory, outcome, look)
    waiting = _waiting(memory.waiting, look, bool(fresh))
    return replace(memory, runs=memory.runs[-KEPT_RUNS:], seen=look.outcomes or memory.seen, waiting=waiting)


def as_judged(
    memory: Memory, judged: Sequence[Judged], differs: Callable[[str, str], bool], is_older: Callable[[str, str], bool]
) -> Memory:
    """Each run by what was written down while it lived: the first commit that it was called by, and its beginning.

    What is told at first sight bears the newest commit of its content, which a foreign one may have brought, and may
    have begun earlier than can be told.
    """
    if not judged:
        return memory
    befores = [None, *memory.runs]
    ends = [*(run.ended_at for run in memory.runs[:-1]), None]  # the last one runs on
    runs = tuple(
        _first_named(_begun(run, before, judged, differs), end, judged, is_older)
        for run, before, end in zip(memory.runs, befores, ends, strict=False)
    )
    return memory if memory.runs == runs else replace(memory, runs=runs)


def _begun(run: Run, before: Run | None, judged: Sequence[Judged], differs: Callable[[str, str], bool]) -> Run:
    """What began after the one before was there last, and before this one surely was.

    Another may have lived in between: a run that starts right after a failed one drops its outcome from the history.
    So what was written before this one surely was there counts only where git says that it is the same.
    """
    there = before.ended_at if before is not None else None
    if there is None:
        return run

    def is_this(one: Judged) -> bool:
        return one.at >= run.sure_from or not any(differs(one.name, revision) for revision in run.revisions)

    fitting = [(one.began, one) for one in judged if one.began is not None and there < one.began <= run.sure_from]
    began = min((began for began, one in fitting if is_this(one)), default=None)
    if began is None or abs(began - run.started_at) < SECOND:
        return run
    return replace(run, started_at=began, sure_from=began)


def _first_named(run: Run, end: datetime | None, judged: Sequence[Judged], is_older: Callable[[str, str], bool]) -> Run:
    """`end`: when it was surely there last. What it was called outside of that may be the name of another."""
    for one in judged:
        if one.at < run.sure_from or (end is not None and one.at > end) or one.name in run.revisions:
            continue
        revisions = tuple(one.name if is_older(one.name, other) else other for other in run.revisions)
        if revisions != run.revisions:
            return replace(run, revisions=revisions)
    return run


def with_health(memory: Memory, health: Health, at: datetime | None) -> Memory:
    """`at` is when the cluster says that the health became so; it counts only when the health has changed.

    At first sight Flux says when it looked last, which is no change: what is healthy was so since it was deployed.
    """
    if memory.health is health:
        return memory
    last = memory.last
    known = last.finished_at if memory.health is None and health is Health.HEALTHY and last is not None else None
    return replace(memory, health=health, health_at=known or at)


def records(memory: Memory) -> tuple[DeploymentRecord, ...]:
    """The runs as deployment records, oldest first."""
    ends = [run.started_at for run in memory.runs[1:]]
    return tuple(
        DeploymentRecord(
            revisions=run.revisions,
            sources=run.sources,
            started_at=run.started_at,
            deployed_at=run.deployed_at,
            replaced_at=end,
            history_id=run.number,
            initiated_by=run.initiated_by,
        )
        for run, end in zip(memory.runs, [*ends, None], strict=False)
    )


def pending_run(memory: Memory, now: datetime) -> Waiting | None:
    """A wait that is a deployment of its own although no outcome tells it yet.

    Where the last outcome was bad the wait may be for the very same content again: then only an outcome decides.
    """
    waiting, last = memory.waiting, memory.last
    if waiting is None or not waiting.lasts(now) or (last is not None and last.revisions == waiting.revisions):
        return None
    return None if last is not None and last.failed else waiting


def _baseline(look: Look) -> tuple[Run, ...]:
    """Lives from what is told at first sight: each content stood last after the next older one had been there last."""
    runs: list[Run] = []
    for outcome in reversed(look.outcomes):
        last = runs[-1] if runs else None
        if last is not None and _same(last, outcome, look):
            runs[-1] = _continued(last, outcome)
            continue
        start = _start(outcome, last)
        began_late = last is not None and outcome.first_at <= (last.ended_at or last.started_at)
        done = start + outcome.took if began_late else outcome.first_at
        runs.append(_run(outcome, look.sources, start, done))
    if len(look.outcomes) >= KEPT_BY_FLUX and len(runs) > 1:
        # What was forgotten may have lived in between.
        oldest = look.outcomes[-1]
        runs[0] = replace(runs[0], sure_from=oldest.last_at - oldest.took)
    return tuple(runs)


def _with_outcome(memory: Memory, outcome: Outcome, look: Look) -> Memory:
    last = memory.last
    if last is not None and _same(last, outcome, look):
        return replace(memory, runs=(*memory.runs[:-1], _continued(last, outcome)))
    waiting = memory.waiting
    awaited = waiting is not None and waiting.revisions == outcome.revisions
    start = waiting.since if waiting is not None and awaited else _start(outcome, last, memory.seen)
    run = _run(outcome, look.sources, start, outcome.first_at if outcome.times == 1 else outcome.last_at)
    return replace(memory, runs=(*memory.runs, run), waiting=None)


def _waiting(before: Waiting | None, look: Look, ended: bool) -> Waiting | None:
    """The wait as it is now. One that a restarted engine began anew goes on: its objects are there since the first."""
    if look.waiting is None:
        return None if ended else before
    again = before is not None and not ended and before.revisions == look.waiting.revisions
    since = min(before.since, look.waiting.since) if before is not None and again else look.waiting.since
    return replace(look.waiting, since=since, seen_at=look.now)


def _with_lost_wait(memory: Memory, look: Look, fresh: Sequence[Outcome]) -> Memory:
    """A wait that was given up for a newer revision leaves no outcome, but what it waited for had been applied."""
    waiting = memory.waiting
    if waiting is None or waiting.seen_at is None or pending_run(memory, waiting.seen_at) is None:
        return memory
    told = any(one.revisions == waiting.revisions for one in fresh)
    goes_on = look.waiting is not None and look.waiting.revisions == waiting.revisions
    moved_on = bool(fresh) or look.waiting is not None
    if told or goes_on or not moved_on:
        return memory
    content = f"{UNKNOWN}{','.join(waiting.revisions)}"
    end = waiting.seen_at
    began = waiting.since
    run = Run(content, waiting.revisions, look.sources, began, began, None, end, failed=True, finished_at=end)
    return replace(memory, runs=(*memory.runs, run), waiting=None)


def _same(last: Run, outcome: Outcome, look: Look) -> bool:
    lost = last.content.startswith(UNKNOWN)
    if last.content and outcome.content and not lost:
        return last.content == outcome.content
    if last.revisions == outcome.revisions:
        return True
    nameless = lost or (not last.content and not outcome.content)
    return nameless and not look.differs(",".join(last.revisions), ",".join(outcome.revisions))


def _continued(run: Run, outcome: Outcome) -> Run:
    done = run.deployed_at or (max(outcome.last_at, run.started_at) if outcome.ok else None)
    return replace(
        run,
        content=outcome.content or run.content,
        deployed_at=done,
        finished_at=done or run.finished_at,
        ended_at=outcome.last_at,
        failed=not outcome.ok,
    )


def _run(outcome: Outcome, sources: tuple[Source, ...], start: datetime, done: datetime) -> Run:
    end = max(done, start)
    return Run(
        content=outcome.content,
        revisions=outcome.revisions,
        sources=sources,
        started_at=start,
        sure_from=_sure_from(outcome, start),
        deployed_at=end if outcome.ok else None,
        finished_at=end,
        ended_at=max(outcome.last_at, start),
        failed=not outcome.ok,
        number=outcome.number,
        initiated_by=outcome.initiated_by,
    )


def _sure_from(outcome: Outcome, start: datetime) -> datetime:
    if outcome.first_at < start:
        return outcome.last_at - outcome.took
    return max(start, (outcome.first_at - outcome.took).replace(microsecond=0))


def _start(outcome: Outcome, last: Run | None, seen: Sequence[Outcome] = ()) -> datetime:
    """When its objects changed: the outcome's time is that of its end, after the whole wait for health.

    How long that took is told of its newest time only: the first one may have waited as long as it may. A failure at
    once was not the first one either, though it counts as one: what a run had written is lost to the next where that
    starts right after it. Content that
    came back is known by its newest time only. After a single new outcome that tells its beginning; after several it
    came back some time after the other had been there last, and the earliest instant hides no damage.
    """
    ended = last.ended_at if last is not None else None
    again = ended is not None and outcome.first_at <= ended
    first = outcome.times == 1 and (outcome.ok or outcome.took >= LASTING_WAIT)
    took = outcome.took if again or first else max(outcome.took, outcome.may_take)
    start = ((outcome.last_at if again else outcome.first_at) - took).replace(microsecond=0)
    if ended is None:
        return start
    before = [one.times for one in seen if (one.content, one.ok) == (outcome.content, outcome.ok)]
    if again and outcome.times - max(before, default=0) > 1:
        return ended
    return max(start, ended)
