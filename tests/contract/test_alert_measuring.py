"""Alerts over real HTTP, as Alertmanager's API v2 gives them: which of them is worth a rollback?"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from canned_http import Request, Server, canned, serving

from gitops_rollback.adapters.metrics.alertmanager import Alertmanager, AlertmanagerSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.checkup import of_alerts
from gitops_rollback.app.measuring import Measuring
from gitops_rollback.app.reading_back import Subject
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_alerts import AlertmanagerPlace
from gitops_rollback.app.wiring_alerts import Alertmanagers
from gitops_rollback.core.errors import CredentialsRejected, Reason, RollbackError, SettingsInvalid
from gitops_rollback.core.policy import AlertRule, ApplicationRef, MetricSettings, Policy, Severity, Target, Trigger
from gitops_rollback.core.sync import ApplicationId, ApplicationState, DeploymentRecord, Health, SyncEvent, SyncStatus
from gitops_rollback.core.trigger import Verdict
from gitops_rollback.ports import MetricSource

T0 = datetime(2026, 11, 26, 12, tzinfo=UTC)
ID = ApplicationId("default", "Application", "argocd", "web")
STATE = ApplicationState(ID, "u", "default", "in-cluster", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, T0)
RULE = AlertRule((("alertname", "ErrorBudgetBurn"), ("service", "$SERVICE")), timedelta(minutes=2))
BURNS = Trigger("burns", "alert", Severity.AUTO_ROLLBACK, immediate=True, alert=RULE)
PATIENCE = timedelta(seconds=5)


def alert(since: float, state: str = "active", service: str = "web", **labels: str) -> dict[str, object]:
    """One of `GET /api/v2/alerts`, whose rule's `for` had passed `since` seconds after the sync."""
    at = T0 + timedelta(seconds=since)
    silenced = ["7d8e37b0-3a0d-4d2f-8f0b-3d9bde0ad7b1"] if state == "suppressed" else []
    return {
        "annotations": {"summary": "the budget burns"},
        "endsAt": "2026-11-26T16:08:00.000Z",
        "fingerprint": "6f5bdbb3ea3a9b3b",
        "receivers": [{"name": "rollback"}],
        "startsAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": silenced, "state": state},
        "updatedAt": "2026-11-26T12:04:00.000Z",
        "generatorURL": "http://prometheus/graph?g0.expr=x",
        "labels": {"alertname": "ErrorBudgetBurn", "service": service, **labels},
    }


@dataclass
class Peer:
    """What one Alertmanager says; `status` other than 200 is a fault of it."""

    alerts: list[dict[str, object]] = field(default_factory=list)
    status: str = "200 OK"

    def __call__(self, connection: socket.socket, request: Request) -> None:
        canned(self.status, json.dumps(self.alerts).encode(), "Content-Type: application/json")(connection, request)


def nothing(_policy: Policy) -> MetricSource:
    raise SettingsInvalid("metrics", "no metric source is needed")


@contextmanager
def measuring(*places: tuple[Peer, ...]) -> Iterator[Callable[[float, Trigger], Verdict]]:
    """Looks at the application so many seconds after its sync, with an Alertmanager of these peers for each place."""
    with ExitStack() as stack:
        urls = [tuple(stack.enter_context(serving(peer)).url for peer in peers) for peers in places]
        made = tuple(AlertmanagerPlace(name=str(n), urls=peers) for n, peers in enumerate(urls))
        alerts = Alertmanagers(Settings(alertmanagers=made))
        stack.callback(alerts.close)
        asks = Measuring(nothing, alerts=alerts)

        def look(at: float, trigger: Trigger = BURNS) -> Verdict:
            named = Target("web", "argocd", ApplicationRef("argocd", "web"))
            policy = Policy("web", "web.yaml", "c" * 40, (named,), (trigger,), metrics=MetricSettings(timeout=PATIENCE))
            event = SyncEvent(ID, DeploymentRecord(("a" * 40,), (), T0))
            subject = Subject(policy, named, STATE, event, {"SERVICE": "web", "CLUSTER": "in-cluster"})
            return asks.measure(subject, T0 + timedelta(seconds=at))[0]

        yield look


@pytest.mark.parametrize(
    ("alerts", "pending", "reason"),
    [
        pytest.param([alert(200)], 120, None, id="began-after-the-sync"),
        pytest.param([], 120, Reason.QUIET, id="none"),
        pytest.param([alert(-60)], 120, Reason.NOT_OURS, id="active-before-the-sync"),
        pytest.param([alert(100)], 120, Reason.NOT_OURS, id="pending-before-the-sync"),
        pytest.param([alert(100)], 0, None, id="a-rule-that-does-not-wait"),
        pytest.param([alert(200)], None, Reason.NO_BASELINE, id="nobody-knows-how-long-it-waited"),
        pytest.param([alert(200), alert(-60, pod="b")], 120, Reason.NOT_OURS, id="one-of-two-was-there"),
        pytest.param([alert(200, "suppressed")], 120, Reason.ALERT_SUPPRESSED, id="silenced"),
        pytest.param([alert(200, "unprocessed")], 120, Reason.NO_DATA, id="not-yet-looked-at"),
        pytest.param([alert(200, service="web-admin")], 120, Reason.QUIET, id="of-another-application"),
    ],
)
def test_only_an_alert_that_began_with_the_sync_and_that_nobody_silenced_fires(
    alerts: list[dict[str, object]], pending: float | None, reason: Reason | None
) -> None:
    rule = replace(RULE, pending_for=None if pending is None else timedelta(seconds=pending))
    with measuring((Peer(alerts),)) as look:
        verdict = look(240, replace(BURNS, alert=rule))
    assert verdict.reason is reason
    assert (verdict.fires and verdict.reason is None) is (reason is None)
    if reason is None:
        assert verdict.message.startswith("burns: the alert ErrorBudgetBurn is active since 12:0")
        assert verdict.onset == T0 + timedelta(seconds=210 if pending else 105)  # its first tick, though nobody looked


def test_an_alert_is_asked_for_again_within_a_tick_and_is_over_when_it_is_gone() -> None:
    peer = Peer()
    with measuring((peer,)) as look:
        assert look(240, BURNS).reason is Reason.QUIET
        peer.alerts = [alert(242)]
        assert look(243, BURNS).fires  # as a webhook says that something happened
        peer.alerts = []
        assert look(255, BURNS).reason is Reason.QUIET


def test_what_was_active_before_the_sync_is_not_blamed_on_it_when_it_comes_again() -> None:
    peer = Peer([alert(-60)])
    with measuring((peer,)) as look:
        assert look(60, BURNS).reason is Reason.NOT_OURS
        peer.alerts = []
        assert look(75, BURNS).reason is Reason.QUIET
        peer.alerts = [alert(400)]
        assert look(405, BURNS).reason is Reason.NOT_OURS


GOOD, DOWN = [alert(200)], "503 Service Unavailable"


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        pytest.param([(Peer(GOOD), Peer(GOOD))], None, id="two-peers-know-the-same"),
        pytest.param([(Peer([], DOWN), Peer(GOOD))], None, id="one-peer-is-enough"),
        pytest.param([(Peer([]), Peer(GOOD))], None, id="one-was-just-started"),
        pytest.param(
            [(Peer(GOOD), Peer([alert(200, "suppressed")]))], Reason.ALERT_SUPPRESSED, id="one-knows-a-silence"
        ),
        pytest.param([(Peer(GOOD), Peer([alert(-60)]))], Reason.NOT_OURS, id="one-knows-it-for-longer"),
        pytest.param([(Peer([], DOWN), Peer([], DOWN))], Reason.METRICS_UNAVAILABLE, id="all-peers-are-down"),
        pytest.param([(Peer([]),), (Peer(GOOD),)], None, id="two-alertmanagers"),
        pytest.param([(Peer(GOOD),), (Peer([], DOWN),)], Reason.METRICS_UNAVAILABLE, id="one-of-two-alertmanagers"),
        pytest.param([], Reason.METRICS_UNAVAILABLE, id="no-alertmanager"),
    ],
)
def test_peers_say_the_same_once_and_each_alertmanager_must_be_heard(
    places: list[tuple[Peer, ...]], reason: Reason | None
) -> None:
    with measuring(*places) as look:
        verdict = look(240, BURNS)
    assert (verdict.reason, verdict.fires) == (reason, reason in (None, Reason.NOT_OURS))


def test_where_nobody_answers_the_metrics_are_what_is_missing() -> None:
    with serving(Peer()) as server:
        gone = server.url
    alerts = Alertmanagers(Settings(alertmanagers=(AlertmanagerPlace(urls=(gone,)),)))
    with pytest.raises(RollbackError, match="cannot connect") as told:
        alerts.read({"alertname": "A"}, "", PATIENCE)
    alerts.close()
    assert told.value.reason is Reason.METRICS_UNAVAILABLE


class Watch:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("watched", [None, "suppressed"], ids=["gone", "silenced"])
def test_an_alertmanager_that_hears_nothing_is_not_quiet(watched: str | None) -> None:
    """A Prometheus that cannot reach it, or evaluates no rules, would else make each release look healthy."""
    dog = alert(-9000, alertname="Watchdog")
    peer = Peer([dog])
    with serving(peer) as server:
        settings = AlertmanagerSettings("one", (server.url,), watchdog=(("alertname", "Watchdog"),))
        watch = Watch()
        source = Alertmanager(settings, OriginRules.parse([], [server.url]), watch)
        wanted = {"alertname": "ErrorBudgetBurn"}
        assert [source.read(wanted, PATIENCE) for _ in range(3)] == [()] * 3
        assert len(server.requests) == 4  # one sight of it is enough for a while
        peer.alerts = [alert(-9000, watched, alertname="Watchdog")] if watched else []
        watch.now = 11.0
        with pytest.raises(RollbackError, match="no active alert with alertname=Watchdog") as told:
            source.read(wanted, PATIENCE)
        assert told.value.reason is Reason.METRICS_UNAVAILABLE
        peer.alerts = [alert(60)]  # what is there was heard
        assert len(source.read(wanted, PATIENCE)) == 1
        source.close()


def test_doctor_says_that_nothing_reaches_an_alertmanager() -> None:
    with serving(Peer([alert(0)])) as deaf:
        place = AlertmanagerPlace(urls=(deaf.url,), watchdog={"alertname": "Watchdog"})
        alerts = Alertmanagers(Settings(alertmanagers=(place,)))
        (found,) = of_alerts(alerts)
        alerts.close()
    assert not found.well
    assert "none reaches it" in found.message


def read(server: Server, wanted: dict[str, str]) -> None:
    settings = AlertmanagerSettings("one", (f"{server.url}/prefix/",), "shop", bearer_token="canary-token-31")
    source = Alertmanager(settings, OriginRules.parse([], [server.url]))
    try:
        source.read(wanted, PATIENCE)
    finally:
        source.close()


def test_each_label_is_a_filter_of_its_own_and_escaped() -> None:
    with serving(Peer()) as server:
        read(server, {"alertname": "A", "service": 'we"b\\1'})
    request = server.requests[0]
    url = urlsplit(request.line.split()[1])
    assert url.path == "/prefix/api/v2/alerts"
    assert parse_qsl(url.query) == [("filter", 'alertname="A"'), ("filter", 'service="we\\"b\\\\1"')]
    assert (request.headers["authorization"], request.headers["x-scope-orgid"]) == ("Bearer canary-token-31", "shop")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param("401 Unauthorized", b"", CredentialsRejected, id="refused"),
        pytest.param("404 Not Found", b"", RollbackError, id="no-api-v2"),
        pytest.param("200 OK", b"<html>", RollbackError, id="a-login-page"),
        pytest.param("200 OK", b'{"status":"success","data":[]}', RollbackError, id="api-v1"),
        pytest.param("200 OK", b'[{"labels":{},"status":{}}]', RollbackError, id="no-state"),
        pytest.param(
            "200 OK", b'[{"labels":{},"status":{"state":"active"},"startsAt":"soon"}]', RollbackError, id="no-start"
        ),
    ],
)
def test_an_answer_that_is_not_the_documented_one_is_never_no_alert(
    status: str, body: bytes, error: type[RollbackError]
) -> None:
    with serving(canned(status, body)) as server, pytest.raises(error) as told:
        read(server, {"alertname": "A"})
    assert "canary" not in str(told.value)


def test_doctor_names_the_peer_that_does_not_answer() -> None:
    with serving(Peer(GOOD)) as well, serving(Peer([], DOWN)) as ill:
        alerts = Alertmanagers(Settings(alertmanagers=(AlertmanagerPlace(urls=(well.url, ill.url)),)))
        found = [(one.part, one.well, one.message) for one in of_alerts(alerts)]
        alerts.close()
    assert found == [
        (f"alerts {well.url}", True, "answers"),
        (f"alerts {ill.url}", False, "Alertmanager answers HTTP 503"),
    ]
