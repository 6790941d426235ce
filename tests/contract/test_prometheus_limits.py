"""Query limits: so many in flight, so many a minute, the most urgent first, nobody waiting for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from canned_http import Request, canned, serving

from gitops_rollback.adapters.metrics.limits import FAILURES, MAX_WAITING, MINUTE, Outage, Turnstile
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.measurement import Outcome

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
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


def test_a_store_that_answers_nothing_costs_one_probe_a_tick_and_is_believed_again_at_once() -> None:
    """A hanging store held each of a tick's queries for its whole deadline, and all places with them."""
    is_up = threading.Event()

    def script(connection: socket.socket, request: Request) -> None:
        answer = canned("200 OK", b'{"status":"success","data":{"resultType":"vector","result":[]}}')
        (answer if is_up.is_set() else canned("502 Bad Gateway", b"upstream"))(connection, request)

    with serving(script) as server, ThreadPoolExecutor(8) as pool:
        store = PrometheusSource(PrometheusSettings("prom", server.url), OriginRules.parse([], [server.url]))

        def tick(number: int) -> tuple[set[Outcome], list[str]]:
            server.requests.clear()
            at = AT + number * timedelta(seconds=15)
            asked = [pool.submit(store.query, f"q{n}", at, timedelta(seconds=5)) for n in range(8)]
            asked.append(pool.submit(store.query_range, "r", AT, at, timedelta(seconds=15), timedelta(seconds=5)))
            outcomes = {one.result(timeout=30).outcome for one in asked}
            return outcomes, [request.form["query"] for request in server.requests]

        tick(0)
        assert [tick(number) for number in (1, 2)] == [({Outcome.ERROR}, ["1"])] * 2
        is_up.set()
        outcomes, asked = tick(3)
        assert (outcomes, asked[0], len(asked)) == ({Outcome.VALUE}, "1", 10)
        assert len(tick(4)[1]) == 9
        store.close()


def test_a_query_that_always_fails_is_no_outage_while_others_are_answered() -> None:
    outage = Outage()
    for _ in range(FAILURES):
        outage.failed("HTTP 503")
        outage.answered()
    assert outage.refusal(AT, outage.answered) == ""


def test_a_clock_that_goes_back_ends_no_probing() -> None:
    watch = Watch()
    outage = Outage(watch)
    outage.failed("refused", nobody_at=AT)
    assert outage.refusal(AT, outage.answered) != ""
    assert outage.refusal(AT - timedelta(hours=1), outage.answered) != ""
    watch.now = MINUTE
    assert outage.refusal(AT - timedelta(hours=1), outage.answered) == ""
