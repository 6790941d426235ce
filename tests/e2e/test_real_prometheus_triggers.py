"""The example policies' triggers against a real Prometheus: they fire when it is bad, and only then.

The history holds four services that were all synced at T0: `good`, `bad` (since T0), `always` (as bad before), and
`bad-gateway`, whose name begins like another's and who is as good as `good`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_process import Counter, Written, running, write_history

from gitops_rollback.adapters.metrics.prometheus import PrometheusSettings, PrometheusSource
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.measurement import Outcome
from gitops_rollback.core.policy import Check, Counting, Policy, Trigger
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncEvent, SyncStatus
from gitops_rollback.core.trigger import BaselineLevel, Phase, Verdict

POLICIES = Path(__file__).resolve().parents[2] / "policies"
T0 = datetime.now(UTC).replace(second=7, microsecond=0) - timedelta(hours=3)
START, END = T0.replace(second=0) - timedelta(minutes=80), T0.replace(second=0) + timedelta(minutes=16)
INTERVAL = timedelta(seconds=15)
SEED = ["error-rate", "crash-loop", "latency", "burn-rate", "slo"]
SERVICES = ("good", "bad", "always", "bad-gateway")


def is_bad(service: str, at: datetime) -> bool:
    return service == "always" or (service == "bad" and at >= T0)


def growing(per_second: float, service: str, when_bad: bool) -> Counter:
    """A counter that grows while the service is bad (or while it is not)."""

    def value(at: datetime) -> float:
        bad = max(0.0, (at - (START if service == "always" else T0)).total_seconds()) if is_bad(service, at) else 0.0
        return per_second * (bad if when_bad else (at - START).total_seconds() - bad)

    return value


def every_request(at: datetime) -> float:
    return 10.0 * (at - START).total_seconds()


def born_when_first_counted(counter: Counter) -> Counter:
    """As a real client library: a status that never happened has no series."""
    return lambda at: counter(at) or None


def history() -> Iterator[Written]:
    for service in SERVICES:
        ok, failing = growing(10.0, service, False), growing(10.0, service, True)
        yield Written("http_requests_total", f'service="{service}",status="200"', ok)
        yield Written("http_requests_total", f'service="{service}",status="503"', born_when_first_counted(failing))
        for bound in ("0.1", "1", "10", "+Inf"):
            quick = growing(10.0, service, False)
            counted = quick if bound in ("0.1", "1") else every_request
            yield Written("http_request_duration_seconds_bucket", f'service="{service}",le="{bound}"', counted)
        labels = f'namespace="shop",pod="{service}-7d9f8-x2z4q"'
        yield Written("kube_pod_container_status_restarts_total", labels, growing(1 / 40, service, True))
    yield from canary()
    for pod, lives in (("5c4d7-aaaaa", range(-4800, 0)), ("6f8b9-bbbbb", range(1000))):
        labels, restarts = f'namespace="shop",pod="replaced-{pod}"', 9.0 if lives.start else 0.0
        yield Written("kube_pod_container_status_restarts_total", labels, while_in(lives, restarts))


def canary() -> Iterator[Written]:
    """Since the sync a new version has a tenth of the requests, of which 30% fail; of the old one's 4% do."""
    for version, before, since, failing in (("old", 100.0, 90.0, 0.04), ("new", 0.0, 10.0, 0.3)):
        labels = f'service="canary",pod_template_hash="{version}"'
        ok, failed = (phases(before, since * (1 - failing)), phases(0.0, since * failing))
        yield Written("http_requests_total", f'{labels},status="200"', born_when_first_counted(ok))
        yield Written("http_requests_total", f'{labels},status="503"', born_when_first_counted(failed))


def phases(before: float, since: float) -> Counter:
    """A counter that grows by so much a second before the sync and since."""

    def value(at: datetime) -> float:
        until_then, after = (T0 - START).total_seconds(), (at - T0).total_seconds()
        return before * min(until_then, until_then + after) + since * max(0.0, after)

    return value


def while_in(seconds: range, value: float) -> Counter:
    return lambda at: value if int((at - T0).total_seconds()) in seconds else None


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    write_history(folder, history(), START, END)
    with running(folder) as address:
        yield address


@pytest.fixture
def source(url: str) -> Iterator[PrometheusSource]:
    settings = PrometheusSettings("real", url, max_queries_per_minute=100_000)
    prometheus = PrometheusSource(settings, OriginRules.parse([], [url]))
    yield prometheus
    prometheus.close()


def policy_of(name: str) -> Policy:
    file = POLICIES / f"{name}.yaml"
    policy = read_policy(file.read_bytes(), file.name, "a" * 40).policy
    assert policy is not None
    return policy


def subject(policy: Policy, service: str) -> Subject:
    state = ApplicationState(
        ApplicationId("default", "Application", "argocd", service), "u", "default", "", "shop", (),
        SyncStatus.SYNCED, (), Health.HEALTHY, T0,
    )  # fmt: skip
    event = SyncEvent(state.id, DeploymentRecord(("b" * 40,), (), T0))
    return Subject(policy, policy.targets[0], state, event, {"SERVICE": service, "NAMESPACE": "shop"})


def lived(source: PrometheusSource, policy: Policy, service: str, since: int = 1, until: int = 840) -> list[Verdict]:
    """The first trigger's verdict at each tick between `since` and `until` seconds after the sync."""
    measuring = Measuring(lambda _settings: source)
    seconds = range(since, until + 1, int(INTERVAL.total_seconds()))
    asked = subject(policy, service)
    return [measuring.measure(asked, T0 + timedelta(seconds=second))[0] for second in seconds]


@pytest.mark.parametrize("name", SEED)
def test_an_example_policy_fires_on_a_bad_release(source: PrometheusSource, name: str) -> None:
    policy = policy_of(name)
    verdicts = lived(source, policy, "bad")
    fired = next(verdict for verdict in verdicts if verdict.fires and verdict.reason is None)
    assert fired.baseline.level is BaselineLevel.QUIET
    assert fired.onset is not None
    assert fired.onset > T0
    assert fired.state.fired_at is not None
    assert fired.state.fired_at - fired.onset >= policy.triggers[0].hold_for


@pytest.mark.parametrize("service", ["good", "bad-gateway"])
@pytest.mark.parametrize("name", SEED)
def test_an_example_policy_is_quiet_on_a_good_release(source: PrometheusSource, name: str, service: str) -> None:
    verdicts = lived(source, policy_of(name), service)
    assert {verdict.state.phase for verdict in verdicts} == {Phase.INACTIVE}
    assert verdicts[-1].reason is Reason.QUIET
    assert verdicts[-1].measurement is not None
    assert verdicts[-1].measurement.outcome is Outcome.VALUE


@pytest.mark.parametrize("name", SEED)
def test_what_was_as_bad_before_the_sync_is_not_blamed(source: PrometheusSource, name: str) -> None:
    last = lived(source, policy_of(name), "always")[-1]
    assert (last.fires, last.reason, last.baseline.level) == (True, Reason.NOT_OURS, BaselineLevel.FIRING)


@pytest.mark.parametrize("name", SEED)
def test_a_service_that_nobody_scrapes_is_blind_and_never_fires(source: PrometheusSource, name: str) -> None:
    verdicts = lived(source, policy_of(name), "nobody", until=300)
    assert not any(verdict.fires for verdict in verdicts)
    assert verdicts[-1].reason is Reason.NO_DATA
    assert verdicts[-1].state.blind_since is not None


@pytest.mark.parametrize("killed_at", [31, 121, 256, 406])
@pytest.mark.parametrize("name", SEED)
def test_a_restarted_controller_stands_where_it_would_have_stood(
    source: PrometheusSource, name: str, killed_at: int
) -> None:
    policy = policy_of(name)
    whole = lived(source, policy, "bad", until=killed_at)[-1]
    restarted = lived(source, policy, "bad", since=killed_at, until=killed_at)[-1]
    assert (restarted.state, restarted.baseline) == (whole.state, whole.baseline)


def test_a_pod_that_is_replaced_makes_no_negative_restarts(source: PrometheusSource) -> None:
    """A restart counter minus its own past would be 0 - 9 here."""
    verdicts = lived(source, policy_of("crash-loop"), "replaced")
    assert {verdict.measurement.value for verdict in verdicts if verdict.measurement} == {0.0}


def test_no_error_yet_is_a_true_zero(source: PrometheusSource) -> None:
    measured = lived(source, policy_of("error-rate"), "good", until=60)[-1].measurement
    assert measured is not None
    assert (measured.value, measured.numerator, measured.denominator) == (0.0, 0.0, pytest.approx(10.0))


def test_a_check_after_the_switch_does_not_see_the_bad_time_before(source: PrometheusSource) -> None:
    """`good` since the switch, bad before it: a plain two-minute window would still hold the bad requests."""
    policy = policy_of("error-rate")
    check = Check("errors", "prometheus", query_from="high-error-rate", at_most=0.005)
    measuring = Measuring(lambda _settings: source)
    early, late = T0 - timedelta(seconds=60), T0 + timedelta(seconds=90)
    names = {"SERVICE": "bad", "NAMESPACE": "shop"}
    whole = measuring.measure_check(policy, check, names, late, T0 - timedelta(hours=1))
    cut = measuring.measure_check(policy, check, names, T0, early)
    assert cut.value == 0.0
    assert whole.value is not None
    assert whole.value > 0.5
    assert measuring.measure_check(policy, check, names, late, late - timedelta(seconds=5)).outcome is Outcome.NO_DATA


QUERY = Trigger("x", "query", threshold=-1e9, hold_for=INTERVAL)


@pytest.mark.parametrize(
    ("query", "outcome", "reason"),
    [
        pytest.param("nobody_has_this", Outcome.NO_DATA, Reason.NO_DATA, id="empty"),
        pytest.param("vector(0)/0", Outcome.NO_DATA, Reason.NO_DATA, id="nan-of-zero-by-zero"),
        pytest.param("vector(1)/0", Outcome.NO_DATA, Reason.NO_DATA, id="infinite"),
        pytest.param("vector(0) > 5", Outcome.NO_DATA, Reason.NO_DATA, id="comparison-that-drops-all"),
        pytest.param("http_requests_total", Outcome.INVALID, Reason.QUERY_INVALID, id="several-series"),
        pytest.param("http_requests_total[5m]", Outcome.INVALID, Reason.QUERY_INVALID, id="matrix"),
        pytest.param('"text"', Outcome.INVALID, Reason.QUERY_INVALID, id="string"),
        pytest.param("sum(", Outcome.INVALID, Reason.QUERY_INVALID, id="parse-error"),
        pytest.param("http_requests_total + on() http_requests_total", Outcome.INVALID, Reason.QUERY_INVALID, id="422"),
        pytest.param("scalar(vector(3))", Outcome.VALUE, None, id="scalar"),
        pytest.param("vector(0)", Outcome.VALUE, None, id="zero"),
    ],
)
def test_a_real_answer_without_one_number_never_fires(
    source: PrometheusSource, query: str, outcome: Outcome, reason: Reason | None
) -> None:
    policy = replace(policy_of("latency"), triggers=(replace(QUERY, query=query),))
    last = lived(source, policy, "good", until=120)[-1]
    assert last.measurement is not None
    assert (last.measurement.outcome, last.measurement.reason) == (outcome, reason)
    assert (last.state.phase is Phase.FIRING) is (outcome is Outcome.VALUE)


RISE = Trigger(
    "rise",
    "regression",
    bad='http_requests_total{service="$SERVICE",status=~"5.."}',
    total='http_requests_total{service="$SERVICE"}',
    immediate=True,
)


def test_a_regression_finds_what_rose_with_the_sync_and_nothing_else(source: PrometheusSource) -> None:
    """The bad one has no series of errors before its first, which `increase()` would not count."""
    policy = replace(policy_of("error-rate"), triggers=(RISE,))
    found = {service: lived(source, policy, service, until=300) for service in SERVICES}
    fired = [verdict for verdict in found["bad"] if verdict.fires and verdict.reason is None]
    assert fired[0].state.fired_at is not None
    assert fired[0].state.fired_at - T0 <= timedelta(minutes=1)
    for service in ("good", "always", "bad-gateway"):
        assert not [verdict for verdict in found[service] if verdict.fires and verdict.reason is None]
    again = lived(source, policy, "bad", since=151, until=151)[-1]
    assert again.message == lived(source, policy, "bad", until=151)[-1].message


def test_a_new_version_is_found_by_what_it_has_more_than_the_old_one_beside_it(source: PrometheusSource) -> None:
    """In an incident of both; the old Pods' trouble alone raises what counts as normal above what the new ones have."""
    rise = replace(RISE, counting=Counting(version="pod_template_hash"))
    policy = replace(policy_of("error-rate"), triggers=(rise,))
    found = lived(source, policy, "canary", until=300)
    fired = next(verdict for verdict in found if verdict.fires and verdict.reason is None)
    assert "of the new version failed (30%)" in fired.message
    assert "of the old version beside it" in fired.message
    assert lived(source, policy, "canary", since=286, until=286)[-1].message == found[-1].message
