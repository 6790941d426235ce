"""What `doctor` says of engines that are not there, of events that do not come, and of clocks that go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flux_cluster import FakeChanges, FakeCluster
from flux_objects_made import applied

from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.app import checkup_live
from gitops_rollback.app.checkup import Finding, of_engines, of_obstacles
from gitops_rollback.app.checkup_live import not_tried, of_clock, of_events
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, Obstacle, SyncStatus

NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
FLUX, ARGOCD = "kustomizations", "applications"


def engines(*unserved: str, changes: FakeChanges | None = None) -> tuple[ArgoCdObjects, Flux]:
    cluster = FakeCluster(unserved=set(unserved))
    cluster.put("kustomizations", applied("a", None))
    followed = changes or FakeChanges()
    argocd = ArgoCdObjectsSettings(instance="default", look_every=timedelta(seconds=1), server="https://cluster")
    return ArgoCdObjects(argocd, cluster, followed, lambda: NOW), Flux(FluxSettings(), cluster, followed, lambda: NOW)


def marks(findings: Iterator[Finding]) -> dict[str, str]:
    """The first word of each part: is it well, ill, or not known?"""
    found = [*findings]
    return {one.part: "ill" if not one.well else "well" if one.checked else "unknown" for one in reversed(found)}


def test_an_engine_that_nobody_named_and_that_is_not_there_is_no_fault() -> None:
    assert marks(of_engines(engines(ARGOCD), found=True)) == {"engine default": "unknown", "engine flux": "well"}
    assert marks(of_engines(engines(ARGOCD), found=False)) == {"engine default": "ill", "engine flux": "well"}


def test_a_cluster_with_neither_of_them_is_one() -> None:
    found = [*of_engines(engines(ARGOCD, FLUX), found=True)]
    assert marks(iter(found)) == {"engine default": "unknown", "engine flux": "unknown", "engine": "ill"}
    assert "has neither Argo CD nor Flux" in found[-1].message
    assert "--kubeconfig" in found[-1].remedy


def test_events_that_arrive_are_well() -> None:
    _, flux = engines(changes=FakeChanges({"kustomizations": [applied("a", None)]}))
    assert [one.message for one in of_events(flux)] == ["arrive"]


def test_events_that_do_not_come_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup_live, "EVENTS_WITHIN", 0.05)
    (found,) = of_events(engines()[1])
    assert not found.well
    assert found.message == "none came within 0.05 s: changes are only seen at each look"


@pytest.fixture
def serve() -> Iterator[Callable[[datetime | None], str]]:
    """A server whose clock shows this time, or that does not say; its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(at: datetime | None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response_only(401)
                if at is not None:
                    self.send_header("Date", format_datetime(at, usegmt=True))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class SetClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds()


@pytest.mark.parametrize(
    ("ahead", "mark", "message"),
    [
        (timedelta(seconds=3), "well", "agrees with metrics default"),
        (timedelta(seconds=90), "ill", "metrics default is 1m30s ahead of this machine"),
        (-timedelta(hours=1), "ill", "metrics default is 1h behind this machine"),
        (None, "unknown", "not checked: no server that is asked says what time it is"),
    ],
)
def test_a_clock_that_goes_wrong_is_told(
    serve: Callable[[datetime | None], str], ahead: timedelta | None, mark: str, message: str
) -> None:
    url = serve(None if ahead is None else NOW + ahead)
    found = of_clock(load_settings({"HOME": "/nowhere", "PROMETHEUS_URL": url}, {}), SetClock())
    assert (marks(iter([found])), found.message) == ({"clock": mark}, message)


@pytest.mark.parametrize(
    ("reason", "signs", "mark"),
    [
        (Reason.SIGNED_COMMITS_ONLY, False, "ill"),
        (Reason.SIGNED_COMMITS_ONLY, True, "well"),
        (Reason.SUSPENDED_SOURCE, True, "ill"),
        (Reason.IMAGE_AUTOMATION, False, "well"),
    ],
)
def test_what_keeps_the_engine_from_applying_a_revert_is_told(reason: Reason, signs: bool, mark: str) -> None:
    known = ApplicationId("flux", "Kustomization", "flux-system", "shop")
    state = ApplicationState(
        known, "uid", "", "", "shop", (), SyncStatus.SYNCED, (), Health.HEALTHY, NOW,
        obstacles=(Obstacle(reason, "in the way", "mend it"),),
    )  # fmt: skip
    assert marks(of_obstacles(state, signs)) == {"flux-system/shop": mark}


def test_what_is_left_out_is_said_and_is_no_fault() -> None:
    assert marks(not_tried(push=False, registries=False)) == {"push": "unknown", "images": "unknown"}
    assert [*not_tried(push=True, registries=True)] == []


def project(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "argocd"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "by"),
    [
        ({"signatureKeys": [{"keyID": "4AEE18F83AFDEB23"}]}, "spec.signatureKeys"),
        ({"sourceIntegrity": {"git": {"policies": [{"gpg": {"mode": "head"}}]}}}, "spec.sourceIntegrity"),
        ({"sourceIntegrity": {"git": {"policies": [{"gpg": {"mode": "none"}}]}}}, ""),
        ({"signatureKeys": []}, ""),
    ],
)
def test_a_project_that_takes_signed_commits_only_is_told(spec: dict[str, object], by: str) -> None:
    cluster = FakeCluster()
    cluster.put("applications", {"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {}, "status": {}})
    cluster.put("appprojects", project("shop", **spec))
    argocd = ArgoCdObjectsSettings(instance="default", look_every=timedelta(seconds=1), server="https://cluster")
    found = [*of_engines([ArgoCdObjects(argocd, cluster, FakeChanges(), lambda: NOW)], found=False)]
    ill = [one for one in found if not one.well]
    assert [by in one.message and "GnuPG" in one.message for one in ill] == ([True] if by else [])
    assert all("delivery.mode: pull-request" in one.remedy for one in ill)
