"""Engine answers E1 to E10 by the Kubernetes API: what objects of Flux and Argo CD say that nobody should act on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from canned_http import canned
from flux_objects_made import applied, entry, git_repository, helm_chart, helm_release, snapshot
from kubernetes_server import TYPE, UNSERVED, Reply, Script, api, bookmark, event, reply, status, streaming

from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_settings import FluxSettings
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.adapters.kubernetes.watching import WatchTimes
from gitops_rollback.core.convergence import converged
from gitops_rollback.core.deployments import deployments, watched
from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health
from gitops_rollback.ports import Engine

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
SHA = "a" * 40
JSON_200 = "200 OK"


@dataclass(frozen=True)
class Side:
    """One engine, a well-formed object of its, and where that keeps what the inputs spoil."""

    plural: str
    api_version: str
    application: ApplicationId
    made: Callable[[], dict[str, Any]]
    others: Callable[[], dict[str, list[dict[str, Any]]]]
    engine: Callable[[WatchedCluster], Engine]


def application() -> dict[str, Any]:
    source = {"repoURL": "https://git.example/config.git", "path": "apps/cart", "targetRevision": "main"}
    times = {"deployStartedAt": "2026-11-23T09:00:00Z", "deployedAt": "2026-11-23T09:00:02Z"}
    spec = {"project": "default", "source": source, "destination": {"server": "https://kubernetes.default.svc"}}
    state = {"phase": "Succeeded", "startedAt": "2026-11-23T09:00:00Z", "finishedAt": "2026-11-23T09:00:02Z"}
    return {
        "kind": "Application",
        "metadata": {"name": "cart", "namespace": "argocd", "uid": "uid-cart"},
        "spec": spec,
        "status": {
            "sync": {"status": "Synced", "revision": SHA},
            "health": {"status": "Healthy"},
            "reconciledAt": "2026-11-23T09:00:03Z",
            "history": [{"id": 1, "revision": SHA, "source": source, **times}],
            "operationState": {**state, "operation": {"sync": {"revision": SHA}}, "syncResult": {"revision": SHA}},
        },
    }


def kustomization() -> dict[str, Any]:
    return applied("a", [entry("1", "a", "09:00:00", "09:00:00")])


def source() -> dict[str, Any]:
    return {**git_repository(), "apiVersion": "source.toolkit.fluxcd.io/v1"}


CHART = "1.0.0+" + SHA[:12]  # of the commit that it was made from
IN_GIT = {"chart": "./charts/bill", "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"


def release() -> dict[str, Any]:
    return helm_release(CHART, [snapshot(1, CHART, "09:00:00")], owner="", chart={"spec": IN_GIT})


def around_a_release() -> dict[str, list[dict[str, Any]]]:
    chart = {**helm_chart(CHART, **IN_GIT), "apiVersion": "source.toolkit.fluxcd.io/v1"}
    return {"kustomizations": [], "helmcharts": [chart], "gitrepositories": [source()]}


SIDES = {
    "argocd": Side(
        "applications",
        "argoproj.io/v1alpha1",
        ApplicationId("default", "Application", "argocd", "cart"),
        application,
        dict,
        lambda cluster: ArgoCdObjects(ArgoCdObjectsSettings(), cluster, cluster, lambda: NOW),
    ),
    "flux": Side(
        "kustomizations",
        KUSTOMIZE,
        ApplicationId("flux", "Kustomization", "flux-system", "cart"),
        kustomization,
        lambda: {"gitrepositories": [source()]},
        lambda cluster: Flux(FluxSettings(), cluster, cluster, lambda: NOW),
    ),
    "helm": Side(
        "helmreleases",
        "helm.toolkit.fluxcd.io/v2",
        ApplicationId("flux", "HelmRelease", "flux-system", "bill"),
        release,
        around_a_release,
        lambda cluster: Flux(FluxSettings(), cluster, cluster, lambda: NOW),
    ),
}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    return SIDES[request.param]


def served(side: Side, *objects: dict[str, Any], answer: Reply | None = None) -> Reply:
    """Lists and single objects as they are given; `answer` instead, wherever the applications are asked for."""
    known = {side.plural: list(objects), **side.others()}

    def serve(connection: Any, request: Any) -> None:
        path = request.line.split()[1].partition("?")[0].split("/")
        plural = next((name for name in known if name in path), "")
        if plural == side.plural and answer is not None:
            answer(connection, request)
        elif not plural:
            UNSERVED(connection, request)
        elif path[-1] == plural:
            reply(_list(side, plural, known[plural]))(connection, request)
        else:
            found = [one for one in known[plural] if one["metadata"]["name"] == path[-1]]
            missing = reply(status(404, "NotFound", "gone", name=path[-1]), 404)
            (reply(_whole(side, plural, found[0])) if found else missing)(connection, request)

    return serve


def _whole(side: Side, plural: str, body: dict[str, Any]) -> dict[str, Any]:
    version = side.api_version if plural == side.plural else body["apiVersion"]
    return {**body, "apiVersion": version, "metadata": {"resourceVersion": "7", **body["metadata"]}}


def _list(side: Side, plural: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    items = [_whole(side, plural, one) for one in bodies]
    none = KUSTOMIZE if plural == "kustomizations" else side.api_version
    version = items[0]["apiVersion"] if items else none
    return {"kind": "List", "apiVersion": version, "metadata": {"resourceVersion": "7"}, "items": items}


@contextmanager
def engine_at(side: Side, script: Reply) -> Iterator[Engine]:
    with api(script) as (client, _):
        yield side.engine(WatchedCluster(client, WatchTimes(first_wait=0.02, longest_wait=0.1)))


def seen(side: Side, change: Callable[[dict[str, Any]], None]) -> ApplicationState:
    """What the engine says of an object that `change` has spoiled; alone it is the same as in the list."""
    body = side.made()
    change(body)
    with engine_at(side, served(side, body)) as engine:
        (listed,) = engine.applications()
        alone = engine.application(side.application, listed.project)
    assert alone == listed
    return listed


def arrived(state: ApplicationState, revision: str = SHA) -> bool:
    return converged(state, lambda one: one == revision, LONG_AGO)[0]


def test_the_unspoiled_object_has_arrived(side: Side) -> None:
    state = seen(side, lambda body: None)
    assert arrived(state)
    assert [one.revisions for one in deployments(state)] == [(SHA,)]


@pytest.mark.parametrize(
    "answer",
    [
        canned(JSON_200, b"<html>Please log in</html>", "Content-Type: text/html"),
        canned(JSON_200, b"<html>Please log in</html>", TYPE),
        canned(JSON_200, b"", TYPE),
        canned(JSON_200, b"null", TYPE),
    ],
    ids=["html", "html that says json", "empty", "null"],
)
def test_e1_a_login_page_is_no_list_and_no_missing_application(side: Side, answer: Reply) -> None:
    with engine_at(side, served(side, answer=answer)) as engine:
        with pytest.raises(EngineUnavailable):
            engine.applications()
        with pytest.raises(EngineUnavailable):
            engine.application(side.application, "")


@pytest.mark.parametrize("body", [b'{"kind": "List", "items": [{"meta', b"[" * 100_000], ids=["cut", "deep"])
def test_e2_what_is_no_readable_json_is_no_answer(side: Side, body: bytes) -> None:
    with engine_at(side, served(side, answer=canned(JSON_200, body, TYPE))) as engine:
        with pytest.raises(EngineUnavailable, match="JSON"):
            engine.applications()
        with pytest.raises(EngineUnavailable, match="JSON"):
            engine.application(side.application, "")


@pytest.mark.parametrize("value", [None, {}], ids=["absent", "empty"])
def test_e3_an_object_without_a_status_is_not_well_and_has_no_deployment(side: Side, value: Any) -> None:
    state = seen(side, lambda body: body.pop("status") if value is None else body.update(status=value))
    assert not arrived(state)
    assert state.health is not Health.HEALTHY
    assert watched(state, NOW, timedelta(hours=1)) is None


def test_e3_a_history_that_is_null_is_an_empty_one(side: Side) -> None:
    state = seen(side, lambda body: body["status"].update(history=None))
    assert state.malformed == ""
    assert state.history == () or side.application.kind == "Kustomization"


@pytest.mark.parametrize("revision", ["", "aaaaaaa", "v1.2.3", "main@sha1:" + "b" * 40, "b" * 40])
def test_e4_and_e5_a_revision_of_any_form_is_never_taken_for_ours(side: Side, revision: str) -> None:
    def write(body: dict[str, Any]) -> None:
        status = body["status"]
        if side.application.kind == "Application":
            status["sync"]["revision"] = status["operationState"]["syncResult"]["revision"] = revision
        else:
            status["lastAppliedRevision"] = status["lastAttemptedRevision"] = revision

    assert not arrived(seen(side, write))


@pytest.mark.parametrize("finished", ["2031-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "yesterday"])
def test_e6_an_end_in_the_future_or_before_the_start_breaks_nothing(finished: str) -> None:
    argo = seen(SIDES["argocd"], lambda body: body["status"]["operationState"].update(finishedAt=finished))
    assert deployments(argo)[-1].started_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert (argo.malformed != "") == (finished == "yesterday")

    def write(body: dict[str, Any]) -> None:
        body["status"]["history"][0]["lastReconciled"] = finished

    flux = seen(SIDES["flux"], write)
    assert [one.revisions for one in deployments(flux)] == [(SHA,)]

    helm = seen(SIDES["helm"], lambda body: body["status"]["history"][0].update(lastDeployed=finished))
    assert [one.revisions for one in deployments(helm)] == ([] if finished == "yesterday" else [(SHA,)])
    assert (helm.malformed != "") == (finished == "yesterday")


def test_e7_words_that_nobody_knows_are_neither_well_nor_over() -> None:
    def write(body: dict[str, Any]) -> None:
        body["status"]["operationState"]["phase"] = "Dancing"
        body["status"]["health"]["status"] = "Splendid"

    argo = seen(SIDES["argocd"], write)
    assert argo.health is Health.UNKNOWN
    assert not arrived(argo)
    for side in (SIDES["flux"], SIDES["helm"]):
        assert not arrived(seen(side, lambda body: body["status"]["conditions"][0].update(status="Perhaps")))
    assert not arrived(seen(SIDES["helm"], lambda body: body["status"]["history"][0].update(status="dancing")))


def test_e8_one_name_in_two_namespaces_is_two_applications(side: Side) -> None:
    twin = side.made()
    twin["metadata"] = {**twin["metadata"], "namespace": "team-b", "uid": "uid-twin"}
    with engine_at(side, served(side, side.made(), twin)) as engine:
        found = [state.id.namespace for state in engine.applications()]
    assert sorted(found) == sorted([side.application.namespace, "team-b"])


def test_e9_ten_thousand_history_entries_are_not_all_kept(side: Side) -> None:
    state = seen(side, lambda body: body["status"].update(history=body["status"]["history"] * 10_000))
    assert len(state.history) <= 100
    assert arrived(state)


@pytest.mark.parametrize(
    "piece",
    [
        event("ERROR", status(410, "Expired", "too old")),
        event("ERROR", {"kind": "Status"}),
        bookmark(9),
        event("MODIFIED", {"metadata": {"name": "cart", "namespace": "x", "resourceVersion": "3"}}),
        event("MODIFIED", {"metadata": {"name": "cart", "resourceVersion": "9"}}),
        event("DANCED", {"metadata": {"name": "cart", "resourceVersion": "9"}}),
        b"{}\n",
    ],
    ids=["410", "an error that says nothing", "bookmark", "going back", "without a uid", "of no kind", "empty"],
)
def test_e10_no_event_of_a_watch_makes_an_application_well_or_gone(side: Side, piece: bytes) -> None:
    """Whatever a watch says, what is shown is the true list, or an error."""
    listed = served(side, side.made())
    told = threading.Event()

    def serve(connection: Any, request: Any) -> None:
        if "watch=true" not in request.line:
            listed(connection, request)
            return
        streaming(piece)(connection, request)
        told.set()

    with engine_at(side, Script([serve], [serve])) as engine:
        stop = threading.Event()
        thread = threading.Thread(target=engine.watch, args=(lambda _: None, stop))
        thread.start()
        try:
            assert told.wait(20)
            states = engine.applications()
            single = engine.application(side.application, states[0].project)
        finally:
            stop.set()
            thread.join(30)
    assert not thread.is_alive()
    assert single is not None
    assert arrived(single)
    assert side.application in [one.id for one in states]
    assert [one.id for one in states if arrived(one)] == [side.application]
