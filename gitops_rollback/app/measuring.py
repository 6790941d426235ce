"""Is the application worse since its sync? Asks all triggers of an application at each tick, and keeps their states.

States are memory only, for the newest deployment of each application. What was not lived, before a start or a new
policy or while the process stood still, is read back (`reading_back`); until that worked, nothing fires.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import is_

from gitops_rollback.app.alerts import look_at_alerts
from gitops_rollback.app.asked_triggers import Asked, blind, health_word, read_back
from gitops_rollback.app.asking_together import Together, Wanted
from gitops_rollback.app.counting import look
from gitops_rollback.app.engine_events import look_at_events
from gitops_rollback.app.foreseeing import Asking, foreseen
from gitops_rollback.app.queries import Asker, Question, Questions, after, tick_of
from gitops_rollback.app.reading_back import Memory, Subject
from gitops_rollback.app.steady import Steady
from gitops_rollback.app.verdicts import (
    name_lost_telemetry,
    stale,
    tick_of_word,
    verdict_of,
)
from gitops_rollback.app.workloads import NOBODY, pods_word
from gitops_rollback.core.blindness import sees_nothing
from gitops_rollback.core.errors import QueryInvalid, Reason, RollbackError
from gitops_rollback.core.measurement import Measurement, Outcome
from gitops_rollback.core.policy import COUNTED, Check, MetricSettings, Policy, Trigger
from gitops_rollback.core.trigger import (
    MAX_GAP_INTERVALS,
    Baseline,
    BaselineLevel,
    Hold,
    Level,
    Phase,
    Tick,
    Verdict,
    against_baseline,
    replay,
    step,
)
from gitops_rollback.ports import Alerts, MetricSource, Workloads

Telling = Callable[[Subject, Memory, Trigger, datetime], Measurement]  # what one says who is no metric source

MAX_WATCHED = 10_000
LONGEST_PAUSE = timedelta(minutes=2)  # between two looks that are taken for one watch
SHORTEST_DEADLINE = timedelta(seconds=1)
NEW_PODS = Baseline(BaselineLevel.QUIET, None, "only Pods of the template that came with the sync count")


@dataclass(slots=True)
class _Watch:
    """One application's newest deployment; `lock` is held during a whole look, so looks never overlap."""

    lock: AbstractContextManager[object]
    key: object = None
    at: datetime | None = None
    subject: Subject | None = None
    questions: Questions = field(default_factory=Questions)
    triggers: tuple[Trigger, ...] = ()
    memories: dict[Trigger, Memory] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    blind: timedelta = timedelta(0)  # for how long its source has failed since the sync
    ahead: timedelta = timedelta(0)  # by how much the wall clock had jumped at the last look

    @property
    def had_data(self) -> bool:
        """Anything of the application had data before the sync."""
        return any(memory.had_data for memory in self.memories.values())

    def forget_measured(self) -> None:
        """Nobody has looked for long: what metric sources would have said then is read back, as after a start.

        An alert or the engine says itself since when it is so, and what was so before the sync is known but once.
        """
        self.memories = {trigger: kept for trigger, kept in self.memories.items() if not trigger.is_measured}

    def remember(self, triggers: tuple[Trigger, ...]) -> None:
        """Keep what is known of each of these, and of no other."""
        known = self.memories
        if len(known) != len(triggers) or not all(map(is_, known, triggers)):
            self.memories = {trigger: known.get(trigger) or Memory() for trigger in triggers}


class Measuring:
    """Measures applications; safe for several threads. `source_of` finds a policy's metric source, or raises.

    `executor` asks the expressions of one look side by side; it must not be the one whose threads call `measure`.
    `new_lock` makes locks for those threads. `steady` tells a clock that jumped; without it none ever does.
    """

    def __init__(
        self,
        source_of: Callable[[Policy], MetricSource],
        executor: Executor | None = None,
        new_lock: Callable[[], AbstractContextManager[object]] = threading.Lock,
        steady: Steady | None = None,
        workloads: Workloads = NOBODY,
        alerts: Alerts | None = None,
        together: Together | None = None,
    ) -> None:
        self._together = together
        self._alerts = alerts
        self._workloads = workloads
        self._telling: Mapping[str, Telling] = {
            "crashLoop": self._pods,
            "alert": self._active,
            "event": look_at_events,
        }
        self._source_of = source_of
        self._executor = executor
        self._new_lock = new_lock
        self._steady = steady
        self._watches: OrderedDict[str, _Watch] = OrderedDict()
        self._lock = threading.Lock()

    def measure(self, subject: Subject, now: datetime) -> tuple[Verdict, ...]:
        """A verdict for each trigger of the policy, in its order. Within a tick only some are asked again."""
        watch = self._watch(f"{subject.state.id}{subject.apart}")
        interval = subject.policy.timing.interval
        at = tick_of(now, interval)
        with watch.lock:
            watch.subject = subject
            key, jumped = (subject.event.record.revisions, subject.t0, interval), self._jumped(watch)
            if watch.key != key or jumped <= -interval:  # what was seen by a clock that ran ahead is read back
                watch.key, watch.at, watch.memories, watch.blind = key, None, {}, timedelta(0)
            if watch.at is not None and at < watch.at:
                return tuple(stale(verdict) for verdict in watch.verdicts)
            if jumped >= interval and watch.at is not None:
                _begin_anew(watch, at)
                return watch.verdicts
            if watch.at is not None and at - watch.at > max(LONGEST_PAUSE, MAX_GAP_INTERVALS * interval):
                watch.forget_measured()
            if watch.at != at or watch.triggers != subject.policy.triggers:
                watch.verdicts = self._look(subject, watch, at)
                if sees_nothing(watch.verdicts) and watch.at is not None:
                    watch.blind += min(at - watch.at, MAX_GAP_INTERVALS * interval)
                watch.at, watch.triggers = at, subject.policy.triggers
            elif now > at:
                watch.verdicts = self._look_within(subject, watch, now)
            return watch.verdicts

    def ask_together(self, expected: Iterable[Subject], now: datetime) -> None:
        """Send what the looks at these are going to ask, before any of them begins.

        What is lived tells more than what is expected: an application that was looked at lately is asked about as then.
        """
        if self._together is None:
            return
        sources: dict[tuple[str, MetricSettings, str], MetricSource | None] = {}
        wanted: list[Wanted] = []
        for guess in expected:
            interval = guess.policy.timing.interval
            at = tick_of(now, interval)
            watch = self._watches.get(str(guess.state.id))
            if watch is not None and watch.at == at:
                continue
            subject, memories, questions = _lived(watch, at - 3 * interval) or (guess, {}, Questions())
            place = (subject.policy.path, subject.policy.metrics, subject.variables.get("CLUSTER", ""))
            if place not in sources:
                sources[place] = self._source_or_none(subject)
            source = sources[place]
            if source is not None:
                patience = _deadline(subject.policy, subject.policy.metrics.timeout)
                wanted.extend(foreseen(subject, memories, questions, at, Asking(source, patience)))
        self._together.ask(wanted)

    def _source_or_none(self, subject: Subject) -> MetricSource | None:
        """None where there is none: the looks say so."""
        try:
            return self._source_at(subject.policy, subject.variables.get("CLUSTER", ""))
        except RollbackError:
            return None

    def measure_check(
        self, policy: Policy, check: Check, variables: Mapping[str, str], now: datetime, since: datetime
    ) -> Measurement:
        """What a check of the verification measures at `now`, from nothing older than `since`.

        A range that reaches back further is cut; one that cannot be cut is NO_DATA until it has passed.
        """
        question = Question.of(_measured_by(policy, check), variables)
        if question.fault:
            return Measurement.invalid(now, question.fault)
        try:
            expressions = [after(expression, now - since) for expression in question.expressions]
            cluster = variables.get("CLUSTER", "")
            asker = self.asker(policy, cluster, min(check.timeout, policy.metrics.timeout), since)
        except QueryInvalid as exc:
            return Measurement.invalid(now, exc.message)
        except RollbackError as exc:
            return Measurement.failed(exc.reason, now, exc.message)
        waiting = next((why for expression, why in expressions if expression is None), "")
        if waiting:
            return Measurement.missing(Reason.WARMING_UP, now, waiting)
        answers = asker.now([expression for expression, _ in expressions if expression is not None], now)
        return question.measured([answers[expression] for expression, _ in expressions if expression is not None], now)

    def blind_for(self, application: str) -> timedelta:
        """For how long this process has looked at its newest deployment and its metric source has failed."""
        watch = self._watches.get(application)
        return watch.blind if watch is not None else timedelta(0)

    def forget(self, application: str, apart: str = "") -> None:
        """Drop what is kept of the application of this full name: of its newest deployment, or of what stands apart."""
        with self._lock:
            self._watches.pop(f"{application}{apart}", None)

    def _jumped(self, watch: _Watch) -> timedelta:
        """By how much the wall clock has jumped ahead (below zero: back) since the last look."""
        before = watch.ahead
        watch.ahead = self._steady.look() if self._steady else before
        return watch.ahead - before

    def _watch(self, application: str) -> _Watch:
        with self._lock:
            watch = self._watches.get(application)
            if watch is None:
                watch = self._watches[application] = _Watch(lock=self._new_lock())
            self._watches.move_to_end(application)
            while len(self._watches) > MAX_WATCHED:
                self._watches.popitem(last=False)
            return watch

    def asker(self, policy: Policy, cluster: str, patience: timedelta, newest: datetime) -> Asker:
        """Who asks the policy's metric source. Raises: RollbackError of finding the source."""
        source, deadline = self._source_at(policy, cluster), _deadline(policy, patience)
        return Asker(source, deadline, newest.timestamp(), self._executor, self._together)

    def _source_at(self, policy: Policy, cluster: str) -> MetricSource:
        if policy.metrics.cluster != cluster:
            policy = replace(policy, metrics=replace(policy.metrics, cluster=cluster))
        return self._source_of(policy)

    def _look(self, subject: Subject, watch: _Watch, at: datetime) -> tuple[Verdict, ...]:
        triggers = subject.policy.triggers
        watch.remember(triggers)
        asker = self._asker(subject, at) if any(trigger.is_measured for trigger in triggers) else None
        measured = self._measured(subject, watch, asker, at) if asker is not None else {}
        for trigger in triggers:
            if trigger.is_asked or not trigger.built:
                continue
            memory = watch.memories[trigger]
            if trigger.type in COUNTED and asker is not None:
                measured[trigger] = _counted(asker, subject, watch, trigger, at)
            elif trigger.type == "health":
                measured[trigger] = health_word(subject, memory, trigger, at)
            elif trigger.type in self._telling:
                measured[trigger] = self._telling[trigger.type](subject, memory, trigger, at)
        warm = at >= subject.t0 + subject.policy.timing.initial_delay
        had_data = watch.had_data
        return tuple(
            [
                verdict_of(trigger, memory.state, _baseline(memory, trigger, had_data), measured.get(trigger), warm)
                for trigger, memory in watch.memories.items()
            ]
        )

    def _look_within(self, subject: Subject, watch: _Watch, now: datetime) -> tuple[Verdict, ...]:
        """The verdicts, with those that need no metric store as of `now`: who says "look now" does so for these."""
        warm = now >= subject.t0 + subject.policy.timing.initial_delay
        verdicts = {verdict.trigger: verdict for verdict in watch.verdicts}
        for trigger in subject.policy.triggers:
            if trigger.built and trigger.type in self._telling:
                memory = watch.memories[trigger]
                measured = self._telling[trigger.type](subject, memory, trigger, now)
                baseline = _baseline(memory, trigger, watch.had_data)
                verdicts[trigger.name] = verdict_of(trigger, memory.state, baseline, measured, warm)
        return tuple(verdicts.values())

    def _pods(self, subject: Subject, memory: Memory, trigger: Trigger, at: datetime) -> Measurement:
        """Pods of a template that came with the sync were not bad before it: the baseline is quiet."""
        measured = pods_word(self._workloads, trigger, subject.target, subject.state, subject.t0, at)
        memory.ready, memory.alone, memory.beside = True, NEW_PODS, NEW_PODS
        if at > subject.t0:
            memory.state = step(memory.state, tick_of_word(measured, at), Hold.of(trigger, subject.interval))
        return measured

    def _active(self, subject: Subject, memory: Memory, trigger: Trigger, at: datetime) -> Measurement:
        patience = _deadline(subject.policy, subject.policy.metrics.timeout)
        return look_at_alerts(self._alerts, subject, memory, trigger, at, patience)

    def _asker(self, subject: Subject, at: datetime) -> Asker | Measurement:
        """Who asks within this look; what all that is measured says where there is nobody to ask."""
        try:
            cluster = subject.variables.get("CLUSTER", "")
            return self.asker(subject.policy, cluster, subject.policy.metrics.timeout, subject.t0)
        except RollbackError as exc:
            return Measurement.failed(exc.reason, at, exc.message)

    def _measured(
        self, subject: Subject, watch: _Watch, asker: Asker | Measurement, at: datetime
    ) -> dict[Trigger, Measurement]:
        """Each asked trigger's measurement at this tick; its memory is restored first, then stepped."""
        questions = [watch.questions.of(one, subject.variables) for one in watch.memories if one.is_asked]
        if not questions:
            return {}
        if isinstance(asker, Measurement):
            return {one.trigger: blind(watch.memories[one.trigger], asker) for one in questions}
        answers = asker.now([text for question in questions for text in question.expressions], at)
        asked = [Asked.of(question, watch.memories, answers, at) for question in questions]
        faults = read_back(asker, subject, watch.memories, asked, at)
        measured: dict[Trigger, Measurement] = {}
        for trigger, _, memory, now, tick in asked:
            if not memory.ready:
                worse = faults.get(trigger, now) if now.value is not None else now
                measured[trigger] = blind(memory, worse._replace(at=at))
                continue
            if at > subject.t0:
                memory.state = step(memory.state, tick, Hold.of(trigger, subject.interval))
            measured[trigger] = now
        had_data = any(memory.had_data or memory.state.last_observed for memory in watch.memories.values())
        return name_lost_telemetry(measured, answers.values(), had_data)


def _counted(
    asker: Asker | Measurement, subject: Subject, watch: _Watch, trigger: Trigger, at: datetime
) -> Measurement:
    """What counters or a gauge say since the last look, or since long before the sync at the first one."""
    memory, question = watch.memories[trigger], watch.questions.of(trigger, subject.variables)
    if isinstance(asker, Measurement):
        return blind(memory, asker)
    if subject.deploying:
        question = question.beside(subject.deploying, subject.variables)
    seen = look(asker, question, memory.counted, subject.past, at, subject.interval)
    memory.counted = seen.counted
    memory.state = replay(seen.ticks, Hold.of(trigger, subject.interval), memory.state)
    if seen.measured.outcome in (Outcome.ERROR, Outcome.INVALID):
        return blind(memory, seen.measured._replace(at=at))
    memory.ready, memory.alone, memory.beside = True, seen.baseline, seen.baseline
    return seen.measured


def _deadline(policy: Policy, patience: timedelta) -> timedelta:
    return min(patience, max(0.6 * policy.timing.interval, SHORTEST_DEADLINE))


def _lived(watch: _Watch | None, since: datetime) -> tuple[Subject, dict[Trigger, Memory], Questions] | None:
    """The last look's subject and what is known by it; None where the last one is long ago."""
    if watch is None or watch.subject is None or watch.at is None or watch.at < since:
        return None
    return watch.subject, watch.memories, watch.questions


def _begin_anew(watch: _Watch, at: datetime) -> None:
    """The clock jumped ahead to `at`: no `for` may count what it jumped over, and this look says nothing."""
    for memory in watch.memories.values():
        state = memory.state
        if state.phase is Phase.PENDING:
            state = state._replace(phase=Phase.INACTIVE)
        if state.phase is Phase.FIRING:
            state = state._replace(last_observed=at)
        memory.state = state._replace(last=Tick(at, Level.ERROR), blind_since=None, failures=0, failing_since=None)
    watch.at, watch.verdicts = at, tuple(stale(verdict) for verdict in watch.verdicts)


def _baseline(memory: Memory, trigger: Trigger, others: bool) -> Baseline:
    """The baseline against the value now. Other triggers' data before the sync counts, however late it was read."""
    last = memory.state.last
    return against_baseline(trigger, memory.beside if others else memory.alone, last.value if last else None)


def _measured_by(policy: Policy, check: Check) -> Trigger:
    """The trigger that a check takes its query from, or its own query in a trigger's form."""
    named = next((trigger for trigger in policy.triggers if trigger.name == check.query_from), None)
    return named if named is not None else Trigger(check.name, "query", query=check.query)
