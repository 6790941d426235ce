"""How many events a tick saw, from all series of a counter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gitops_rollback.app.queries import Question, Span
from gitops_rollback.app.tallying import Tally
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.policy import Trigger

T0 = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
RISE = Trigger("rise", "regression", bad='bad{s="$SERVICE"}', total='all{s="$SERVICE"}')


def counter(labels: tuple[tuple[str, str], ...], *values: float) -> Series:
    return Series(labels, tuple((T0 + n * STEP, value) for n, value in enumerate(values)))


def test_a_series_whose_label_is_made_to_look_like_another_s_is_counted_apart() -> None:
    """A label's value may hold any character, those that part names from values included."""
    span = Span(T0, T0 + STEP, STEP)
    one, other = (("a", "b"), ("c", "d")), (("a", "b\0c\0d"),)
    whole = Answer(Outcome.VALUE, span.end, "all", (counter(one, 100, 130), counter(other, 900, 905)), "matrix")
    none = Answer(Outcome.VALUE, span.end, "bad", (), "matrix")
    _, newest = Tally.of(Question.of(RISE, {"SERVICE": "cart"}), T0).read([none, whole], span)
    assert newest.counts is not None
    assert (newest.counts.events, newest.counts.bad) == (35.0, 0.0)
