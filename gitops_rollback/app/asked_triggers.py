"""What did one trigger say at this tick, beside what is remembered of it, and what is left to be read back?

Parts of one look of `measuring`, which steps the memories by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gitops_rollback.app.queries import Asker, Question, span_since
from gitops_rollback.app.reading_back import Memory, Subject, catch_up, restore
from gitops_rollback.app.verdicts import engine_baseline, engine_word, tick_of_word
from gitops_rollback.core.measurement import Answer, Measurement, Outcome
from gitops_rollback.core.policy import Trigger
from gitops_rollback.core.trigger import Hold, Level, Tick, inconclusive, replay, step


class Asked(NamedTuple):
    """What one trigger measured at a tick, and what is known of it."""

    trigger: Trigger
    question: Question
    memory: Memory
    now: Measurement
    tick: Tick

    @classmethod
    def of(
        cls, question: Question, memories: Mapping[Trigger, Memory], answers: Mapping[str, Answer], at: datetime
    ) -> Asked:
        now = question.measured([answers[text] for text in question.expressions], at)
        return cls(question.trigger, question, memories[question.trigger], now, question.tick(now, at))


def read_back(
    asker: Asker, subject: Subject, memories: Mapping[Trigger, Memory], asked: Sequence[Asked], at: datetime
) -> dict[Trigger, Measurement]:
    """Restore what is not known yet, and what a breach needs; why it could not be, where it could not.

    A source that fails now is not asked for the past as well: a hanging one would cost a deadline each time.
    """
    seen = [one for one in asked if one.now.outcome is not Outcome.ERROR]
    faults: dict[Trigger, Measurement] = {}
    if not all(one.memory.ready for one in seen):
        faults = restore(asker, subject, memories, {one.trigger: one.question for one in seen}, at)
    breached = {one.trigger: one.question for one in seen if one.tick.level is Level.TRUE}
    if breached:
        catch_up(asker, subject, memories, breached, at)
    return faults


def health_word(subject: Subject, memory: Memory, trigger: Trigger, at: datetime) -> Measurement:
    """The engine's word at this tick. It says since when it holds, so ticks that were not lived are known."""
    hold = Hold.of(trigger, subject.interval)
    measured = engine_word(trigger, subject.state, at, subject.interval)
    changed_at = subject.state.health_changed_at
    if not memory.ready and measured.value is not None:
        memory.ready = True
        memory.alone = memory.beside = engine_baseline(trigger, subject.state, subject.t0, subject.health_before)
    if measured.value and changed_at is not None:
        known = max(changed_at, subject.t0, memory.state.last.at if memory.state.last else subject.t0)
        unlived = span_since(known, at, subject.interval).instants
        memory.state = replay((Tick(instant, Level.TRUE, 1.0) for instant in unlived), hold, memory.state)
    if at > subject.t0:
        memory.state = step(memory.state, tick_of_word(measured, at), hold)
    return measured


def blind(memory: Memory, failed: Measurement) -> Measurement:
    """A look that cannot be stepped, since what came before it is unknown. It counts as blind from now on."""
    levels = {Outcome.INVALID: Level.INVALID, Outcome.NO_DATA: Level.NO_DATA}
    memory.state = inconclusive(memory.state, Tick(failed.at, levels.get(failed.outcome, Level.ERROR)))
    return failed
