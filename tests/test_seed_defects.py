"""Every defect of the sketch that this product grew from, by its name: none of them is here."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.http import HttpAnswer
from gitops_rollback.adapters.metrics.answers import Asked, read_answer
from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules, OutboundBlocked
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.adapters.probe import HttpProbe
from gitops_rollback.app.controller import RepositoryLoop
from gitops_rollback.app.health import Health as OwnHealth
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.queries import Asker
from gitops_rollback.app.workers import SideBySide
from gitops_rollback.core.alarm import alarm
from gitops_rollback.core.decision import Act, Case
from gitops_rollback.core.deployments import watched
from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.measurement import Answer, Measurement, Outcome, Series, ratio, single
from gitops_rollback.core.policy import (
    ApplicationRef,
    Baseline,
    Check,
    Comparison,
    Policy,
    Severity,
    Target,
    Trigger,
)
from gitops_rollback.core.query import VARIABLE, render
from gitops_rollback.core.query_language import language_of
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Operation,
    OperationPhase,
    SyncEvent,
    SyncStatus,
)
from gitops_rollback.core.trigger import Baseline as Judged
from gitops_rollback.core.trigger import (
    BaselineLevel,
    Hold,
    Level,
    Phase,
    Tick,
    TriggerState,
    Verdict,
    against_baseline,
    judge_baseline,
    level,
    replay,
)
from gitops_rollback.core.verification import judge
from gitops_rollback.sandbox.prometheus import Fault, PrometheusSandbox

EXAMPLES = Path(__file__).resolve().parents[1] / "policies"
T0 = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND, INTERVAL, MINUTE = timedelta(seconds=1), timedelta(seconds=15), timedelta(minutes=1)
BOTH_WAYS = pytest.mark.parametrize("comparison", list(Comparison))


class SteppedClock:
    def __init__(self) -> None:
        self.time = T0

    def now(self) -> datetime:
        return self.time

    def real_seconds(self, duration: timedelta) -> float:
        return 0.0


@pytest.fixture
def prometheus() -> Iterator[PrometheusSandbox]:
    sandbox = PrometheusSandbox(SteppedClock())
    sandbox.start()
    yield sandbox
    sandbox.fault = Fault.NONE
    sandbox.stop()


@pytest.fixture
def source(prometheus: PrometheusSandbox) -> Iterator[PrometheusSource]:
    source = PrometheusSource(PrometheusSettings("prom", prometheus.url), OriginRules.parse([], [prometheus.url]))
    yield source
    source.close()


def vector(*values: float, kind: str = "vector") -> Answer:
    series = tuple(Series((("pod", str(n)),), ((T0, value),)) for n, value in enumerate(values))
    return Answer(Outcome.VALUE, T0, "q", series, kind)


def a_policy(*triggers: Trigger) -> Policy:
    target = Target("api", "argocd", ApplicationRef("argocd", "api"))
    return Policy("p", "p.yaml", "a" * 40, (target,), triggers)


# Queries


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_only_the_first_service_of_a_query_was_filled(path: Path) -> None:
    triggers = read_policy(path.read_bytes(), path.name, "c" * 40).wanted(path.name).triggers
    templates = [text for one in triggers for text in (one.query, one.bad, one.total) if text]
    filled = [language_of(text).fill(text, {"SERVICE": "cart", "NAMESPACE": "shop"}) for text in templates]
    assert templates or all(one.type in ("crashLoop", "alert", "event") for one in triggers)
    assert not [text for text in filled if VARIABLE.search(text)]
    assert [text.count("cart") for text in filled] == [template.count("$SERVICE") for template in templates]


def test_a_variable_outside_of_quotes_stayed_as_it_stood() -> None:
    assert render("sum(${SERVICE}_errors) by ($SERVICE)", {"SERVICE": "cart"}) == "sum(cart_errors) by (cart)"


def test_a_misspelt_variable_went_into_the_query_as_it_stood() -> None:
    with pytest.raises(QueryInvalid, match="unknown variable"):
        render('x{service="$SERVCE"}', {"SERVICE": "cart"})


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        pytest.param('x{a="$SERVICE"}', r'x{a="a\"} or vector(1) #.b"}', id="in-a-string"),
        pytest.param('x{a=~"$SERVICE"}', r'x{a=~"a\"\\} or vector\\(1\\) #\\.b"}', id="in-a-regex"),
    ],
)
def test_names_were_not_escaped_for_the_place_where_they_stand(template: str, filled: str) -> None:
    assert render(template, {"SERVICE": 'a"} or vector(1) #.b'}) == filled


def test_api_matched_the_pods_of_api_gateway() -> None:
    crash_loop = (EXAMPLES / "crash-loop.yaml").read_bytes()
    query = read_policy(crash_loop, "p.yaml", "c" * 40).wanted("p").triggers[0].query
    filled = render(query, {"SERVICE": "api", "NAMESPACE": "shop"})
    pods = filled.partition('pod=~"')[2].partition('"')[0]
    assert re.fullmatch(pods, "api-5d4f8c7b9-x2x9z")
    assert not re.fullmatch(pods, "api-gateway-5d4f8c7b9-x2x9z")


def test_a_wildcard_behind_a_name_went_unnoticed() -> None:
    crash_loop = (EXAMPLES / "crash-loop.yaml").read_bytes()
    loose = crash_loop.replace(b"$SERVICE-[a-z0-9]+-[a-z0-9]{5}", b"$SERVICE.*")
    faults = read_policy(loose, "p.yaml", "c" * 40).faults
    assert [fault.message for fault in faults if "also selects longer names" in fault.message]


def test_a_restart_counter_minus_its_own_past_was_negative_after_pods_were_replaced() -> None:
    triggers = read_policy((EXAMPLES / "crash-loop.yaml").read_bytes(), "p.yaml", "c" * 40).wanted("p").triggers
    assert all("increase(" in trigger.query and "offset" not in trigger.query for trigger in triggers)
    seed = (
        (EXAMPLES / "crash-loop.yaml")
        .read_bytes()
        .replace(b"sum(increase(", b"sum(x) - sum(x offset 5m) + sum(increase(")
    )
    assert "use increase()" in {fault.fix for fault in read_policy(seed, "p.yaml", "c" * 40).faults}


# Values


@BOTH_WAYS
def test_no_data_was_zero_so_that_less_than_fired_and_greater_than_never_did(comparison: Comparison) -> None:
    nothing = single(vector(), "one", comparison)
    assert level(nothing, comparison, 10) is Level.NO_DATA
    failed = single(Answer(Outcome.ERROR, T0, "q"), "one", comparison)
    assert level(failed, comparison, 10) is Level.ERROR


@BOTH_WAYS
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_was_healthy_and_infinity_never_fired(comparison: Comparison, value: float) -> None:
    assert single(vector(value)).value is None
    assert level(single(vector(value)), comparison, 0.05) is Level.NO_DATA
    assert level(Measurement(Outcome.VALUE, T0, value), comparison, 0.05) is Level.NO_DATA


def test_a_scalar_was_read_as_zero() -> None:
    assert single(vector(7.0, kind="scalar")).value == 7.0


def test_the_first_of_several_series_was_taken() -> None:
    assert single(vector(0.0, 1.0)).outcome is Outcome.INVALID


def test_the_for_of_a_trigger_was_never_used() -> None:
    ticks = [Tick(T0 + n * INTERVAL, Level.TRUE, 1.0) for n in range(9)]
    hold = Hold(2 * MINUTE, INTERVAL)
    assert replay(ticks[:8], hold).phase is Phase.PENDING
    assert replay(ticks, hold).phase is Phase.FIRING


GOOD_DATA = b'"data":{"resultType":"vector","result":[{"metric":{},"value":[1763899200,"9"]}]}'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(503, b'{"status":"success",' + GOOD_DATA + b"}", id="http-status"),
        pytest.param(200, b'{"status":"error","errorType":"timeout","error":"slow",' + GOOD_DATA + b"}", id="status"),
        pytest.param(200, b'{"status":"success","warnings":["a store is down"],' + GOOD_DATA + b"}", id="warnings"),
    ],
)
def test_http_status_and_status_error_and_warnings_were_not_read(status: int, body: bytes) -> None:
    asked = Asked("q", datetime.fromtimestamp(1763899200, UTC), instant=True)
    assert read_answer(asked, HttpAnswer(200, {}, b'{"status":"success",' + GOOD_DATA + b"}")).series
    answer = read_answer(asked, HttpAnswer(status, {}, body))
    assert (answer.outcome, answer.series) == (Outcome.ERROR, ())


def test_a_query_had_no_time_out(prometheus: PrometheusSandbox, source: PrometheusSource) -> None:
    prometheus.fault = Fault.HANG
    answer = source.query("up", T0, timedelta(milliseconds=200))
    assert (answer.outcome, "no answer within 0.2 s" in answer.detail) == (Outcome.ERROR, True)


# Decisions

APP = ApplicationId("default", "Application", "argocd", "api")
STATE = ApplicationState(APP, "u", "default", "", "shop", (), SyncStatus.OUT_OF_SYNC, (), Health.PROGRESSING, T0)


def test_only_completed_syncs_were_watched_so_that_a_crash_loop_never_was() -> None:
    before = DeploymentRecord(("a" * 40,), (), T0 - 60 * MINUTE, T0 - 59 * MINUTE)
    running = Operation(OperationPhase.RUNNING, ("b" * 40,), (), T0, in_progress=True)
    event = watched(replace(STATE, history=(before,), operation=running), T0 + MINUTE, 30 * MINUTE)
    assert event is not None
    assert (event.record.revisions, event.record.started_at, event.record.deployed_at) == (("b" * 40,), T0, None)


def firing(name: str, severity: Severity) -> Verdict:
    now = Tick(T0 + 5 * MINUTE, Level.TRUE, 0.5)
    state = TriggerState(Phase.FIRING, since=T0 + 2 * MINUTE, last=now, fired_at=now.at)
    return Verdict(name, severity, state, None, Judged(BaselineLevel.QUIET), 0.05)


def test_log_only_hid_auto_rollback_where_it_fired_first() -> None:
    triggers = (Trigger("slow", "query", Severity.LOG_ONLY), Trigger("errors", "query", Severity.AUTO_ROLLBACK))
    verdicts = tuple(firing(trigger.name, trigger.severity) for trigger in triggers)
    event = SyncEvent(APP, DeploymentRecord(("b" * 40,), (), T0))
    assert alarm(Case(str(APP), a_policy(*triggers), True, event, verdicts), T0 + 5 * MINUTE).act is Act.ROLL_BACK


def test_looks_at_one_application_overlapped_and_could_fire_twice() -> None:
    begun: list[str] = []
    first, release = threading.Event(), threading.Event()

    def look(name: str) -> str:
        begun.append(name)
        first.set()
        release.wait(30)
        return name

    looking: SideBySide[str, str] = SideBySide(str, lambda _name, error: pytest.fail(str(error)), lambda: 0.01)
    assert looking(look, ["api"]) == ()
    assert first.wait(30)
    assert looking(look, ["api"]) == ()
    assert begun == ["api"]
    release.set()
    looking.close()


class LateReconciler:
    """Its first tick takes 40 s of the clock."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.ticks: list[float] = []

    def tick(self, now: datetime) -> None:
        self.ticks.append((now - T0).total_seconds())
        self.clock.time += timedelta(seconds=40)
        raise RuntimeError("a tick of the test")


def test_late_ticks_were_queued_on_top_of_each_other() -> None:
    clock = SteppedClock()
    late = LateReconciler(clock)
    loop = RepositoryLoop("shop", late, clock, OwnHealth(), lambda _name, _error: None)
    loop.turn()
    loop.turn()
    assert late.ticks == [0, 30]


def test_queries_ran_one_after_another() -> None:
    together = threading.Barrier(2, timeout=30)

    class Meeting:
        name = "meeting"

        def query(self, expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
            together.wait()
            return vector(1.0)

        def query_range(self, *_arguments: object) -> Answer:
            raise AssertionError("not asked")

    with ThreadPoolExecutor(2) as pool:
        answers = Asker(Meeting(), SECOND, 0.0, pool).now(("bad", "total"), T0)
    assert set(answers) == {"bad", "total"}


def test_a_fixed_threshold_missed_a_tenfold_rise_below_it() -> None:
    rise = Trigger("errors", "ratio", threshold=0.002, baseline=Baseline(30 * MINUTE, 2.0))
    before = [Tick(T0 - n * INTERVAL, Level.FALSE, 0.001) for n in range(1, 60)]
    baseline = judge_baseline(rise, before, T0, INTERVAL, True)
    assert against_baseline(rise, baseline, 0.01).level is BaselineLevel.QUIET
    worse_before = [tick._replace(level=Level.FALSE, value=0.006) for tick in before]
    always_so = judge_baseline(rise, worse_before, T0, INTERVAL, True)
    assert against_baseline(rise, always_so, 0.01).level is BaselineLevel.FIRING


def test_a_fixed_threshold_fired_on_one_bad_request_of_a_quiet_service() -> None:
    measured = ratio(vector(0.1), vector(0.9), minimum_per_second=1.0)
    assert (measured.value, level(measured, Comparison.GREATER_THAN, 0.05)) == (None, Level.NO_DATA)


# Verification

PER_MILLE = Check("errors", "prometheus", at_most=0.001, tolerance=0.1)


@pytest.mark.parametrize(
    ("check", "value", "ok"),
    [
        pytest.param(Check("e", "prometheus", at_most=0.0), 0.0, True, id="expected-0-was-divided-by"),
        pytest.param(Check("e", "prometheus", at_most=0.0), 0.1, False, id="expected-0-and-more"),
        pytest.param(PER_MILLE, 0.0002, True, id="a-better-value-failed"),
        pytest.param(PER_MILLE, 0.0, True, id="no-errors-at-all-failed"),
        pytest.param(PER_MILLE, 0.00109, True, id="within-ten-percent"),
        pytest.param(PER_MILLE, 0.00111, False, id="beyond-ten-percent"),
        pytest.param(Check("e", "prometheus", at_least=10, tolerance=0.1), 90.0, True, id="more-than-enough"),
        pytest.param(Check("e", "prometheus", at_least=10, tolerance=0.1), 8.9, False, id="too-little"),
    ],
)
def test_a_result_was_held_against_expected_on_both_sides(check: Check, value: float, ok: bool) -> None:
    assert judge(check, None, Measurement.of(value, T0)).ok is ok


def test_no_data_decided_a_check() -> None:
    assert judge(PER_MILLE, None, single(vector())).ok is None
    assert judge(PER_MILLE, None, single(vector(float("nan")))).ok is None


ERRORS = Trigger("errors", "query", query='rate(errors{service="$SERVICE"}[2m])', threshold=0.05)


def test_verification_read_data_from_before_the_rollback(
    prometheus: PrometheusSandbox, source: PrometheusSource
) -> None:
    prometheus.set_series("errors", lambda _at: 0.0)
    measuring = Measuring(lambda _settings: source)
    check = Check("errors", "prometheus", query_from="errors", at_most=0.01)
    now = T0 + 40 * SECOND
    assert measuring.measure_check(a_policy(ERRORS), check, {"SERVICE": "api"}, now, since=T0).value == 0.0
    assert [asked.form["query"] for asked in prometheus.asked] == ['rate(errors{service="api"}[40s])']


def test_the_verification_query_was_not_filtered_by_service(
    prometheus: PrometheusSandbox, source: PrometheusSource
) -> None:
    prometheus.set_series("errors", lambda _at: 0.0)
    measuring = Measuring(lambda _settings: source)
    check = Check("own", "prometheus", query='errors{service="$SERVICE"}', at_most=0.01)
    measuring.measure_check(a_policy(ERRORS), check, {"SERVICE": "api"}, T0 + MINUTE, since=T0)
    assert [asked.form["query"] for asked in prometheus.asked] == ['errors{service="api"}']


def test_the_timeout_of_a_check_was_not_used(prometheus: PrometheusSandbox, source: PrometheusSource) -> None:
    prometheus.fault = Fault.HANG
    measuring = Measuring(lambda _settings: source)
    check = Check("own", "prometheus", query="errors", at_most=0.01, timeout=timedelta(milliseconds=300))
    measured = measuring.measure_check(a_policy(ERRORS), check, {}, T0 + MINUTE, since=T0)
    assert (measured.value, "no answer within 0.3 s" in measured.detail) == (None, True)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data", "https://example.com/", "file:///etc/passwd"]
)
def test_the_http_check_fetched_any_url(url: str) -> None:
    probe = HttpProbe(OriginRules.parse(["https://api.example.com"]))
    with pytest.raises(OutboundBlocked):
        probe.status(url, SECOND)
