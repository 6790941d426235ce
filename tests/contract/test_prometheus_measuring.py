"""Measuring an application over real HTTP against the sandbox's Prometheus, tick by tick."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.queries import MAX_POINTS, span_before, span_since, tick_of
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer, Outcome
from gitops_rollback.core.policy import (
    ApplicationRef,
    Baseline,
    Check,
    Comparison,
    MetricSettings,
    Policy,
    Severity,
    Target,
    Timing,
    Trigger,
)
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncEvent, SyncStatus
from gitops_rollback.core.trigger import BaselineLevel, Phase, TriggerState, Verdict
from gitops_rollback.ports import MetricSource
from gitops_rollback.sandbox.prometheus import Fault, PrometheusSandbox, Vector

T0 = datetime(2026, 11, 23, 12, 0, 7, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
TOTAL = 'sum(rate(http_requests_total{service="$SERVICE"}[2m]))'
BAD = 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[2m]))'
ERRORS = Trigger(
    "errors", "ratio", Severity.AUTO_ROLLBACK, bad=BAD, total=TOTAL, threshold=0.05, hold_for=timedelta(minutes=2)
)
DRAIN = Trigger(
    "drain", "query", query='jobs{service="$SERVICE"}', comparison=Comparison.LESS_THAN, threshold=10, hold_for=INTERVAL
)
DEGRADED = Trigger("degraded", "health", Severity.PAGE_AND_SUGGEST, hold_for=timedelta(minutes=1))
VARIABLES = {"SERVICE": "checkout-api", "NAMESPACE": "payments"}


class SteppedClock:
    def __init__(self) -> None:
        self.time = T0

    def now(self) -> datetime:
        return self.time

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds()


@dataclass
class World:
    """A sandbox Prometheus, a measuring controller, and an application synced at T0."""

    sandbox: PrometheusSandbox
    source: PrometheusSource
    measuring: Measuring

    def restarted(self) -> World:
        return replace(self, measuring=Measuring(lambda _settings: self.source))

    def serve(self, bad: Callable[[datetime], float | None], total: float | None = 10.0) -> None:
        """Bad requests per second as a function of seconds since T0; `total` all the time."""
        self.sandbox.set_series("http_requests_total{service", lambda _at: total)
        self.sandbox.set_series('status=~"5.."', bad)

    def look(self, seconds: float, subject: Subject | None = None) -> Verdict:
        return self.measuring.measure(subject or a_subject(), T0 + timedelta(seconds=seconds))[0]

    def live(self, until: float, subject: Subject | None = None, start: float = 1) -> Verdict:
        """One look every 15 s, from `start` to `until` seconds after T0."""
        seconds = start
        verdict = self.look(seconds, subject)
        while (seconds := seconds + 15) <= until:
            verdict = self.look(seconds, subject)
        return verdict


@pytest.fixture
def world() -> Iterator[World]:
    sandbox = PrometheusSandbox(SteppedClock())
    sandbox.start()
    source = PrometheusSource(
        PrometheusSettings("prom", sandbox.url, max_queries_per_minute=100_000), OriginRules.parse([], [sandbox.url])
    )
    yield World(sandbox, source, Measuring(lambda _settings: source))
    source.close()
    sandbox.stop()


def a_policy(*triggers: Trigger, initial_delay: timedelta = timedelta(0)) -> Policy:
    target = Target("checkout-api", "argocd", ApplicationRef("argocd", "payments-prod"))
    timing = Timing(interval=INTERVAL, initial_delay=initial_delay)
    return Policy("p", "p.yaml", "a" * 40, (target,), triggers or (ERRORS,), timing=timing)


def a_state(health: Health = Health.HEALTHY, since: datetime | None = None, seen: float = 0) -> ApplicationState:
    name = ApplicationId("default", "Application", "argocd", "payments-prod")
    at = T0 + timedelta(seconds=seen)
    return ApplicationState(name, "u", "default", "", "payments", (), SyncStatus.SYNCED, (), health, at, since)


def a_subject(policy: Policy | None = None, state: ApplicationState | None = None, t0: datetime = T0) -> Subject:
    state, policy = state or a_state(), policy or a_policy()
    event = SyncEvent(state.id, DeploymentRecord(("b" * 40,), (), t0))
    return Subject(policy, policy.targets[0], state, event, VARIABLES)


def after(seconds: float, then: float | None, before: float | None = 0.0) -> Callable[[datetime], float | None]:
    return lambda at: then if at >= T0 + timedelta(seconds=seconds) else before


def test_a_bad_release_fires_after_its_whole_for_and_not_before(world: World) -> None:
    world.serve(after(20, 1.0))
    pending = world.live(136)
    assert (pending.state.phase, pending.reason, pending.fires) == (Phase.PENDING, Reason.PENDING, False)
    fired = world.look(143)
    assert (fired.fires, fired.reason, fired.baseline.level) == (True, None, BaselineLevel.QUIET)
    assert fired.measurement is not None
    assert (fired.measurement.value, fired.measurement.numerator) == (pytest.approx(0.1), 1.0)
    assert "0.1 (1 of 10 per second), above the limit 0.05 since 12:00:30Z" in fired.message


def test_every_place_of_every_variable_is_filled(world: World) -> None:
    """The literal `$SERVICE` that matches nothing, so that a trigger can never fire."""
    trigger = replace(DRAIN, query='a{x="$SERVICE"} / b{y=~"$SERVICE-.*",n="$NAMESPACE"}')
    world.look(30, a_subject(a_policy(trigger)))
    assert {asked.form["query"] for asked in world.sandbox.asked} == {
        'a{x="checkout-api"} / b{y=~"checkout-api-.*",n="payments"}'
    }


def test_an_unknown_variable_is_invalid_and_never_asked(world: World) -> None:
    verdict = world.look(30, a_subject(a_policy(replace(DRAIN, query='a{x="$SERVCE"}'))))
    assert (verdict.reason, verdict.fires) == (Reason.QUERY_INVALID, False)
    assert not world.sandbox.asked


def test_a_variable_without_a_value_is_not_an_empty_string(world: World) -> None:
    subject = replace(a_subject(a_policy(DRAIN)), variables={"SERVICE": ""})
    assert world.look(30, subject).reason is Reason.QUERY_INVALID


@pytest.mark.parametrize(
    "fault", [Fault.EMPTY, Fault.NAN, Fault.ERROR, Fault.WARNINGS, Fault.HTML], ids=lambda fault: fault.value
)
@pytest.mark.parametrize("trigger", [ERRORS, DRAIN], ids=["greater", "less"])
def test_a_metric_source_in_trouble_never_fires_and_is_blind(world: World, fault: Fault, trigger: Trigger) -> None:
    subject = a_subject(a_policy(trigger))
    world.serve(after(0, 1.0))
    world.sandbox.set_series("jobs{", after(0, 1.0, 50.0))
    world.look(1, subject)
    world.sandbox.fault = fault
    verdict = world.live(900, subject, start=16)
    assert (verdict.fires, verdict.state.phase) == (False, Phase.INACTIVE)
    assert verdict.state.blind_since == T0.replace(second=15)
    assert verdict.reason not in (None, Reason.QUIET, Reason.PENDING)


def test_a_prometheus_that_hangs_is_not_asked_for_the_past_as_well_and_never_fires(world: World) -> None:
    subject = a_subject(replace(a_policy(ERRORS), metrics=MetricSettings(timeout=timedelta(milliseconds=200))))
    world.serve(after(0, 1.0))
    world.sandbox.fault = Fault.HANG
    verdict = world.look(30, subject)
    assert (verdict.reason, verdict.fires) == (Reason.METRICS_UNAVAILABLE, False)
    assert not [asked for asked in world.sandbox.asked if asked.path.endswith("query_range")]


def test_a_prometheus_that_restarts_does_not_fire_what_is_less_than(world: World) -> None:
    """No data read as 0 would roll back at once here."""
    subject = a_subject(a_policy(DRAIN))
    world.sandbox.set_series("jobs{", lambda _at: 50.0)
    world.live(60, subject)
    world.sandbox.fault = Fault.EMPTY
    assert world.live(300, subject, start=75).reason is Reason.TELEMETRY_LOST


def test_no_errors_yet_beside_traffic_is_a_true_zero(world: World) -> None:
    world.serve(after(0, None, None))
    verdict = world.live(60)
    assert verdict.measurement is not None
    assert (verdict.measurement.value, verdict.reason) == (0.0, Reason.QUIET)


def test_no_traffic_is_told_apart_from_no_data(world: World) -> None:
    world.serve(after(0, 0.0), total=0.0)
    assert world.live(60).reason is Reason.NO_TRAFFIC
    world.sandbox.fault = Fault.ERROR
    assert world.look(90).reason is Reason.METRICS_UNAVAILABLE


def test_several_series_are_invalid_and_the_first_is_not_taken(world: World) -> None:
    two: Vector = [({"pod": "a"}, 1.0), ({"pod": "b"}, 99.0)]
    world.sandbox.set_series("jobs{", lambda _at: two)
    verdict = world.live(90, a_subject(a_policy(DRAIN)))
    assert (verdict.reason, verdict.fires) == (Reason.QUERY_INVALID, False)
    assert world.live(90, a_subject(a_policy(replace(DRAIN, reduce="min")))).fires


def test_what_was_so_before_the_sync_is_not_ours(world: World) -> None:
    world.serve(after(-600, 1.0))
    verdict = world.live(300)
    assert (verdict.fires, verdict.baseline.level, verdict.reason) == (True, BaselineLevel.FIRING, Reason.NOT_OURS)


def test_a_new_application_has_no_baseline(world: World) -> None:
    world.serve(after(10, 1.0, None), total=10.0)
    world.sandbox.set_series("http_requests_total{service", after(10, 10.0, None))
    verdict = world.live(300)
    assert (verdict.fires, verdict.baseline.level, verdict.reason) == (True, BaselineLevel.NONE, Reason.NO_BASELINE)


def test_other_series_of_the_application_stand_in_for_a_missing_baseline(world: World) -> None:
    world.sandbox.set_series("jobs{", after(10, 1.0, None))
    world.serve(after(0, 0.0))
    subject = a_subject(a_policy(DRAIN, ERRORS))
    verdict = world.live(120, subject)
    assert (verdict.trigger, verdict.fires, verdict.baseline.level) == ("drain", True, BaselineLevel.QUIET)


@pytest.mark.parametrize(("now", "level"), [(1.5, BaselineLevel.FIRING), (2.5, BaselineLevel.QUIET)])
def test_a_service_that_is_always_a_bit_bad_must_get_twice_as_bad(
    world: World, now: float, level: BaselineLevel
) -> None:
    trigger = replace(ERRORS, threshold=0.05, baseline=Baseline(timedelta(minutes=30), 2.0))
    world.serve(lambda at: now if at >= T0 else 0.0 if at >= T0 - timedelta(minutes=1) else 1.1)
    assert world.live(300, a_subject(a_policy(trigger))).baseline.level is level


@pytest.mark.parametrize("killed_at", [16, 61, 106, 136, 151, 211])
def test_a_restart_ends_where_a_life_without_it_would_have(world: World, killed_at: int) -> None:
    flaky = {45.0, 120.0}  # seconds since noon at which a scrape was lost

    def bad(at: datetime) -> float | None:
        return None if (at - T0.replace(second=0)).total_seconds() in flaky else after(20, 1.0)(at)

    world.serve(bad)
    world.sandbox.set_series("http_requests_total{service", lambda at: None if bad(at) is None else 10.0)
    lived = world.live(211)
    again = world.restarted()
    assert again.live(211, start=killed_at).state == lived.state
    assert again.look(211).baseline == lived.baseline
    assert lived.fires


def test_a_restart_reads_the_past_by_one_range_query_each(world: World) -> None:
    world.serve(after(20, 1.0))
    world.look(600)
    ranges = [asked.form["query"] for asked in world.sandbox.asked if asked.path.endswith("query_range")]
    assert len(ranges) == 4  # bad and total, since the sync and before it
    world.look(615)
    assert len([asked for asked in world.sandbox.asked if asked.path.endswith("query_range")]) == 4


@pytest.mark.parametrize("before", [True, False], ids=["the-time-before-the-sync", "the-time-since"])
def test_a_restart_whose_range_query_fails_is_blind_until_it_works(world: World, before: bool) -> None:
    world.serve(after(20, 1.0))
    broken = BrokenRanges(world.source, lambda start: (start < T0) is before)
    again = replace(world, measuring=Measuring(lambda _settings: broken))
    verdict = again.live(400, start=300)
    assert (verdict.fires, verdict.reason) == (False, Reason.METRICS_UNAVAILABLE)
    assert verdict.baseline.level is BaselineLevel.PENDING
    assert verdict.state.blind_since == T0 + timedelta(seconds=293)
    broken.breaks = lambda _start: False
    assert again.look(421).fires


class BrokenRanges:
    """A source whose range queries fail where `breaks` says so of their start."""

    name = "broken"

    def __init__(self, source: PrometheusSource, breaks: Callable[[datetime], bool]) -> None:
        self.query = source.query
        self.breaks = breaks
        self._source = source

    def query_range(
        self, expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta
    ) -> Answer:
        if self.breaks(start):
            return Answer(Outcome.ERROR, end, expression, reason=Reason.METRICS_UNAVAILABLE, detail="HTTP 503")
        return self._source.query_range(expression, start, end, step, timeout)


@pytest.mark.parametrize("interval", [1, 7, 15, 60])
@pytest.mark.parametrize("sync", [T0, T0.replace(second=0), T0.replace(second=0, microsecond=1)])
def test_no_tick_is_both_before_and_after_the_sync(sync: datetime, interval: int) -> None:
    step, at = timedelta(seconds=interval), tick_of(sync + timedelta(minutes=5), timedelta(seconds=interval))
    before, since = span_before(ERRORS, sync, step).instants, span_since(sync, at, step).instants
    assert sync - step <= before[-1] < sync < since[0] <= sync + step
    assert since[-1] == at - step
    assert all(instant == tick_of(instant, step) for instant in before + since)


def test_a_long_lookback_is_asked_for_in_wider_steps() -> None:
    trigger = replace(ERRORS, baseline=Baseline(timedelta(days=2), 2.0))
    span = span_before(trigger, T0, timedelta(seconds=1))
    assert len(span.instants) <= MAX_POINTS + 1
    assert span.instants[-1] == T0 - timedelta(seconds=1)


def test_a_tick_from_before_the_sync_is_not_counted_for_it(world: World) -> None:
    world.serve(after(-3600, 1.0))
    assert world.look(2).state.since is None
    assert world.look(9).state.since == T0 + timedelta(seconds=8)


def test_within_one_tick_nothing_is_asked_twice(world: World) -> None:
    world.serve(after(0, 0.0))
    first = world.look(30)
    asked = len(world.sandbox.asked)
    assert world.look(31) is first
    assert len(world.sandbox.asked) == asked


def test_a_clock_that_went_back_lets_nobody_act(world: World) -> None:
    world.serve(after(20, 1.0))
    assert world.live(300).fires
    back = world.look(200)
    assert (back.fires, back.reason) == (False, Reason.STALE_TICK)
    assert world.live(316, start=316).fires


def test_a_trigger_that_fires_does_not_hide_the_next(world: World) -> None:
    """The seed stopped at the first firing trigger, so that `log_only` hid `auto_rollback`."""
    world.serve(after(20, 1.0))
    quiet = replace(ERRORS, name="log", severity=Severity.LOG_ONLY)
    verdicts = [world.measuring.measure(a_subject(a_policy(quiet, ERRORS)), T0 + timedelta(seconds=s)) for s in (300,)]
    assert [(verdict.severity, verdict.fires) for verdict in verdicts[0]] == [
        (Severity.LOG_ONLY, True),
        (Severity.AUTO_ROLLBACK, True),
    ]


def test_one_broken_trigger_does_not_blind_the_others(world: World) -> None:
    world.serve(after(20, 1.0))
    broken = replace(DRAIN, query="sum(")
    verdicts = world.measuring.measure(a_subject(a_policy(broken, ERRORS)), T0 + timedelta(seconds=300))
    assert [(verdict.reason, verdict.fires) for verdict in verdicts] == [(Reason.QUERY_INVALID, False), (None, True)]


def test_a_kind_that_is_not_built_never_fires_and_says_so(world: World) -> None:
    verdict = world.live(300, a_subject(a_policy(Trigger("r", "regression", built=False))))
    assert (verdict.fires, verdict.reason, verdict.measurement) == (False, Reason.FEATURE_NOT_BUILT, None)


def test_a_firing_trigger_within_the_initial_delay_says_that_it_is_not_trusted(world: World) -> None:
    world.serve(after(20, 1.0))
    subject = a_subject(a_policy(ERRORS, initial_delay=timedelta(minutes=5)))
    assert world.live(290, subject).reason is Reason.WARMING_UP
    assert world.look(308, subject).reason is None


def test_a_new_deployment_starts_with_a_state_of_its_own(world: World) -> None:
    world.serve(after(20, 1.0))
    assert world.live(300).fires
    later = a_subject(t0=T0 + timedelta(seconds=305))
    verdict = world.look(330, later)
    assert (verdict.state.phase, verdict.baseline.level) == (Phase.PENDING, BaselineLevel.FIRING)


def test_a_metric_source_that_is_not_configured_blinds_and_raises_nothing(world: World) -> None:
    def refuse(_settings: MetricSettings) -> MetricSource:
        raise SettingsInvalid("metrics", "no metric source is configured", Reason.ORIGIN_NOT_ALLOWED)

    verdict = replace(world, measuring=Measuring(refuse)).live(60)
    assert (verdict.reason, verdict.fires, verdict.state.blind_since is not None) == (
        Reason.ORIGIN_NOT_ALLOWED,
        False,
        True,
    )


def test_forgetting_starts_anew(world: World) -> None:
    world.serve(after(20, 1.0))
    world.live(60)
    world.measuring.forget("default/Application/argocd/payments-prod")
    asked = len(world.sandbox.asked)
    world.look(60)
    assert len(world.sandbox.asked) > asked


def test_triggers_can_be_asked_side_by_side(world: World) -> None:
    world.serve(after(20, 1.0))
    with ThreadPoolExecutor(4) as pool:
        aside = replace(world, measuring=Measuring(lambda _settings: world.source, pool))
        assert aside.live(300).state == world.live(300).state


@pytest.mark.parametrize(
    ("health", "since", "before", "phase", "baseline"),
    [
        pytest.param(Health.DEGRADED, 30, Health.HEALTHY, Phase.FIRING, BaselineLevel.QUIET, id="since-the-sync"),
        pytest.param(Health.DEGRADED, 30, None, Phase.FIRING, BaselineLevel.NONE, id="nobody-saw-the-time-before"),
        pytest.param(Health.DEGRADED, 30, Health.DEGRADED, Phase.FIRING, BaselineLevel.FIRING, id="so-before-too"),
        pytest.param(Health.DEGRADED, -500, None, Phase.FIRING, BaselineLevel.FIRING, id="degraded-all-along"),
        pytest.param(Health.DEGRADED, 80, Health.HEALTHY, Phase.PENDING, BaselineLevel.QUIET, id="not-long-enough"),
        pytest.param(Health.PROGRESSING, 30, Health.HEALTHY, Phase.INACTIVE, BaselineLevel.QUIET, id="progressing"),
        pytest.param(Health.UNKNOWN, 30, Health.HEALTHY, Phase.INACTIVE, BaselineLevel.PENDING, id="unknown"),
    ],
)
def test_the_engine_s_word_is_taken_since_it_holds(
    world: World, health: Health, since: int, before: Health | None, phase: Phase, baseline: BaselineLevel
) -> None:
    state = a_state(health, T0 + timedelta(seconds=since), seen=118)
    subject = replace(a_subject(a_policy(DEGRADED), state), health_before=before)
    verdict = world.look(120, subject)
    assert (verdict.state.phase, verdict.baseline.level) == (phase, baseline)
    assert not world.sandbox.asked


def test_an_engine_that_has_said_nothing_for_long_is_no_data(world: World) -> None:
    subject = a_subject(a_policy(DEGRADED), a_state(Health.DEGRADED, T0 + timedelta(seconds=5), seen=10))
    verdict = world.look(600, subject)
    since = T0 + timedelta(seconds=593)
    assert (verdict.reason, verdict.state) == (
        Reason.ENGINE_UNAVAILABLE,
        TriggerState(last=verdict.state.last, blind_since=since, failures=1, failing_since=since),
    )


CHECK = Check("errors", "prometheus", query_from="errors", at_most=0.005)


def test_a_check_reads_nothing_older_than_the_switch(world: World) -> None:
    world.serve(after(0, 0.0))
    now, switch = T0 + timedelta(seconds=300), T0 + timedelta(seconds=260)
    measured = world.measuring.measure_check(a_policy(), CHECK, VARIABLES, now, switch)
    assert measured.value == 0.0
    assert all("[40s]" in asked.form["query"] for asked in world.sandbox.asked)
    assert len(world.sandbox.asked) == 2


@pytest.mark.parametrize(("passed", "outcome"), [(299, Outcome.NO_DATA), (300, Outcome.VALUE)])
def test_a_query_that_cannot_be_cut_waits_for_its_range(world: World, passed: int, outcome: Outcome) -> None:
    world.sandbox.set_series("max_over_time", lambda _at: 0.0)
    check = Check("peak", "prometheus", query='max_over_time(rate(x{service="$SERVICE"}[1m])[4m:15s])', at_most=1)
    measured = world.measuring.measure_check(a_policy(), check, VARIABLES, T0 + timedelta(seconds=passed), T0)
    assert measured.outcome is outcome
    assert bool(world.sandbox.asked) is (outcome is Outcome.VALUE)


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.NAN, Fault.ERROR, Fault.WARNINGS])
def test_a_check_without_data_is_no_success(world: World, fault: Fault) -> None:
    world.serve(after(0, 0.0))
    world.sandbox.fault = fault
    now = T0 + timedelta(seconds=300)
    assert world.measuring.measure_check(a_policy(), CHECK, VARIABLES, now, T0).value is None


def test_a_check_whose_query_is_broken_is_invalid(world: World) -> None:
    check = Check("x", "prometheus", query='x{a="$NOBODY"}', at_most=1)
    assert world.measuring.measure_check(a_policy(), check, VARIABLES, T0, T0).outcome is Outcome.INVALID


def test_a_value_that_is_infinite_is_no_value(world: World) -> None:
    world.sandbox.set_series("jobs{", lambda _at: math.inf)
    verdict = world.live(90, a_subject(a_policy(replace(DRAIN, comparison=Comparison.GREATER_THAN))))
    assert (verdict.reason, verdict.fires) == (Reason.NO_DATA, False)
