"""How many events a tick saw, from all series of a counter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.app.queries import Question, Span
from gitops_rollback.app.tallying import MOST_NEW, MOST_OLD, Tallied, Tally
from gitops_rollback.core.measurement import Answer, Outcome, Series
from gitops_rollback.core.policy import Counting, Trigger

T0 = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
RISE = Trigger("rise", "regression", bad='bad{s="$SERVICE"}', total='all{s="$SERVICE"}')


VERSIONS = replace(RISE, counting=Counting(version="hash"))
GONE = float("nan")


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


def read(all_of_them: list[Series], failed: list[Series] | None = None, ticks: int = 3) -> tuple[Tally, list[Tallied]]:
    """What ticks of 15 s from the deployment on saw, which is at the second one."""
    span = Span(T0, T0 + (ticks - 1) * STEP, STEP)
    tally = Tally.of(Question.of(VERSIONS, {"SERVICE": "cart"}), T0 + STEP)
    answers = [
        Answer(Outcome.VALUE, span.end, query, tuple(series), "matrix")
        for query, series in (("bad", failed or []), ("all", all_of_them))
    ]
    return tally, tally.read(answers, span)


def of(version: str, *values: float, pod: str = "p") -> Series:
    """A counter of a Pod of this version; NaN where it has no value."""
    known = tuple((T0 + n * STEP, value) for n, value in enumerate(values) if value == value)
    return Series((("hash", version), ("pod", f"{version}-{pod}")), known)


def test_a_new_version_is_counted_apart_from_the_one_that_was_there_before() -> None:
    tally, ticks = read([of("a", 100, 200, 290), of("b", GONE, GONE, 10)], [of("b", GONE, GONE, 4)])
    assert tally.tells_apart
    assert [one.old is not None for one in ticks] == [False, False, True]
    newest = ticks[-1]
    assert newest.counts is not None
    assert newest.old is not None
    assert (newest.counts.events, newest.counts.bad, newest.old.events, newest.old.bad) == (10, 4, 90, 0)


def test_a_new_pod_of_the_old_version_is_old_and_a_restarted_new_one_still_new() -> None:
    series = [of("a", 100, 200, 290, 380), of("a", GONE, GONE, 7, 8, pod="q"), of("b", GONE, GONE, 10, 3)]
    _, ticks = read(series, ticks=4)
    assert [(one.counts.events, one.old.events) for one in ticks if one.counts and one.old] == [(10, 97), (3, 91)]


def test_once_a_new_version_was_seen_the_old_one_does_not_speak_for_it() -> None:
    """Its Pods may have gone because they crash: no data is never healthy."""
    _, ticks = read([of("a", 100, 200, 290, 380), of("b", GONE, GONE, 10, GONE)], ticks=4)
    assert ticks[-1].counts is None
    assert ticks[-1].old is not None
    assert ticks[-1].old.events == 90


@pytest.mark.parametrize(
    ("all_of_them", "failed", "why"),
    [
        pytest.param(
            [of("a", 100, 200, 290), of("b", GONE, GONE, 10)],
            [Series((("pod", "x"),), ((T0 + 2 * STEP, 4.0),))],
            "not each counter has the label hash",
            id="failures-without-a-version",
        ),
        pytest.param(
            [of("a", 100, 200, 290), Series((), ((T0 + 2 * STEP, 10.0),))],
            [],
            "not each counter has the label hash",
            id="requests-without-a-version",
        ),
        pytest.param(
            [of("a", 100, 200, 290), *(of(f"b{n}", GONE, GONE, 1) for n in range(MOST_NEW + 1))],
            [],
            "tells more apart than versions",
            id="a-version-for-each-request",
        ),
        pytest.param(
            [of(f"a{n}", 1, 2, 3) for n in range(MOST_OLD + 1)],
            [],
            "tells more apart than versions",
            id="too-many-before",
        ),
    ],
)
def test_what_does_not_name_versions_tells_nothing_apart(
    all_of_them: list[Series], failed: list[Series], why: str
) -> None:
    tally, ticks = read(all_of_them, failed)
    assert why in tally.together
    assert not tally.tells_apart
    assert [one.old for one in ticks] == [None, None, None]
    assert ticks[-1].counts is not None
    assert ticks[-1].counts.events >= 51 if len(all_of_them) > MOST_OLD else 100


def test_without_anything_before_the_deployment_nothing_is_new() -> None:
    tally, ticks = read([of("b", GONE, GONE, 10, 20)], ticks=4)
    assert (tally.tells_apart, tally.together) == (False, "")
    assert [one.old for one in ticks] == [None] * 4
