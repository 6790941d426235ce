"""What is a look at one application going to ask its metric store? Told before it asks, so that many ask together.

A forecast alone: what a look asks besides is asked all the same, and what it does not ask was asked for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops_rollback.app.asking_together import Wanted
from gitops_rollback.app.counting import unread
from gitops_rollback.app.queries import Questions, Span, span_since
from gitops_rollback.app.reading_back import Memory, Subject, baseline_span
from gitops_rollback.core.policy import COUNTED, Trigger
from gitops_rollback.ports import MetricSource

NOTHING_KNOWN = Memory()


@dataclass(frozen=True)
class Asking:
    """Whom a look asks, and how long it waits."""

    source: MetricSource
    patience: timedelta


def foreseen(
    subject: Subject, memories: Mapping[Trigger, Memory], questions: Questions, at: datetime, asking: Asking
) -> Iterator[Wanted]:
    """Each expression and each time that the look at `at` asks for, if what it knows by then is in `memories`."""
    (source, patience), variables = (asking.source, asking.patience), subject.variables
    for trigger in subject.policy.triggers:
        times = _times(subject, trigger, memories.get(trigger) or NOTHING_KNOWN, at)
        if not times:
            continue
        question = questions.of(trigger, variables)
        for template, expression in zip(question.templates, question.expressions, strict=False):
            for when in times:
                yield Wanted(source, template, variables, expression, when, patience)


def _times(subject: Subject, trigger: Trigger, memory: Memory, at: datetime) -> list[datetime | Span]:
    if trigger.is_asked:
        if memory.ready:
            return [at]
        return [at, *_filled(span_since(subject.t0, at, subject.interval), baseline_span(subject, trigger))]
    if trigger.built and trigger.type in COUNTED:
        return _filled(unread(trigger, memory.counted, subject.t0, at, subject.interval))
    return []


def _filled(*spans: Span) -> list[datetime | Span]:
    return [span for span in spans if not span.is_empty]
