"""What do many applications ask of one metric store at one tick, and how few requests answer it?

All that ask by one template are one group: one request, and each gets its own part of the answer. Before the looks of
a tick begin, `ask` sends what they are expected to ask; a look that asks something else, or by a template that cannot
be grouped, asks for itself. A group that the store refuses is halved until the applications that spoil it stand alone;
those are left to themselves from then on. So are, from the next tick on, those of a group that hangs: one of them must
not keep the others from their answers. A tick that comes drops what of the last one has not been sent.
Source: detection.md section 7.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from gitops_rollback.app.queries import EPOCH, MAX_POINTS, Span
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.grouping import Grouping, Key
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.query_language import language_of
from gitops_rollback.ports import MetricSource

MOST_NAMES = 500  # in one query; more are asked for without names, as everything that has the labels
FEW_POINTS = 4  # for which everything may be asked
CHUNK_SAMPLES = 100_000  # of one range query, at one series for each application
TICK_SAMPLES = 400_000  # that are read back at one tick; the rest is read at the next ones
ROUNDS_KEPT = 240  # an hour at the usual interval: so long it is remembered what a store refused
HUNG = 0.8  # of the patience: who took so long and has no answer gives none at the next tick either
MOST_ALONE = 20  # applications that spoil a group; with more it is the template

Part = tuple[Answer, tuple[Series, ...]]  # what was answered to all, and the application's own series


class Found(Protocol):
    """What a batch was answered, for each of its applications."""

    def __getitem__(self, key: Key, /) -> Part: ...


class _Shared:
    """One good answer, or one failure, that all have a part of; who is not in it has no series."""

    __slots__ = ("_answer", "_parts")

    def __init__(self, answer: Answer, parts: Mapping[Key, tuple[Series, ...]] | None, keys: Collection[Key]) -> None:
        self._answer = answer._replace(series=())  # what is everybody's is not kept beside what is each one's own
        parts = parts or {}
        few = len(parts) > len(keys)  # and what is nobody's is not kept at all
        self._parts = {key: parts[key] for key in keys if key in parts} if few else parts

    def __getitem__(self, key: Key) -> Part:
        return self._answer, self._parts.get(key, ())


class Wanted(NamedTuple):
    """One expression that an application is about to ask for, and the template that it comes from."""

    source: MetricSource
    template: str
    variables: Mapping[str, str]
    expression: str
    when: datetime | Span
    patience: timedelta


class _Sort(NamedTuple):
    """What can be asked by one query, where the times allow it."""

    source: MetricSource
    template: str
    patience: timedelta


class _Plan(NamedTuple):
    """Who wants what of one sort, by its time. `alone` are those who are asked by themselves."""

    sort: _Sort
    grouping: Grouping | None
    alone: Collection[Key]
    members: dict[datetime | Span, dict[Key, Wanted]]


@dataclass(frozen=True)
class _Batch:
    """One query for several applications; `when` holds all times that they want."""

    sort: _Sort
    grouping: Grouping
    when: datetime | Span
    members: Mapping[Key, Wanted]
    everything: bool = False


class _Outcome:
    """What a batch found: known at once, or when its future is done."""

    __slots__ = ("_found", "_future")

    def __init__(self, found: Found | None = None, future: Future[Found] | None = None) -> None:
        self._found = found
        self._future = future

    def of(self, key: Key) -> Part:
        """One application's; waits for it. Raises: CancelledError."""
        if self._found is None:  # thousands ask: the future's lock is taken once
            self._found = self._future.result() if self._future is not None else {}
        return self._found[key]


_Known = dict[tuple[MetricSource, datetime | Span], dict[str, tuple[_Outcome, Key]]]  # by expression


class Together:
    """An `Ahead`. `executor` sends the groups side by side; without one they are sent one after the other, at once."""

    def __init__(self, executor: Executor | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._executor = executor
        self._monotonic = monotonic
        self._known: _Known = {}
        self._sent: list[Future[Found]] = []
        self._rounds = 0
        self._alone: dict[_Sort, set[Key]] = {}
        self._most: dict[_Sort, int] = {}
        self._apart: set[_Sort] = set()  # whose answers do not say whose they are

    def ask(self, wanted: Iterable[Wanted]) -> None:
        """Send what is wanted at this tick; what the last one wanted is not known any more."""
        for future in self._sent:
            future.cancel()
        if self._rounds % ROUNDS_KEPT == 0:
            self._alone, self._most, self._apart = {}, {}, set()
        self._rounds += 1
        known: _Known = {}
        self._sent = []
        batches, later = self._planned(wanted)
        for batch in batches:
            future = self._begin(batch)
            self._sent.append(future)
            outcome = _Outcome(future=future)
            for key, one in batch.members.items():
                known.setdefault((one.source, one.when), {})[one.expression] = outcome, key
        for key, one in later:
            outcome = _Outcome({key: _failed(one, "it is read at a later tick")})
            known.setdefault((one.source, one.when), {})[one.expression] = outcome, key
        self._known = known

    def answer(self, source: MetricSource, expression: str, when: datetime | Span) -> Answer | None:
        """As in `queries.Ahead`."""
        at_once = self._known.get((source, when))
        sent = at_once.get(expression) if at_once is not None else None
        if sent is None:
            return None
        outcome, key = sent
        try:
            return _own(*outcome.of(key), expression, when)
        except CancelledError:
            at = when.end if isinstance(when, Span) else when
            return Answer(
                Outcome.ERROR, at, expression, reason=Reason.METRICS_UNAVAILABLE, detail="the tick came too late"
            )

    def _planned(self, wanted: Iterable[Wanted]) -> tuple[list[_Batch], list[tuple[Key, Wanted]]]:
        """The queries to send now, and what is left for a later tick."""
        plans: dict[tuple[MetricSource, str, timedelta], _Plan] = {}
        variables: Mapping[str, str] | None = None
        names: tuple[str, ...] = ()
        key: Key | None = None
        for one in wanted:
            place = (one.source, one.template, one.patience)
            plan = plans.get(place)
            if plan is None:
                plan = plans[place] = self._plan(_Sort(*place))
            if plan.grouping is None:
                continue
            if one.variables is not variables or plan.grouping.variables != names:  # what one wants comes in a row
                variables, names, key = one.variables, plan.grouping.variables, plan.grouping.key(one.variables)
            if key is not None and key not in plan.alone:
                members = plan.members.get(one.when)
                if members is None:
                    members = plan.members[one.when] = {}
                members[key] = one
        same = [(plan.sort, when, found) for plan in plans.values() for when, found in plan.members.items()]
        batches: list[_Batch] = []
        apart: dict[tuple[_Sort, timedelta, timedelta], list[tuple[Key, Wanted]]] = {}
        for sort, when, members in same:
            if len(members) > 1:
                batches.extend(self._chunks(sort, when, members))
            elif isinstance(when, Span):
                apart.setdefault((sort, when.step, (when.start - EPOCH) % when.step), []).extend(members.items())
        for (sort, _, _), several in apart.items():
            batches.extend(self._joined(sort, several))
        return _at_once(batches)

    def _plan(self, sort: _Sort) -> _Plan:
        """How its queries are grouped; without a grouping each has to be asked by itself."""
        alone = self._alone.get(sort, set())
        is_apart = sort in self._apart or len(alone) > MOST_ALONE
        return _Plan(sort, None if is_apart else _grouping(sort.template), alone, {})

    def _chunks(self, sort: _Sort, when: datetime | Span, members: Mapping[Key, Wanted]) -> Iterator[_Batch]:
        grouping = _grouping(sort.template)
        if grouping is None:
            return
        usual = max(1, min(MOST_NAMES, CHUNK_SAMPLES // _points(when)))
        size = self._most.get(sort, usual)
        if len(members) > size and size >= usual and _points(when) <= FEW_POINTS:
            yield _Batch(sort, grouping, when, members, everything=True)
            return
        ordered = sorted(members)
        for start in range(0, len(ordered), size):
            yield _Batch(sort, grouping, when, {key: members[key] for key in ordered[start : start + size]})

    def _joined(self, sort: _Sort, several: Sequence[tuple[Key, Wanted]]) -> Iterator[_Batch]:
        """Times that differ as one that holds them all: what was deployed last comes first."""
        spans = sorted(
            ((one.when, key, one) for key, one in several if isinstance(one.when, Span)),
            key=lambda found: found[0].start,
            reverse=True,
        )
        members: dict[Key, Wanted] = {}
        whole: Span | None = None
        for span, key, one in spans:
            wider = _union(whole, span)
            if members and (
                key in members or _points(wider) > MAX_POINTS or len(members) * _points(wider) > CHUNK_SAMPLES
            ):
                yield from self._batch(sort, whole, members)
                members, wider = {}, span
            members[key], whole = one, wider
        yield from self._batch(sort, whole, members)

    def _batch(self, sort: _Sort, whole: Span | None, members: Mapping[Key, Wanted]) -> Iterator[_Batch]:
        grouping = _grouping(sort.template)
        if grouping is not None and whole is not None and len(members) > 1:
            yield _Batch(sort, grouping, whole, members)

    def _begin(self, batch: _Batch) -> Future[Found]:
        if self._executor is not None:
            return self._executor.submit(self._run, batch)
        return _done(self._run(batch))

    def _run(self, batch: _Batch) -> Found:
        deadline = self._monotonic() + batch.sort.patience.total_seconds()
        if batch.everything:
            began = self._monotonic()
            answer = self._send(batch, batch.grouping.everything(), batch.when)
            if self._has_hung(batch, answer, began):
                self._most[batch.sort] = MOST_NAMES
            parts = batch.grouping.parts(answer)
            if parts is not None or not _is_refused(answer):
                return _Shared(answer, parts, batch.members)
            self._most[batch.sort] = MOST_NAMES
        keys = list(batch.members)
        if len(keys) <= MOST_NAMES:
            return self._asked(batch, keys, deadline)
        return self._one_by_one(batch, [keys[n : n + MOST_NAMES] for n in range(0, len(keys), MOST_NAMES)], deadline)

    def _one_by_one(self, batch: _Batch, chunks: Iterable[Sequence[Key]], deadline: float) -> dict[Key, Part]:
        found: dict[Key, Part] = {}
        for keys in chunks:
            asked = self._asked(batch, keys, deadline)
            found.update({key: asked[key] for key in keys})
        return found

    def _asked(self, batch: _Batch, keys: Sequence[Key], deadline: float) -> Found:
        if self._monotonic() >= deadline:
            return {key: _failed(batch.members[key], "no time was left for it at this tick") for key in keys}
        if len(keys) == 1:
            return {keys[0]: self._alone_now(batch, keys[0])}
        began = self._monotonic()
        answer = self._send(batch, batch.grouping.expression(keys), batch.when)
        if self._has_hung(batch, answer, began):
            self._part(batch.sort, keys)
        parts = batch.grouping.parts(answer)
        if answer.outcome is Outcome.VALUE and parts is None:
            self._apart.add(batch.sort)
            return {key: self._alone_now(batch, key) for key in keys}
        if not _is_refused(answer):
            return _Shared(answer, parts, keys)
        middle = len(keys) // 2
        halves = self._one_by_one(batch, (keys[:middle], keys[middle:]), deadline)
        if not self._alone.get(batch.sort, set()) & set(keys):  # nobody spoils it: it is the size
            self._most[batch.sort] = min(middle, self._most.get(batch.sort, middle))
        return halves

    def _has_hung(self, batch: _Batch, answer: Answer, began: float) -> bool:
        """All the patience was spent on it; a store that is known to answer nobody refuses at once."""
        spent = self._monotonic() - began
        return answer.outcome is Outcome.ERROR and spent >= HUNG * batch.sort.patience.total_seconds()

    def _part(self, sort: _Sort, keys: Sequence[Key]) -> None:
        """Who were asked together are asked in halves, and in the end each by itself."""
        if len(keys) <= MOST_ALONE:
            self._alone.setdefault(sort, set()).update(keys)
        else:
            self._most[sort] = min(len(keys) // 2, self._most.get(sort, MOST_NAMES))

    def _alone_now(self, batch: _Batch, key: Key) -> Part:
        """One application whose group was refused; if it is refused alone too, it is its own fault."""
        one = batch.members[key]
        answer = self._send(batch, one.expression, one.when)
        if _is_refused(answer):
            self._alone.setdefault(batch.sort, set()).add(key)
        return answer, answer.series

    def _send(self, batch: _Batch, expression: str, when: datetime | Span) -> Answer:
        source, patience = batch.sort.source, batch.sort.patience
        if isinstance(when, Span):
            return source.query_range(expression, when.start, when.end, when.step, patience)
        return source.query(expression, when, patience, when.timestamp())


def _turn(batch: _Batch) -> tuple[float, Key]:
    """What was deployed last comes first; what one application needs comes together, or none of it would help."""
    newest = batch.when.start if isinstance(batch.when, Span) else batch.when
    return -newest.timestamp(), min(batch.members)


def _at_once(batches: Iterable[_Batch]) -> tuple[list[_Batch], list[tuple[Key, Wanted]]]:
    """What may be asked at one tick, and what is left for a later one; what asks for little is always asked."""
    now: list[_Batch] = []
    later: list[tuple[Key, Wanted]] = []
    samples = 0
    for batch in sorted(batches, key=_turn):
        cost = len(batch.members) * _points(batch.when) if _points(batch.when) > FEW_POINTS else 0
        if cost and samples and samples + cost > TICK_SAMPLES:
            later.extend(batch.members.items())
        else:
            samples += cost
            now.append(batch)
    return now, later


@lru_cache(maxsize=2048)
def _grouping(template: str) -> Grouping | None:
    return language_of(template).group(template)


def _is_refused(answer: Answer) -> bool:
    """The query as it is cannot be answered; a smaller one perhaps can."""
    return answer.outcome is Outcome.INVALID or answer.oversized


def _own(answer: Answer, own: tuple[Series, ...], expression: str, when: datetime | Span) -> Answer:
    """The part of one application as if it had asked by itself, and for its own time alone."""
    outcome, at, _, _, kind, reason, detail, oversized = answer
    if not isinstance(when, Span):
        return Answer(outcome, at, expression, own, kind, reason, detail, oversized)
    start, end = when.start, when.end
    series: list[Series] = []
    for one in own:
        if len(one.samples) == 1:  # of one tick, as nearly all that is read
            if start <= one.samples[0][0] <= end:
                series.append(one)
            continue
        inside = [sample for sample in one.samples if start <= sample[0] <= end]
        if inside:
            series.append(one if len(inside) == len(one.samples) else Series(one.labels, tuple(inside)))
    return Answer(outcome, end, expression, tuple(series), kind, reason, detail, oversized)


def _union(whole: Span | None, span: Span) -> Span:
    return span if whole is None else Span(min(whole.start, span.start), max(whole.end, span.end), span.step)


def _points(when: datetime | Span) -> int:
    return max(1, (when.end - when.start) // when.step + 1) if isinstance(when, Span) else 1


def _failed(one: Wanted, detail: str) -> Part:
    at = one.when.end if isinstance(one.when, Span) else one.when
    return Answer(Outcome.ERROR, at, one.expression, reason=Reason.QUERY_BUDGET, detail=detail), ()


def _done(found: Found) -> Future[Found]:
    future: Future[Found] = Future()
    future.set_result(found)
    return future
