"""What did a trigger see while nobody looked? Read back from the metric store and stepped through the same machine.

That is all before a start or a new policy, the baseline before the sync, and the ticks that came too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gitops_rollback.app.counting import Counted
from gitops_rollback.app.queries import Asker, History, Question, Span, span_before, span_since
from gitops_rollback.core.deployments import HARD_END
from gitops_rollback.core.measurement import Measurement
from gitops_rollback.core.policy import Policy, Target, Trigger
from gitops_rollback.core.regression.past import Watch
from gitops_rollback.core.sync import ApplicationState, Health, SyncEvent
from gitops_rollback.core.trigger import (
    Baseline,
    BaselineLevel,
    Hold,
    TriggerState,
    judge_baseline,
    replay,
    unjudged,
    until_the_hole,
)
from gitops_rollback.core.watches import Past

NOT_ASKED = Baseline(BaselineLevel.PENDING)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is measured. `health_before`: the engine's word just before the sync, where somebody saw it."""

    policy: Policy
    target: Target
    state: ApplicationState
    event: SyncEvent
    variables: Mapping[str, str]
    health_before: Health | None = None
    watches: tuple[Watch, ...] = ()  # because of earlier deployments
    deploying: frozenset[str] = frozenset()  # peers that had a deployment of their own: no control
    apart: str = ""  # measured beside its own newest deployment, because of this rollback

    @property
    def past(self) -> Past:
        return Past(self.t0, self.watches)

    @property
    def t0(self) -> datetime:
        return self.event.record.started_at

    @property
    def interval(self) -> timedelta:
        return self.policy.timing.interval


@dataclass(slots=True)
class Memory:
    """One trigger's. `alone` is its baseline by its own data, `beside` where the application had other data then."""

    state: TriggerState = field(default_factory=TriggerState)
    alone: Baseline = NOT_ASKED
    beside: Baseline = NOT_ASKED
    had_data: bool = False  # before the sync
    ready: bool = False
    counted: Counted | None = None  # of a regression: what was read so far


def restore(
    asker: Asker,
    subject: Subject,
    memories: Mapping[Trigger, Memory],
    questions: Mapping[Trigger, Question],
    at: datetime,
) -> dict[Trigger, Measurement]:
    """Read back what was not lived, for each trigger that is not ready; why it could not be, where it could not."""
    missing = {trigger: one for trigger, one in questions.items() if not memories[trigger].ready}
    lived = _histories(asker, missing, {trigger: span_since(subject.t0, at, subject.interval) for trigger in missing})
    spans = {trigger: baseline_span(subject, trigger) for trigger in missing}
    before = _histories(asker, missing, spans)
    faults: dict[Trigger, Measurement] = {}
    for trigger in missing:
        fault = before[trigger].fault or lived[trigger].fault
        if fault is not None:
            faults[trigger] = fault
            continue
        had_data, step = before[trigger].had_data, spans[trigger].step
        alone = _judged(trigger, before[trigger], subject.t0, step, had_data)
        beside = alone if had_data else _judged(trigger, before[trigger], subject.t0, step, True)
        if alone.level is BaselineLevel.FIRING and alone.began is None:
            began, fault = _began_lately(asker, subject, trigger, missing[trigger])
            if fault is not None:  # else nobody would ever hear of what began under the sync before
                faults[trigger] = fault
                continue
            alone = alone._replace(began=began)
            beside = alone if had_data else beside._replace(began=began)
        memory = memories[trigger]
        memory.state = replay(lived[trigger].ticks, Hold.of(trigger, subject.interval))
        memory.alone, memory.beside, memory.had_data, memory.ready = alone, beside, had_data, True
    return faults


def baseline_span(subject: Subject, trigger: Trigger) -> Span:
    """The ticks before the sync that say what was so before it."""
    return span_before(trigger, subject.t0, subject.interval, unjudged(trigger, subject.policy.timing))


def _began_lately(
    asker: Asker, subject: Subject, trigger: Trigger, question: Question
) -> tuple[datetime | None, Measurement | None]:
    """When that began which was so before the sync, where there was another sync not long before it.

    And why that could not be read.
    """
    previous = subject.event.previous
    if previous is None or subject.t0 - previous.started_at > HARD_END:
        return None, None
    span = span_before(trigger, subject.t0, subject.interval, HARD_END)
    history = asker.histories((question,), span)[0]
    if history.fault is not None:
        return None, history.fault
    return _judged(trigger, history, subject.t0, span.step, True).began, None


def catch_up(
    asker: Asker,
    subject: Subject,
    memories: Mapping[Trigger, Memory],
    questions: Mapping[Trigger, Question],
    at: datetime,
) -> None:
    """Read back the ticks that came too late to be lived, and those of a run that were not answered.

    So a slow look begins no `for` anew, and a quiet value that nobody saw ends one. What cannot be read stays a gap.
    """
    known = {trigger: until_the_hole(memories[trigger].state) for trigger in questions if memories[trigger].ready}
    spans = {
        trigger: span_since(max(state.last.at, subject.t0), at, subject.interval)
        for trigger, state in known.items()
        if state.last is not None and state.last.at < at - subject.interval
    }
    late = {trigger: one for trigger, one in questions.items() if trigger in spans}
    for trigger, history in _histories(asker, late, spans).items():
        if history.fault is None:
            hold = Hold.of(trigger, subject.interval)
            memories[trigger].state = replay(history.ticks, hold, known[trigger])


def _histories(
    asker: Asker, questions: Mapping[Trigger, Question], spans: Mapping[Trigger, Span]
) -> dict[Trigger, History]:
    """Each question over its span; those that share one are asked together."""
    found: dict[Trigger, History] = {}
    for span in dict.fromkeys(spans.values()):
        sharing = {trigger: one for trigger, one in questions.items() if spans[trigger] == span}
        found.update(zip(sharing, asker.histories(tuple(sharing.values()), span), strict=True))
    return found


def _judged(trigger: Trigger, before: History, t0: datetime, step: timedelta, other_data: bool) -> Baseline:
    return judge_baseline(trigger, before.ticks, t0, step, other_data)
