"""Query limits: so many in flight, so many a minute, the most urgent first, nobody waiting for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gitops_rollback.adapters.metrics.limits import MAX_WAITING, MINUTE, Turnstile

LANES = {"query": 1, "query_range": 1}


class Watch:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_minute_s_budget_opens_again_a_minute_after_it_was_used() -> None:
    watch = Watch()
    turnstile = Turnstile(LANES, per_minute=2, monotonic=watch)
    assert [passed(turnstile) for _ in range(3)] == [True, True, False]
    watch.now = MINUTE - 0.001
    assert not passed(turnstile)
    watch.now = MINUTE
    assert [passed(turnstile) for _ in range(3)] == [True, True, False]


def passed(turnstile: Turnstile, lane: str = "query", patience: float = 0.0005) -> bool:
    with turnstile.passing(lane, 0.0, patience) as through:
        return through


def test_no_more_are_in_flight_than_there_are_places() -> None:
    turnstile = Turnstile(LANES, per_minute=100)
    with turnstile.passing("query", 0.0, 1.0) as first:
        assert first
        assert not passed(turnstile)
    assert passed(turnstile)


def test_range_queries_wait_in_a_queue_of_their_own() -> None:
    turnstile = Turnstile(LANES, per_minute=100)
    with turnstile.passing("query_range", 0.0, 1.0) as ranged:
        assert ranged
        assert passed(turnstile, "query")


def test_a_place_is_given_back_when_the_query_fails() -> None:
    turnstile = Turnstile(LANES, per_minute=100)
    with pytest.raises(KeyError), turnstile.passing("query", 0.0, 1.0):
        raise KeyError
    assert passed(turnstile)


def test_the_newest_sync_goes_first() -> None:
    turnstile = Turnstile(LANES, per_minute=100)
    order: list[float] = []

    def wait(priority: float) -> None:
        with turnstile.passing("query", priority, 30.0) as through:
            assert through
            order.append(priority)

    with ThreadPoolExecutor(4) as pool:
        with turnstile.passing("query", 0.0, 30.0):
            waiting = []
            for number, priority in enumerate((1.0, 3.0, 2.0), start=1):
                waiting.append(pool.submit(wait, priority))
                until(lambda number=number: len(turnstile._waiting["query"]) == number)
        for future in waiting:
            future.result(timeout=30)
    assert order == [3.0, 2.0, 1.0]


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never held")


def test_the_queue_is_bounded() -> None:
    turnstile = Turnstile(LANES, per_minute=100)
    turnstile._waiting["query"].extend((0.0, number) for number in range(MAX_WAITING))
    assert not passed(turnstile, "query", 30.0)
