"""How many events did each tick see, and how many of them were bad? From a metric store's answers to plain selectors.

Two counters, of which one counts the bad ones; or the buckets of one histogram, where what is slower than a bound is
bad. Where a label tells versions apart, Pods of one that came with the deployment are counted apart from the others;
where that label is not on each counter, or tells more apart than versions, all are counted together.
Source: detection.md section 4, and 4.4 for old and new Pods side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from gitops_rollback.app.queries import Question, Span
from gitops_rollback.core.measurement import Answer, Series, by_instant
from gitops_rollback.core.policy import Counting
from gitops_rollback.core.regression.counters import Counters, increase
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.latency import slow_bound

BOUND = "le"  # the label of a histogram's buckets
ALL = float("inf")
MOST_OLD, MOST_NEW = 50, 10  # versions, in the hours before and since: more is a label of something else

Values = Mapping[str, float]
Labels = tuple[tuple[str, str], ...]


class Tallied(NamedTuple):
    """One tick. `counts` None: without data. `old`: those of other versions, where a new one is counted apart.

    Once there was a new version, its counters' absence is no data: the old one's say nothing about it.
    """

    at: datetime
    counts: Counts | None
    old: Counts | None = None


@dataclass(slots=True)
class _Pair:
    """The counters of bad events, or in a histogram of those that are not, and of all."""

    part: Counters
    whole: Counters

    def step(self, at_seconds: float, part: Values, whole: Values) -> tuple[float, float] | None:
        self.part, counted = increase(self.part, at_seconds, part)
        self.whole, events = increase(self.whole, at_seconds, whole)
        return None if events is None else (min(counted or 0.0, events), events)


@dataclass(slots=True)
class Tally:
    """What is remembered of the series of one trigger for one deployment. `bound` is that of a histogram."""

    t0: datetime
    how: Counting
    histogram: bool = False
    bound: float | None = None
    _every: _Pair = field(init=False)
    _new: _Pair = field(init=False)
    _known: frozenset[str] = frozenset()  # versions from before the deployment
    _came: frozenset[str] = frozenset()  # and since
    together: str = ""  # why versions are not told apart, though they should be

    def __post_init__(self) -> None:
        t0 = self.t0.timestamp()
        self._every = _Pair(Counters(t0), Counters(t0))
        self._new = _Pair(Counters(t0, is_read=True), Counters(t0, is_read=True))

    @classmethod
    def of(cls, question: Question, t0: datetime) -> Tally:
        return cls(t0, question.trigger.counting, histogram=bool(question.trigger.query))

    def elsewhere(self, since: datetime, apart: bool = True) -> Tally:
        """The same bound over another time, which begins at `since`; `apart` False counts all versions together."""
        how = self.how if apart else replace(self.how, version="")
        return Tally(since, how, self.histogram, self.bound)

    def read(self, answers: Sequence[Answer], span: Span) -> list[Tallied]:
        """What each tick of `span` saw, which comes after all that was read before.

        A histogram's bound is chosen by what lies before the deployment; without one that fits no tick has data. While
        nothing was bad yet, its counter has no series: that is 0.
        """
        instants = span.instants
        parts = [by_instant(answer, instants, span.step / 4) for answer in answers]
        if self.histogram and self.bound is None:
            self.bound = _bound(parts[0], instants, self.t0)
            if self.bound is None:
                return [Tallied(at, None) for at in instants]
        return list(self._ticks(instants, parts))

    def _ticks(self, instants: Sequence[datetime], parts: Sequence[Sequence[Answer]]) -> Iterator[Tallied]:
        for n, at in enumerate(instants):
            answers = [part[n] for part in parts]
            if self.histogram:
                part, whole = (_bucket(answers[0], bound) for bound in (self.bound, ALL))
            else:
                part, whole = answers[0].series, answers[-1].series
            yield self._tick(at, part, whole)

    def _tick(self, at: datetime, part: Sequence[Series], whole: Sequence[Series]) -> Tallied:
        seconds = at.timestamp()
        every = self._every.step(seconds, _values(part), _values(whole))
        if every is None:
            return Tallied(at, None)
        if not self.how.version or not self._tells_apart(at, (*part, *whole)):
            return Tallied(at, self._counts(seconds, every))
        new = self._new.step(seconds, _values(part, self._is_new), _values(whole, self._is_new))
        if not self._came:
            return Tallied(at, self._counts(seconds, every))
        new_counts = None if new is None else self._counts(seconds, new)
        new = new or (0.0, 0.0)
        old = (max(0.0, every[0] - new[0]), max(0.0, every[1] - new[1]))
        return Tallied(at, new_counts, self._counts(seconds, old))

    def _tells_apart(self, at: datetime, series: Sequence[Series]) -> bool:
        """Learns from one tick which versions there are. Once they cannot be told apart, that stays so."""
        if self.together:
            return False
        for one in series:
            version = _label(one, self.how.version)
            if not version:
                self.together = f"not each counter has the label {self.how.version}"
                return False
            if at <= self.t0:
                if version not in self._known:
                    self._known |= {version}
            elif self._known and version not in self._known and version not in self._came:
                self._came |= {version}
        if len(self._known) > MOST_OLD or len(self._came) > MOST_NEW:
            self.together = f"the label {self.how.version} tells more apart than versions"
        return not self.together

    @property
    def tells_apart(self) -> bool:
        """Versions have been told apart so far."""
        return bool(self._known) and not self.together

    def _is_new(self, series: Series) -> bool:
        return _label(series, self.how.version) in self._came

    def _counts(self, seconds: float, counted: tuple[float, float]) -> Counts:
        part, events = counted
        return Counts(seconds, events, max(0.0, events - part) if self.histogram else min(part, events))


def _values(series: Sequence[Series], wanted: Callable[[Series], bool] | None = None) -> dict[str, float]:
    if wanted is not None:
        series = [one for one in series if wanted(one)]
    return {_name(one.labels): one.samples[0][1] for one in series}


def _name(labels: Labels) -> str:
    """What tells a series from all others: one text, since it is kept, and labels take four times the memory."""
    text = "\0".join(chain.from_iterable(labels))
    return text if text.count("\0") < 2 * len(labels) else repr(labels)


def _label(series: Series, name: str) -> str:
    return next((value for label, value in series.labels if label == name), "") if name else ""


def _bucket(answer: Answer, bound: float | None) -> tuple[Series, ...]:
    return tuple(one for one in answer.series if _bound_of(one) == bound)


def _bound_of(series: Series) -> float | None:
    try:
        return float(_label(series, BOUND))
    except ValueError:
        return None


def _bound(ticks: Sequence[Answer], instants: Sequence[datetime], t0: datetime) -> float | None:
    """From when on a request is slow, by the ticks up to the deployment."""
    known: dict[float, Counters] = {}
    seen: dict[float, float] = {}
    for at, answer in zip(instants, ticks, strict=True):
        if at > t0:
            break
        buckets: dict[float, dict[str, float]] = {}
        for one in answer.series:
            if (bound := _bound_of(one)) is not None:
                buckets.setdefault(bound, {})[_name(one.labels)] = one.samples[0][1]
        for bound, values in buckets.items():
            before = known.get(bound, Counters(t0.timestamp()))
            known[bound], grown = increase(before, at.timestamp(), values)
            seen[bound] = seen.get(bound, 0.0) + (grown or 0.0)
    events = seen.pop(ALL, 0.0)
    return slow_bound({bound: 1 - quick / events for bound, quick in seen.items()}) if events > 0 else None
