"""CONTRIBUTING.md shows a whole small engine: it is installed as the page says, and what is its own is asked of it."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from engine_of_the_page_door import page_door
from kubernetes_server import UNSERVED, Reply, api, reply, status
from page_packages import ENGINE, blocks, installed

from gitops_rollback.adapters.engines.installed import UNVOUCHED
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.policies.reader import ReadPolicy, read_policy
from gitops_rollback.adapters.policies.schema import json_schema
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.target_index import TargetIndex
from gitops_rollback.app.wiring import wire
from gitops_rollback.app.wiring_installed import installed_engines
from gitops_rollback.core.deployments import deployments
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, SettingsInvalid, StalledError
from gitops_rollback.core.selecting import Selectable
from gitops_rollback.core.sync import ApplicationId, Health, SyncStatus
from gitops_rollback.ports import Engine

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CARTS = ApplicationId("fleet", "GitRepo", "fleet-default", "carts")
COMMIT = "c" * 40
GONE = status(404, "NotFound", 'gitrepos "carts" not found', name="carts", kind="gitrepos")
QUICK = KubernetesSettings(timeout=timedelta(seconds=5))

Make = Callable[[Any], Engine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with installed(tmp_path, ENGINE):
        yield lambda kubernetes: fleet(kubernetes)


class Standing:
    """A clock that stands, and by which no wait is long."""

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0

    def real_seconds(self, duration: timedelta) -> float:
        return duration.total_seconds() / 1000


def fleet(kubernetes: Any) -> Engine:
    """As the product finds it, whose name is that of the entry point."""
    (engine,) = installed_engines(kubernetes, Standing(), ())
    return engine


def carts(spec: dict[str, Any] | None = None, observed: int = 3, **summary: object) -> dict[str, Any]:
    """As the API gives it; counts of zero are left out there."""
    where = {"repo": "https://git.example.com/config.git", "branch": "main", "paths": ["/carts"]}
    return {
        "apiVersion": "fleet.cattle.io/v1alpha1",
        "kind": "GitRepo",
        "metadata": {
            "name": "carts",
            "namespace": "fleet-default",
            "uid": "u-1",
            "generation": 3,
            "resourceVersion": "7",
        },
        "spec": where | (spec or {}),
        "status": {
            "observedGeneration": observed,
            "commit": COMMIT,
            "summary": summary or {"desiredReady": 1, "ready": 1},
        },
    }


def listed(*items: dict[str, Any]) -> Reply:
    kind = {"apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepoList"}
    return reply({**kind, "metadata": {"resourceVersion": "9"}, "items": list(items)})


def test_it_has_each_method_of_the_port_with_the_same_parameters(make: Make) -> None:
    with api(listed()) as (client, _):
        engine = make(client)
    for name, method in inspect.getmembers(Engine, inspect.isfunction):
        if not name.startswith("_"):
            asked = list(inspect.signature(method).parameters)[1:]
            assert list(inspect.signature(getattr(engine, name)).parameters) == asked, name


def test_the_list_and_one_alone_say_the_same_and_call_nothing_deployed(make: Make) -> None:
    with api(listed(carts())) as (client, server):
        (one,) = make(client).applications()
        assert make(client).probe() == ()
        assert server.requests[0].line.startswith("GET /apis/fleet.cattle.io/v1alpha1/gitrepos?")
    with api(reply(carts())) as (client, _):
        assert make(client).application(CARTS, "") == one
        assert make(client).application(CARTS, "another-project") is None
    assert (one.id, one.health, one.sync, one.malformed) == (CARTS, Health.HEALTHY, SyncStatus.UNKNOWN, "")
    assert [(source.path, source.target_revision) for source in one.sources] == [("carts", "main")]
    assert one.sync_revisions == (COMMIT,)
    assert deployments(one) == ()


@pytest.mark.parametrize(
    ("found", "health"),
    [
        pytest.param(carts(desiredReady=2, ready=1, errApplied=1), Health.DEGRADED, id="not-applied"),
        pytest.param(carts(desiredReady=2, ready=1, waitApplied=1), Health.PROGRESSING, id="under-way"),
        pytest.param(carts(desiredReady=2, ready=1, notReady=1), Health.UNKNOWN, id="starting-or-broken"),
        pytest.param(carts(desiredReady=2, notReady=1, pending=1), Health.UNKNOWN, id="under-way-or-broken"),
        pytest.param(carts(desiredReady=2, ready=1), Health.UNKNOWN, id="one-is-not-counted"),
        pytest.param(carts(desiredReady=0), Health.UNKNOWN, id="no-cluster-at-all"),
        pytest.param(carts(observed=2), Health.UNKNOWN, id="of-an-older-object"),
        pytest.param(carts(desiredReady=1, ready="1"), Health.UNKNOWN, id="a-text"),
        pytest.param(carts() | {"status": {}}, Health.UNKNOWN, id="new"),
    ],
)
def test_health_is_never_guessed(make: Make, found: dict[str, Any], health: Health) -> None:
    with api(listed(found)) as (client, _):
        (one,) = make(client).applications()
    assert one.health is health
    assert bool(one.malformed) == ("'1'" in str(found["status"]))


def test_what_it_cannot_do_it_refuses_and_writes_nothing(make: Make) -> None:
    with api(reply(carts())) as (client, server):
        engine = make(client)
        for ask in (engine.refresh, engine.live_objects):
            with pytest.raises(StalledError) as refused:
                ask(CARTS, "")
            assert refused.value.reason is Reason.FEATURE_NOT_BUILT
        with pytest.raises(StalledError):
            engine.sync(CARTS, "", True, {})
        engine.terminate(CARTS, "")
        assert {one.line.split()[0] for one in server.requests} == {"GET"}


def test_what_is_in_the_way_is_told_the_most_telling_first(make: Make) -> None:
    with api(reply(carts({"paused": True, "revision": "v1"}))) as (client, _):
        found = make(client).obstacles(CARTS, "")
        with pytest.raises(StalledError) as refused:
            make(client).sync(CARTS, "", True, {})
    expected = [Reason.SUSPENDED_APPLICATION, Reason.PINNED_SOURCE, Reason.FEATURE_NOT_BUILT]
    assert [one.reason for one in found[:3]] == expected
    assert found[3:] == (UNVOUCHED,)
    assert refused.value.reason is Reason.SUSPENDED_APPLICATION


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param(reply(status(403, "Forbidden", "no"), 403), CredentialsRejected, id="no-rights"),
        pytest.param(reply(status(503, "ServiceUnavailable", "no"), 503), EngineUnavailable, id="down"),
        pytest.param(UNSERVED, EngineUnavailable, id="no-fleet"),
    ],
)
def test_gone_is_told_from_no_rights_and_from_no_answer(make: Make, script: Reply, error: type[Exception]) -> None:
    with api(script, QUICK) as (client, _):
        engine = make(client)
        for ask in (engine.applications, lambda: engine.application(CARTS, "")):
            with pytest.raises(error):
                ask()
        assert engine.probe() != ()
    with api(reply(GONE, 404)) as (client, _):
        assert make(client).application(CARTS, "") is None
        with pytest.raises(EngineUnavailable):
            make(client).sync(CARTS, "", True, {})


def test_the_watch_wakes_for_what_is_there_and_for_each_change(make: Make) -> None:
    answers = [listed(carts()), UNSERVED, listed(carts()), listed(carts(desiredReady=1, errApplied=1)), listed()]
    stop = threading.Event()
    woken: list[ApplicationId] = []

    def script(*asked: Any) -> None:
        answer = answers.pop(0)
        if not answers:
            answers.append(answer)
        answer(*asked)

    def wake(one: ApplicationId) -> None:
        woken.append(one)
        if len(woken) == 3:
            stop.set()

    with api(script) as (client, _):
        watching = threading.Thread(target=make(client).watch, args=(wake, stop))
        watching.start()
        assert stop.wait(30)
        watching.join(30)
    assert woken == [CARTS] * 3


def test_an_engine_that_breaks_is_one_that_does_not_answer(tmp_path: Path) -> None:
    head = "def applications(self):\n"
    with (
        installed(tmp_path, ENGINE, lambda code: code.replace(head, f"{head}        raise KeyError(self)\n")),
        api(listed(carts())) as (client, _),
        pytest.raises(EngineUnavailable, match="raised KeyError"),
    ):
        fleet(client).applications()


def test_it_cannot_tell_of_the_applications_of_another_engine(tmp_path: Path) -> None:
    with (
        installed(tmp_path, ENGINE, lambda code: code.replace("access.instance,", '"flux",')),
        api(listed(carts())) as (client, _),
        pytest.raises(EngineUnavailable, match="an application of flux"),
    ):
        fleet(client).applications()


def test_one_that_cannot_be_made_or_has_the_name_of_another_is_refused_by_name(tmp_path: Path) -> None:
    with api(listed()) as (client, _):
        with (
            installed(tmp_path / "a", ENGINE, lambda _code: "raise ImportError('canary')"),
            pytest.raises(SettingsInvalid, match=r"fleet: .*cannot be used: ImportError"),
        ):
            fleet(client)
        with installed(tmp_path / "b", ENGINE), pytest.raises(SettingsInvalid, match="fleet"):
            installed_engines(client, Standing(), [fleet(client)])


def test_without_a_cluster_there_is_none(tmp_path: Path) -> None:
    with installed(tmp_path, ENGINE):
        assert installed_engines(None, Standing(), ()) == ()


def test_the_settings_that_lead_to_a_cluster_lead_to_it_beside_our_own(tmp_path: Path) -> None:
    with page_door(tmp_path) as door:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(door.kubernetes.kubeconfig())
        path = tmp_path / "gitops-rollback.yaml"
        path.write_text(f"flux: {{}}\nkubernetes: {{kubeconfig: {kubeconfig}}}\n")
        parts = wire(load_settings({"HOME": str(tmp_path)}, {"config": str(path)}))
        assert [one.instance for one in parts.engines] == ["flux", "fleet"]
        (carts_here,) = parts.engines[1].applications()
        parts.close()
    assert carts_here.id == CARTS
    assert UNVOUCHED in carts_here.obstacles


def policy_of(change: Callable[[str], str] = str) -> ReadPolicy:
    """As `lint` and the controller read the policy of the page."""
    return read_policy(change(blocks(ENGINE, "yaml")[1]).encode(), "carts.yaml", "a" * 40)


def test_a_policy_means_an_application_of_the_engine_by_name_and_by_selector(tmp_path: Path) -> None:
    by_name = "application: {namespace: fleet-default, name: carts, kind: GitRepo}"
    selecting = "selector: {namespace: fleet-*}"
    with installed(tmp_path, ENGINE):
        read, pattern = policy_of(), policy_of(lambda text: text.replace(by_name, selecting))
    assert read.faults == pattern.faults == ()
    for policy in (read.policy, pattern.policy):
        assert policy is not None
        index = TargetIndex([policy])
        found = index.naming(CARTS, Selectable(CARTS))
        assert found is not None
        assert (found[1].name, found[1].engine) == ("carts", "fleet")
        of_flux = replace(CARTS, instance="flux", kind="Kustomization")
        assert index.naming(of_flux, Selectable(of_flux)) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param((", kind: GitRepo", ""), "`fleet` needs `kind`", id="no-kind"),
        pytest.param(("kind: GitRepo", "kind: GitRepo, instance: flux"), "no other instance", id="another-instance"),
        pytest.param(("engine: fleet", "engine: flet"), "did you mean `fleet`?", id="misspelt"),
    ],
)
def test_a_policy_that_cannot_mean_any_of_them_says_so(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with installed(tmp_path, ENGINE):
        read = policy_of(lambda text: text.replace(*change))
    assert read.policy is None
    assert says in str(read.faults)


def test_a_policy_of_an_engine_that_is_not_installed_is_refused_and_the_schema_knows_those_that_are(
    tmp_path: Path,
) -> None:
    (fault,) = policy_of().faults
    assert (fault.line, fault.message) == (8, "`engine`: `fleet` is no engine that is known or installed here")
    assert fault.fix == "known: argocd, flux; install the package that brings another"
    with installed(tmp_path, ENGINE):
        assert "fleet" in json.dumps(json_schema())
    assert "fleet" not in json.dumps(json_schema())
