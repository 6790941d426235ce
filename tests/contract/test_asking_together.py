"""Many applications that share their policy's queries: few requests, and to each what it alone would be told."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from test_prometheus_measuring import BAD, INTERVAL, T0, TOTAL, SteppedClock, a_policy, a_state

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.asking_together import MOST_NAMES, Together
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.policy import MetricSettings, Policy, Trigger
from gitops_rollback.core.sync import DeploymentRecord, SyncEvent
from gitops_rollback.core.trigger import Phase, Verdict
from gitops_rollback.sandbox.prometheus import Asked, Fault, PrometheusSandbox, Vector

ERRORS = Trigger("errors", "ratio", bad=BAD, total=TOTAL, threshold=0.05, hold_for=timedelta(seconds=30))
QUEUE = Trigger("queue", "query", query='queue{service="$SERVICE"}', threshold=100, hold_for=timedelta(seconds=30))
RISE = Trigger(
    "rise",
    "regression",
    bad='hits_total{service="$SERVICE",code="500"}',
    total='hits_total{service="$SERVICE"}',
    immediate=True,
)
POD = Trigger("pod", "query", query='restarts{pod=~"$SERVICE-.*"}', threshold=5, hold_for=timedelta(seconds=30))
NAMED = re.compile(r'service(=~|=|!=)"([^"]*)"')


class Store(PrometheusSandbox):
    """Knows services of some names; `spoiled` ones make the store refuse each query that asks for them."""

    def __init__(self) -> None:
        super().__init__(SteppedClock())
        self.names: tuple[str, ...] = ()
        self.failing: tuple[str, ...] = ()
        self.spoiled: tuple[str, ...] = ()
        self.hanging: tuple[str, ...] = ()
        self.released = threading.Event()
        self.most = MOST_NAMES * 10
        self.says_whose = True
        self.set_evaluator("http_requests_total", lambda query, at: self.told(query, at, 10.0, self._failed))
        self.set_evaluator("queue{", lambda query, at: self.told(query, at, 10.0, lambda _name, _at: 7.0))
        self.set_evaluator("hits_total{", self._counters)

    def answer(self, asked: Asked) -> tuple[int, str, bytes]:
        named = self._named(asked.form.get("query", ""))
        if set(named) & set(self.hanging):
            self.released.wait(30)
        if len(named) > self.most or set(named) & set(self.spoiled):
            self.asked.append(asked)
            error = b'{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}'
            return 422, "application/json", error
        return super().answer(asked)

    def told(self, query: str, at: datetime, total: float, bad: Callable[[str, datetime], float]) -> Vector:
        value = (lambda _name, _at: total) if "queue" not in query and "5.." not in query else bad
        return [({"service": name} if self.says_whose else {}, value(name, at)) for name in self._named(query)]

    def _failed(self, name: str, at: datetime) -> float:
        return 1.0 if name in self.failing and at > T0 else 0.001

    def _counters(self, query: str, at: datetime) -> Vector:
        since = (at - T0).total_seconds()
        found = []
        for name in self._named(query):
            bad = 3600.0 + since * 0.05 + (max(0.0, since) * 5.0 if name in self.failing else 0.0)
            found.append(({"service": name, "code": "500"}, float(int(bad))))
            if "500" not in query:
                found.append(({"service": name, "code": "200"}, 1e6 + since * 50.0))
        return found

    def _named(self, query: str) -> tuple[str, ...]:
        selector = NAMED.search(query)
        if selector is None:
            return ()
        operator, value = selector.groups()
        asked = self.names if operator == "!=" else value.replace("\\\\", "").split("|")
        return tuple(name for name in asked if name in self.names)


@dataclass
class World:
    store: Store
    source: PrometheusSource
    policy: Policy
    measuring: Measuring

    def subjects(self, count: int) -> list[Subject]:
        self.store.names = tuple(f"web.{number}" for number in range(count))
        found = []
        for number, name in enumerate(self.store.names):
            state = replace(a_state(), id=replace(a_state().id, name=name))
            event = SyncEvent(state.id, DeploymentRecord(("b" * 40,), (), T0 - timedelta(seconds=number % 7)))
            found.append(Subject(self.policy, self.policy.targets[0], state, event, {"SERVICE": name}))
        return found

    def tick(self, subjects: list[Subject], seconds: float) -> dict[str, tuple[Verdict, ...]]:
        now = T0 + timedelta(seconds=seconds)
        self.measuring.ask_together(subjects, now)
        return {one.variables["SERVICE"]: self.measuring.measure(one, now) for one in subjects}

    def requests(self, act: Callable[[], object]) -> list[Mapping[str, str]]:
        self.store.asked.clear()
        act()
        return [asked.form for asked in self.store.asked]


@pytest.fixture
def world() -> Iterator[World]:
    store = Store()
    store.start()
    source = PrometheusSource(
        PrometheusSettings("prom", store.url, max_queries_per_minute=100_000), OriginRules.parse([], [store.url])
    )
    with ThreadPoolExecutor(4) as pool:
        yield World(
            store, source, a_policy(ERRORS, QUEUE, RISE), Measuring(lambda _policy: source, together=Together(pool))
        )
    source.close()
    store.released.set()
    store.stop()


def test_a_tick_asks_once_for_each_template_whatever_the_number_of_applications(world: World) -> None:
    subjects = world.subjects(6)
    first = world.requests(lambda: world.tick(subjects, 8))
    later = [world.requests(lambda at=at: world.tick(subjects, at)) for at in (23, 38)]
    assert [len(one) for one in later] == [5, 5]
    assert len(first) <= 5 + 6  # at the first one the time before the syncs is read too, for all at once


def test_each_is_told_what_it_alone_would_be_told(world: World) -> None:
    subjects = world.subjects(4)
    world.store.failing = ("web.1", "web.3")
    alone = replace(world, measuring=Measuring(lambda _policy: world.source))
    for seconds in (8, 23, 38, 53, 68):
        together, singly = world.tick(subjects, seconds), alone.tick(subjects, seconds)
        assert together == singly
    fires = {(name, one.trigger) for name, verdicts in together.items() for one in verdicts if one.fires}
    assert fires == {(name, trigger) for name in ("web.1", "web.3") for trigger in ("errors", "rise")}


def test_an_application_that_the_store_does_not_know_has_no_data_and_the_others_have(world: World) -> None:
    subjects = world.subjects(5)
    world.store.names = world.store.names[:4]
    told = world.tick(subjects, 8)
    assert [told[f"web.{number}"][1].reason for number in (0, 4)] == [Reason.QUIET, Reason.NO_DATA]


def test_an_outage_is_everybody_s_error_and_no_more_requests(world: World) -> None:
    subjects = world.subjects(4)
    world.tick(subjects, 8)
    world.store.fault = Fault.ERROR
    asked = world.requests(lambda: world.tick(subjects, 23))
    assert len(asked) <= 5
    assert {one[0].reason for one in world.tick(subjects, 38).values()} == {Reason.METRICS_UNAVAILABLE}


def test_one_application_that_spoils_its_group_spoils_it_once(world: World) -> None:
    subjects = world.subjects(64)
    world.store.spoiled = ("web.5",)
    world.policy = a_policy(QUEUE)
    subjects = [replace(one, policy=world.policy) for one in subjects]
    told = world.tick(subjects, 8)
    assert {name for name, one in told.items() if one[0].reason is Reason.QUERY_INVALID} == {"web.5"}
    world.tick(subjects, 23)
    asked = [form["query"] for form in world.requests(lambda: world.tick(subjects, 38))]
    assert [query for query in asked if query != 'queue{service="web.5"}'] == asked[:1]


@pytest.mark.parametrize("count", [3, 41], ids=["few", "many"])
def test_one_application_whose_query_hangs_does_not_keep_the_others_from_their_answers(
    world: World, count: int
) -> None:
    policy = replace(a_policy(QUEUE), metrics=MetricSettings(timeout=timedelta(seconds=0.5)))
    subjects = [replace(one, policy=policy) for one in world.subjects(count)]
    world.store.hanging = ("web.2",)
    for seconds in (8, 23, 38, 53):
        told = world.tick(subjects, seconds)
    unknown = {name for name, one in told.items() if one[0].reason is Reason.METRICS_UNAVAILABLE}
    assert unknown == {"web.2"}


def test_a_group_that_is_too_large_for_the_store_is_asked_in_parts(world: World) -> None:
    world.store.most = 20
    world.policy = a_policy(QUEUE)
    subjects = world.subjects(64)
    told = world.tick(subjects, 8)
    assert {one[0].reason for one in told.values()} == {Reason.QUIET}
    assert len(world.requests(lambda: world.tick(subjects, 23))) == 4


def test_an_answer_that_does_not_say_whose_it_is_is_not_believed(world: World) -> None:
    world.store.says_whose = False
    world.policy = a_policy(QUEUE)
    subjects = world.subjects(6)
    told = world.tick(subjects, 8)
    assert {one[0].measurement.value for one in told.values() if one[0].measurement} == {7.0}
    assert len(world.requests(lambda: world.tick(subjects, 23))) == 6


def test_more_names_than_one_query_should_hold_are_asked_for_without_names(world: World) -> None:
    world.policy = a_policy(QUEUE)
    subjects = world.subjects(MOST_NAMES + 1)
    world.store.asked.clear()
    world.measuring.ask_together(subjects, T0 + INTERVAL)
    told = [world.measuring.measure(subjects[n], T0 + INTERVAL)[0] for n in (0, -1)]
    assert [one.measurement.value for one in told if one.measurement] == [7.0, 7.0]
    instants = [asked.form["query"] for asked in world.store.asked if asked.path == "/api/v1/query"]
    assert instants == ['queue{service!=""}']


def test_what_cannot_be_grouped_is_asked_for_each(world: World) -> None:
    world.policy = a_policy(POD)
    subjects = world.subjects(4)
    world.tick(subjects, 8)
    asked = world.requests(lambda: world.tick(subjects, 23))
    assert sorted(form["query"] for form in asked) == [f'restarts{{pod=~"web\\\\.{n}-.*"}}' for n in range(4)]


def test_what_was_not_expected_is_asked_all_the_same(world: World) -> None:
    subjects = world.subjects(4)
    world.measuring.ask_together(subjects[:3], T0 + INTERVAL)
    told = world.measuring.measure(subjects[3], T0 + INTERVAL)
    assert (told[1].reason, told[1].state.phase) == (Reason.QUIET, Phase.INACTIVE)


def test_a_trigger_of_a_policy_that_finds_no_source_is_told_by_its_look(world: World) -> None:
    measuring = Measuring(lambda _policy: nowhere(), together=Together())
    subjects = world.subjects(2)
    measuring.ask_together(subjects, T0 + INTERVAL)
    assert measuring.measure(subjects[0], T0 + INTERVAL)[0].reason is SettingsInvalid.reason


def nowhere() -> PrometheusSource:
    raise SettingsInvalid("metrics", "no source")
