"""The past is asked in few requests, none of them too long, and shows nothing that was not known yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.app.past_metrics import PastMetrics
from gitops_rollback.core.errors import QueryInvalid, TransientError
from gitops_rollback.core.measurement import Answer, Outcome, Series

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=15)
PATIENCE = timedelta(seconds=9)


@dataclass
class Store:
    """Counts seconds since 1970; `fails` is what it answers instead, so often."""

    name: str = "store"
    fails: list[Outcome] = field(default_factory=list)
    points: list[int] = field(default_factory=list)

    def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        return Answer(Outcome.VALUE, at, expression, (Series((), ((at, at.timestamp()),)),))

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        if self.fails:
            return Answer(self.fails.pop(), end, expression, kind="matrix", detail="says why")
        instants = [start + n * step for n in range((end - start) // step + 1)]
        self.points.append(len(instants))
        samples = tuple((at, at.timestamp()) for at in instants)
        return Answer(Outcome.VALUE, end, expression, (Series((), samples),), "matrix")


def test_the_ticks_of_an_hour_cost_one_request_and_give_what_each_would_have_given() -> None:
    store, now = Store(), [NOON]
    past = PastMetrics(store, lambda: now[0], STEP)
    for n in range(200):
        now[0] = NOON + n * STEP
        answer = past.query("up", now[0], PATIENCE)
        assert [one.samples[-1] for one in answer.series] == [(now[0], now[0].timestamp())]
    assert len(store.points) == 1


def test_nothing_is_shown_that_was_not_known_yet() -> None:
    past = PastMetrics(Store(), lambda: NOON, STEP)
    told = past.query_range("up", NOON - timedelta(hours=1), NOON + timedelta(hours=1), STEP, PATIENCE)
    assert told.series[0].samples[-1][0] == NOON
    assert past.query("up", NOON + timedelta(hours=1), PATIENCE).series[0].samples[-1][0] == NOON


def test_a_long_time_is_read_in_parts_that_a_server_takes() -> None:
    store = Store()
    past = PastMetrics(store, lambda: NOON, STEP)
    told = past.query_range("up", NOON - 25_000 * STEP, NOON, STEP, PATIENCE)
    assert len(told.series[0].samples) == sum(store.points) == 25_001
    assert max(store.points) <= 11_000


@pytest.mark.parametrize(("fails", "error"), [([Outcome.ERROR] * 3, TransientError), ([Outcome.INVALID], QueryInvalid)])
def test_half_of_a_past_is_no_past(fails: list[Outcome], error: type[Exception]) -> None:
    past = PastMetrics(Store(fails=fails), lambda: NOON, STEP)
    with pytest.raises(error, match="says why"):
        past.query("up", NOON, PATIENCE)


def test_an_answer_that_got_lost_is_asked_for_again() -> None:
    past = PastMetrics(Store(fails=[Outcome.ERROR, Outcome.ERROR]), lambda: NOON, STEP)
    assert past.query("up", NOON, PATIENCE).series
