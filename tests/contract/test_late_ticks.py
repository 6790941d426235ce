"""A controller that gets no CPU looks late. Does a `for` still end, and only where it was really true all the while?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.policy import ApplicationRef, Comparison, Policy, Severity, Target, Timing, Trigger
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncEvent, SyncStatus
from gitops_rollback.core.trigger import Phase, Verdict
from gitops_rollback.sandbox.prometheus import Fault, PrometheusSandbox

T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ERRORS = Trigger("errors", "query", Severity.AUTO_ROLLBACK, query="errors", threshold=0.05, hold_for=30 * SECOND)
IDLE = replace(ERRORS, query="done", comparison=Comparison.LESS_THAN, threshold=1)
DEGRADED = Trigger("degraded", "health", hold_for=30 * SECOND)
NAME = ApplicationId("default", "Application", "argocd", "web")
STATE = ApplicationState(
    NAME, "u", "default", "", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, T0, T0 - 3600 * SECOND
)


class Clock:
    def now(self) -> datetime:
        return T0

    def real_seconds(self, duration: timedelta) -> float:
        return 0.0


@pytest.fixture
def prometheus() -> Iterator[PrometheusSandbox]:
    sandbox = PrometheusSandbox(Clock())
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def measuring(prometheus: PrometheusSandbox) -> Iterator[Measuring]:
    source = PrometheusSource(PrometheusSettings("prom", prometheus.url), OriginRules.parse([], [prometheus.url]))
    yield Measuring(lambda _settings: source)
    source.close()


def look(measuring: Measuring, trigger: Trigger, second: float, state: ApplicationState = STATE) -> Verdict:
    target = Target("web", "argocd", ApplicationRef("argocd", "web"))
    timing = Timing(interval=SECOND, initial_delay=0 * SECOND)
    policy = Policy("p", "p.yaml", "a" * 40, (target,), (trigger,), timing=timing)
    now = T0 + second * SECOND
    event = SyncEvent(NAME, DeploymentRecord(("b" * 40,), (), T0))
    subject = Subject(policy, target, replace(state, observed_at=now), event, {}, Health.HEALTHY)
    return measuring.measure(subject, now)[0]


def looks(measuring: Measuring, trigger: Trigger, every: float, state: ApplicationState = STATE) -> Verdict:
    """A look each `every` seconds, for a minute: the interval is one second."""
    seconds = [1 + every * number for number in range(int(60 / every))]
    return [look(measuring, trigger, second, state) for second in seconds][-1]


@pytest.mark.parametrize("every", [1, 2, 4, 7.3])
@pytest.mark.parametrize("trigger", [ERRORS, IDLE], ids=["greater", "less"])
def test_a_for_ends_however_late_the_looks_are(
    prometheus: PrometheusSandbox, measuring: Measuring, trigger: Trigger, every: float
) -> None:
    prometheus.set_series("errors", lambda at: 0.5 if at >= T0 + 10 * SECOND else 0.0)
    prometheus.set_series("done", lambda at: 0.0 if at >= T0 + 10 * SECOND else 9.0)
    verdict = looks(measuring, trigger, every)
    assert (verdict.fires, verdict.state.since) == (True, T0 + 10 * SECOND)


@pytest.mark.parametrize("every", [4, 7.3])
def test_a_good_moment_between_two_late_looks_begins_the_for_anew(
    prometheus: PrometheusSandbox, measuring: Measuring, every: float
) -> None:
    prometheus.set_series("errors", lambda at: 0.0 if at == T0 + 40 * SECOND else 0.5 if at > T0 else 0.0)
    verdict = looks(measuring, replace(ERRORS, hold_for=45 * SECOND), every)
    assert (verdict.state.phase, verdict.state.since) == (Phase.PENDING, T0 + 41 * SECOND)


def test_what_cannot_be_read_back_stays_a_gap(prometheus: PrometheusSandbox, measuring: Measuring) -> None:
    prometheus.set_series("errors", lambda at: None if T0 + 20 * SECOND < at < T0 + 50 * SECOND else 0.5)
    look(measuring, ERRORS, 1)
    look(measuring, ERRORS, 20)
    verdict = look(measuring, ERRORS, 51)
    assert (verdict.state.phase, verdict.state.since) == (Phase.PENDING, T0 + 50 * SECOND)


def test_looks_in_time_ask_for_no_past(prometheus: PrometheusSandbox, measuring: Measuring) -> None:
    prometheus.set_series("errors", lambda _at: 0.5)
    look(measuring, ERRORS, 1)
    before = len(prometheus.asked)
    for second in range(2, 9):
        look(measuring, ERRORS, second)
    assert {asked.path for asked in list(prometheus.asked)[before:]} == {"/api/v1/query"}


def test_a_blind_time_that_was_lived_is_not_read_back(prometheus: PrometheusSandbox, measuring: Measuring) -> None:
    prometheus.set_series("errors", lambda _at: 0.5)
    look(measuring, ERRORS, 1)
    prometheus.fault = Fault.ERROR
    for second in range(2, 40):
        look(measuring, ERRORS, second)
    prometheus.fault = Fault.NONE
    assert look(measuring, ERRORS, 40).state.phase is Phase.PENDING


@pytest.mark.parametrize("fired", [False, True], ids=["pending", "firing"])
def test_a_good_moment_that_was_not_answered_begins_the_for_anew(
    prometheus: PrometheusSandbox, measuring: Measuring, fired: bool
) -> None:
    """The store knew of it, but failed when it was asked: who acts now would act on what has not lasted."""
    prometheus.set_series("errors", lambda at: 0.0 if at == T0 + 40 * SECOND else 0.5 if at > T0 else 0.0)
    trigger = replace(ERRORS, hold_for=(30 if fired else 45) * SECOND)
    for second in range(1, 40):
        look(measuring, trigger, second)
    prometheus.fault = Fault.ERROR
    look(measuring, trigger, 40)
    prometheus.fault = Fault.NONE
    verdict = [look(measuring, trigger, second) for second in range(41, 50)][-1]
    assert (verdict.state.phase, verdict.state.since) == (Phase.PENDING, T0 + 41 * SECOND)


def test_a_bad_moment_that_was_not_answered_ends_no_for(prometheus: PrometheusSandbox, measuring: Measuring) -> None:
    prometheus.set_series("errors", lambda at: 0.5 if at > T0 else 0.0)
    for second in range(1, 31):
        prometheus.fault = Fault.ERROR if second in (20, 21) else Fault.NONE
        look(measuring, ERRORS, second)
    verdict = look(measuring, ERRORS, 31)
    assert (verdict.fires, verdict.state.since, verdict.state.true_ticks) == (True, T0 + SECOND, 31)


@pytest.mark.parametrize("every", [1, 4])
def test_the_engines_word_holds_between_two_late_looks(measuring: Measuring, every: float) -> None:
    state = replace(STATE, health=Health.DEGRADED, health_changed_at=T0 + 10 * SECOND)
    look(measuring, DEGRADED, 1, replace(state, health=Health.HEALTHY, health_changed_at=T0))
    assert look(measuring, DEGRADED, 12, state).state.phase is Phase.PENDING
    assert look(measuring, DEGRADED, 12 + 30 * every, state).fires
