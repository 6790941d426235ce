"""How is one trigger asked: now, over the time since the sync, and over the time before it?

Every question goes to a metric source; every answer comes back as measurements and ticks, failures included.
Source: detection.md 2.6 (a range query gives the ticks that were not lived) and 2.4 (the time before the sync).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from gitops_rollback.core.absence import absence
from gitops_rollback.core.burn_rate import burn, expressions
from gitops_rollback.core.duration import format_duration
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.measurement import Answer, Measurement, Outcome, by_instant, ratio, single
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.query_language import language_of
from gitops_rollback.core.regression.past import NEAR_SECONDS
from gitops_rollback.core.regression.peers import MIN_PEERS
from gitops_rollback.core.trigger import Tick, level
from gitops_rollback.ports import MetricSource

MAX_POINTS = 10_000  # Prometheus itself refuses more than 11,000 a series
HALVES = ("ratio", "regression")  # that are asked for `bad` and `total`
PEERS_NOW, PEERS_BEFORE = timedelta(minutes=1), timedelta(seconds=NEAR_SECONDS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """A trigger with its expressions filled: (query,), (bad, total), or a burn's. `fault` says why they cannot be."""

    trigger: Trigger
    expressions: tuple[str, ...]
    fault: str = ""
    templates: tuple[str, ...] = ()  # that the expressions were, before they were filled
    control: tuple[str, ...] = ()  # of a regression's peers: bad and total of the last minute
    before: tuple[str, ...] = ()  # and of the hours before

    @classmethod
    def of(cls, trigger: Trigger, variables: Mapping[str, str]) -> Question:
        """An empty value is no value: `namespace=""` would select what has no namespace."""
        known = {name: value for name, value in variables.items() if value}
        try:
            templates = _templates(trigger)
            filled = tuple(_filled(template, known) for template in templates)
            control, before = (_of_peers(trigger, known, window) for window in (PEERS_NOW, PEERS_BEFORE))
            return cls(trigger, filled, "", templates, control, before)
        except QueryInvalid as exc:
            return cls(trigger, (), exc.message)

    def beside(self, deploying: Collection[str], variables: Mapping[str, str]) -> Question:
        """Without those peers that are `deploying` themselves; too few that are left are none."""
        named = tuple(name for name in self.trigger.counting.peers if name != variables.get("SERVICE"))
        left = tuple(name for name in named if name not in deploying)
        if self.fault or len(left) == len(named):
            return self
        if len(left) < MIN_PEERS:
            return replace(self, control=(), before=())
        calm = Question.of(replace(self.trigger, counting=replace(self.trigger.counting, peers=left)), variables)
        return replace(self, control=calm.control, before=calm.before)

    def measured(self, answers: Sequence[Answer], at: datetime) -> Measurement:
        """What the answers to `expressions`, in their order, are worth."""
        trigger = self.trigger
        if self.fault:
            return Measurement.invalid(at, self.fault)
        if trigger.type == "absence":
            return absence(answers[0], answers[1])
        if trigger.burn_rate is not None:
            return burn(answers, trigger.burn_rate, trigger.minimum_per_second)
        if len(answers) == 2:
            return ratio(answers[0], answers[1], trigger.minimum_per_second, trigger.reduce)
        return single(answers[0], trigger.reduce, trigger.comparison)

    def tick(self, measurement: Measurement, at: datetime) -> Tick:
        return Tick(at, level(measurement, self.trigger.comparison, self.trigger.threshold), measurement.value)


class Questions:
    """What the triggers ask about one application, filled once and kept as long as its values stay as they are."""

    def __init__(self) -> None:
        self._variables: Mapping[str, str] = {}
        self._kept: dict[str, Question] = {}

    def of(self, trigger: Trigger, variables: Mapping[str, str]) -> Question:
        """As `Question.of`."""
        if variables is not self._variables:
            if variables != self._variables:
                self._kept = {}
            self._variables = variables
        kept = self._kept.get(trigger.name)
        if kept is None or (kept.trigger is not trigger and kept.trigger != trigger):
            kept = self._kept[trigger.name] = Question.of(trigger, variables)
        return kept


def _filled(template: str, known: Mapping[str, str]) -> str:
    return language_of(template).fill(template, known)


def _of_peers(trigger: Trigger, known: Mapping[str, str], window: timedelta) -> tuple[str, ...]:
    """What all peers counted together, bad and total; () where none are named."""
    names = [name for name in trigger.counting.peers if name != known.get("SERVICE")]
    if not names or trigger.query:
        return ()
    over = format_duration(window)
    each = (
        [f"increase({_filled(template, {**known, 'SERVICE': name})}[{over}])" for name in names]
        for template in (trigger.bad, trigger.total)
    )
    return tuple(f"sum({' or '.join(selectors)})" for selectors in each)


def _templates(trigger: Trigger) -> tuple[str, ...]:
    if trigger.burn_rate is not None:
        return expressions(trigger.bad, trigger.total, trigger.burn_rate)
    if trigger.type == "absence":
        return trigger.query, trigger.beside
    return (trigger.bad, trigger.total) if trigger.type in HALVES and not trigger.query else (trigger.query,)


class Span(NamedTuple):
    """Ticks from `start` to `end`, both inclusive; empty if `end` is before `start`."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def is_empty(self) -> bool:
        return self.end < self.start

    @property
    def instants(self) -> tuple[datetime, ...]:
        return tuple(self.start + n * self.step for n in range(max(0, (self.end - self.start) // self.step + 1)))


class History(NamedTuple):
    """A trigger's ticks over a span. `fault` set: it could not be read, and nothing may be concluded from it."""

    ticks: tuple[Tick, ...] = ()
    had_data: bool = False
    fault: Measurement | None = None


class Ahead(Protocol):
    """What was asked for many applications at once, before each of them was looked at."""

    def answer(self, source: MetricSource, expression: str, when: datetime | Span) -> Answer | None:
        """What the source answered for `expression`; waits for it where it is under way. None: nobody asked."""


class Asker:
    """Asks one source within one look: each expression once, in parallel where there is an executor."""

    def __init__(
        self,
        source: MetricSource,
        timeout: timedelta,
        priority: float,
        executor: Executor | None,
        ahead: Ahead | None = None,
    ) -> None:
        self._source = source
        self._timeout = timeout
        self._priority = priority
        self._executor = executor
        self._ahead = ahead

    def now(self, expressions: Iterable[str], at: datetime) -> dict[str, Answer]:
        """The answer to each of `expressions` at `at`."""
        return self._each(
            expressions, at, lambda expression: self._source.query(expression, at, self._timeout, self._priority)
        )

    def histories(self, questions: Sequence[Question], span: Span) -> tuple[History, ...]:
        """The ticks of each question over `span`, by one range query for each expression."""
        if span.is_empty:
            return tuple(History() for _ in questions)
        asked = list(dict.fromkeys(text for question in questions for text in question.expressions))
        answers = dict(zip(asked, self.ranges(asked, span), strict=True))
        return tuple(
            _history(question, [answers[text] for text in question.expressions], span) for question in questions
        )

    def ranges(self, expressions: Sequence[str], span: Span) -> tuple[Answer, ...]:
        """The answer to each of `expressions` over `span`, which is not empty, in their order."""
        answers = self._each(
            expressions,
            span,
            lambda expression: self._source.query_range(expression, span.start, span.end, span.step, self._timeout),
        )
        return tuple(answers[expression] for expression in expressions)

    def _each(
        self, expressions: Iterable[str], when: datetime | Span, ask: Callable[[str], Answer]
    ) -> dict[str, Answer]:
        found: dict[str, Answer] = {}
        missing: dict[str, None] = {}
        for expression in expressions:
            known = self._ahead.answer(self._source, expression, when) if self._ahead is not None else None
            if known is not None:
                found[expression] = known
            else:
                missing[expression] = None
        if missing:
            answers = self._executor.map(ask, missing) if self._executor is not None else map(ask, missing)
            found.update(zip(missing, answers, strict=True))
        return found


def tick_of(now: datetime, interval: timedelta) -> datetime:
    """The newest tick at or before `now`. Ticks are multiples of the interval since 1970: all replicas share them."""
    return now - (now - EPOCH) % interval


def span_before(trigger: Trigger, t0: datetime, interval: timedelta, at_least: timedelta = timedelta(0)) -> Span:
    """The ticks before `t0` that its baseline needs; the last one is the last tick before t0."""
    end = tick_of(t0 - timedelta(microseconds=1), interval)
    look_back = trigger.baseline.lookback if trigger.baseline.must_exceed_factor > 1 else 3 * interval
    look_back = max(look_back, at_least)
    step = interval * max(1, math.ceil(look_back / interval / MAX_POINTS))
    return Span(end - (look_back // step) * step, end, step)


def span_since(t0: datetime, at: datetime, interval: timedelta) -> Span:
    """The ticks after `t0` and before `at`, the newest ones where there are too many."""
    first = tick_of(t0, interval) + interval
    return Span(max(first, at - MAX_POINTS * interval), at - interval, interval)


def _history(question: Question, answers: Sequence[Answer], span: Span) -> History:
    instants = span.instants
    broken = next((answer for answer in answers if answer.outcome is not Outcome.VALUE), None)
    if question.fault or broken is not None:
        return History(fault=question.measured(answers, span.end) if question.fault else _fault(broken))
    parts = [by_instant(answer, instants, span.step / 4) for answer in answers]
    ticks = tuple(
        question.tick(question.measured([part[n] for part in parts], at), at) for n, at in enumerate(instants)
    )
    return History(ticks, any(_has_data(answer) for answer in answers))


def _fault(answer: Answer | None) -> Measurement | None:
    return single(answer) if answer is not None else None


def _has_data(answer: Answer) -> bool:
    return any(math.isfinite(value) for series in answer.series for _, value in series.samples)


def after(expression: str, passed: timedelta) -> tuple[str | None, str]:
    """`expression` reading at most `passed` back, or None and why it has to wait. Raises: QueryInvalid."""
    language = language_of(expression)
    needed = language.look_back(expression)
    if needed <= passed:
        return expression, ""
    cut = language.cut_ranges(expression, passed)
    if cut is not None:
        return cut, ""
    return None, f"the query reads {format_duration(needed)} back, and only {format_duration(passed)} have passed"
