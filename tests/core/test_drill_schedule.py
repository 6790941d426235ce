"""Which drill may begin by itself now, and is there ever a second one for the same due time?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill import Drill, Outcome, entry_of
from gitops_rollback.core.drill_schedule import MOST_TRIES, DrillSchedule, DueDrill, entry_about_due
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.policy import ScheduleWindow

TUESDAY = datetime(2026, 3, 3, 10, tzinfo=UTC)
HALF = timedelta(minutes=30)
SECOND = timedelta(seconds=1)
WEEKLY = DrillSchedule((ScheduleWindow("0 10 * * 2", timedelta(hours=2)),), (Break.IMAGE, Break.CONFIG), HALF)
WEB, API = "default/Application/argocd/web", "default/Application/argocd/api"


def a_drill(application: str, begun: datetime, how: Break = Break.IMAGE) -> DecisionEntry:
    drill = Drill(
        f"dr-{begun:%d%H%M}", application, how, "a" * 40, "b" * 40, "kim", begun + HALF, times={"begun": begun}
    )
    return entry_of(replace(drill, outcome=Outcome.FAILED), begun + HALF)


@pytest.mark.parametrize(
    ("at", "opened"),
    [
        pytest.param(TUESDAY - SECOND, False, id="one-second-early"),
        pytest.param(TUESDAY, True, id="as-it-opens"),
        pytest.param(TUESDAY + timedelta(hours=1, minutes=30), True, id="the-last-that-ends-inside"),
        pytest.param(TUESDAY + timedelta(hours=1, minutes=30) + SECOND, False, id="it-would-end-outside"),
        pytest.param(TUESDAY + timedelta(days=1), False, id="another-day"),
    ],
)
def test_a_drill_lies_inside_its_window_as_a_whole(at: datetime, opened: bool) -> None:
    assert [one.application for one in WEEKLY.due([WEB], (), at)] == ([WEB] if opened else [])


def test_the_window_is_that_of_its_time_zone() -> None:
    berlin = DrillSchedule((ScheduleWindow("0 10 * * 2", timedelta(hours=2), "Europe/Berlin"),), timeout=HALF)
    assert berlin.opened(TUESDAY - timedelta(hours=1)) == TUESDAY - timedelta(hours=1)
    assert berlin.opened(TUESDAY + timedelta(hours=1)) is None


def test_without_windows_none_is_ever_due() -> None:
    assert DrillSchedule().due([WEB], (), TUESDAY) == ()


def test_one_that_was_drilled_since_the_window_opened_is_not_due_again_whoever_did_it() -> None:
    assert WEEKLY.due([WEB], [a_drill(WEB, TUESDAY)], TUESDAY + HALF) == ()


def test_at_the_next_due_time_something_else_breaks() -> None:
    before = [a_drill(WEB, TUESDAY - timedelta(days=7))]
    assert WEEKLY.due([WEB], before, TUESDAY) == (DueDrill(WEB, Break.CONFIG, TUESDAY),)
    before = [*before, a_drill(WEB, TUESDAY - timedelta(hours=1), Break.CONFIG)]
    assert WEEKLY.due([WEB], before, TUESDAY)[0].how is Break.IMAGE
    by_hand = [a_drill(WEB, TUESDAY - timedelta(hours=1), Break.CRASH_LOOP)]
    assert WEEKLY.due([WEB], by_hand, TUESDAY)[0].how is Break.IMAGE


def test_who_was_never_drilled_goes_first_then_who_waits_longest() -> None:
    other = WEB.replace("web", "shop")
    entries = [a_drill(WEB, TUESDAY - timedelta(days=9)), a_drill(API, TUESDAY - timedelta(days=8))]
    assert [one.application for one in WEEKLY.due([API, WEB, other], entries, TUESDAY)] == [other, WEB, API]


def test_one_that_could_not_begin_is_tried_a_few_times_and_then_left_until_the_next_due_time() -> None:
    (due,) = WEEKLY.due([WEB], (), TUESDAY)
    tries = [entry_about_due(due, TUESDAY + number * SECOND) for number in range(MOST_TRIES)]
    assert [bool(WEEKLY.due([WEB], tries[:number], TUESDAY + HALF)) for number in range(MOST_TRIES + 1)] == [
        *[True] * MOST_TRIES,
        False,
    ]
    assert WEEKLY.due([WEB], tries, TUESDAY + timedelta(days=7))
    assert WEEKLY.due([API], tries, TUESDAY + HALF), "the tries of another one count for that one"
