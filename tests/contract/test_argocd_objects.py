"""Argo CD by its objects: what is special about this door, against the sandbox's Kubernetes API."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argocd_server import recorded
from engine_doors import PROJECT, SHOP, TIMES, until
from sandbox_kubernetes_world import cluster
from test_argocd_stories import BEGAN, STORIES, Look, seen_in_turn
from test_engine_suite import INFO, watching

from gitops_rollback.adapters.engines.argocd_objects import ArgoCdObjects
from gitops_rollback.adapters.engines.argocd_objects_settings import ArgoCdObjectsSettings
from gitops_rollback.adapters.engines.argocd_windows import manual_sync_obstacles
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.home import is_here
from gitops_rollback.adapters.kubernetes.settings import KubernetesSettings
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watched import WatchedCluster
from gitops_rollback.core.deployments import contains_our_operation
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, Reason, StalledError
from gitops_rollback.sandbox.kubernetes import KubernetesSandbox, Rule
from gitops_rollback.sandbox.kubernetes.kinds import APP_PROJECT, APPLICATION, DEPLOYMENT, JOB

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
HEAD = {"apiVersion": "argoproj.io/v1alpha1"}
PATCHES: dict[str, Any] = {"verbs": ("patch",), "plural": "applications"}


@dataclass
class Cluster:
    """`now` is what the engine takes for the present."""

    api: KubernetesSandbox
    engine: Any
    now: datetime = NOW

    def put(self, application: dict[str, Any]) -> None:
        """Let the object be as it is there, whatever it was."""
        metadata = application["metadata"]
        key = (APPLICATION, metadata["name"], metadata["namespace"])
        if self.api.store.find(*key) is None:
            plain = {name: metadata[name] for name in ("name", "namespace")}
            self.api.store.create(APPLICATION, {**HEAD, "kind": "Application", "metadata": plain, "spec": {}})

        def write(body: dict[str, Any]) -> None:
            kept = {name: metadata[name] for name in ("annotations", "labels") if name in metadata}
            known = {name: body["metadata"][name] for name in body["metadata"] if name not in ("annotations", "labels")}
            new = {name: value for name, value in copy.deepcopy(application).items() if name != "metadata"}
            body.clear()
            body.update({**HEAD, "kind": "Application", **new, "metadata": {**known, **kept}})

        self.api.store.change(*key, write)

    def shop(self) -> dict[str, Any]:
        return self.api.store.get(APPLICATION, "shop", "argocd")


def shop(**more: Any) -> dict[str, Any]:
    """A small application that is well."""
    source = {"repoURL": "https://git.example/config.git", "path": "apps/shop", "targetRevision": "main"}
    return {
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": PROJECT,
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"syncOptions": ["PruneLast=true"], "retry": {"limit": 3}},
        },
        "status": {"sync": {"status": "Synced", "revision": "a" * 40}, "health": {"status": "Healthy"}},
        **more,
    }


def unmanaged(**more: Any) -> dict[str, Any]:
    """One that no controller compares, so that the first write is the operation."""
    made = shop(**more)
    made["metadata"]["annotations"] = {"argocd.argoproj.io/skip-reconcile": "true"}
    return made


@contextmanager
def argocd(**options: Any) -> Iterator[Cluster]:
    with cluster(**options) as api:
        wire = Transport(api.url, None, Fixed.token(api.token))
        with closing(Kubernetes(wire, "argocd", KubernetesSettings(timeout=timedelta(seconds=20)))) as client:
            watched = WatchedCluster(client, TIMES)
            made = Cluster(api, None)
            settings = ArgoCdObjectsSettings(
                refresh_timeout=timedelta(seconds=1), look_every=timedelta(milliseconds=10), server=api.url
            )
            made.engine = ArgoCdObjects(settings, watched, watched, lambda: made.now)
            metadata = {"name": PROJECT, "namespace": "argocd"}
            api.store.create(APP_PROJECT, {**HEAD, "kind": "AppProject", "metadata": metadata, "spec": {}})
            yield made


@pytest.fixture
def at() -> Iterator[Cluster]:
    with argocd() as made:
        made.put(shop())
        yield made


@pytest.mark.parametrize(("story", "app", "expected"), STORIES, ids=[story for story, _, _ in STORIES])
def test_a_recorded_story_is_concluded_from_its_objects(
    shared: Path, story: str, app: str, expected: list[str]
) -> None:
    looks: list[Look] = []
    with argocd() as made:
        for entry in recorded(shared, story, "applications.jsonl"):
            found: Any = entry["object"]
            made.now = BEGAN + timedelta(seconds=float(str(entry["t"])))
            if entry["type"] == "DELETED":
                made.api.store.delete(APPLICATION, found["metadata"]["name"], found["metadata"]["namespace"])
                continue
            made.put(found)
            states = [state for state in made.engine.applications() if state.id.name == app]
            assert {state.malformed for state in states} <= {""}
            looks += [Look(float(str(entry["t"])), state) for state in states if found["metadata"]["name"] == app]
    assert seen_in_turn(looks) == expected


def test_an_operation_is_written_as_argo_cds_server_writes_it(at: Cluster) -> None:
    ended = {"phase": "Succeeded", "startedAt": "2026-11-23T08:00:00Z", "operation": {"sync": {}}}
    at.put(shop(status={**shop()["status"], "operationState": ended}))
    assert at.engine.sync(SHOP, PROJECT, True, INFO)
    assert at.shop()["operation"] == {
        "sync": {"prune": True, "syncOptions": ["PruneLast=true"]},
        "initiatedBy": {"username": "gitops-rollback"},
        "info": [{"name": "rollback-id", "value": INFO["rollback-id"]}],
        "retry": {"limit": 3},
    }
    assert "operationState" not in at.shop()["status"]
    assert at.shop()["spec"] == shop()["spec"]


def test_whoever_was_faster_is_looked_at_before_it_is_written_again(at: Cluster) -> None:
    at.put(unmanaged())
    at.api.refuse(409, times=2, **PATCHES)
    assert at.engine.sync(SHOP, PROJECT, True, INFO)
    at.put(unmanaged())
    at.api.refuse(409, times=None, **PATCHES)
    with pytest.raises(EngineUnavailable, match="changed 5 times"):
        at.engine.sync(SHOP, PROJECT, True, INFO)
    assert "operation" not in at.shop()


def test_an_operation_that_comes_between_reading_and_writing_stays(at: Cluster) -> None:
    at.put(unmanaged())
    at.api.slow(1.0, times=1, **PATCHES)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(at.engine.sync(SHOP, PROJECT, True, INFO)))
    thread.start()
    until(lambda: any(one.startswith("PATCH") for one in at.api.requests), "it writes")
    foreign = {"sync": {}, "initiatedBy": {"automated": True}}
    at.put(unmanaged(operation=foreign))
    thread.join(20)
    assert answers == [False]
    assert at.shop()["operation"] == foreign


def test_the_branch_is_compared_first_and_what_auto_sync_begins_then_stays(at: Cluster) -> None:
    """Without it the next event would deploy the bad revision again: it is compared with what was seen last."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(at.engine.sync(SHOP, PROJECT, True, INFO)))
    thread.start()
    until(lambda: "argocd.argoproj.io/refresh" in at.shop()["metadata"].get("annotations", {}), "it is compared")
    assert "operation" not in at.shop()
    began = {"sync": {"revision": "b" * 40}, "initiatedBy": {"automated": True}}
    at.put(shop(operation=began))  # without the annotation: it has been compared
    thread.join(20)
    assert answers == [False]
    assert at.shop()["operation"] == began


def test_a_write_of_which_nobody_heard_the_answer_is_not_made_twice(at: Cluster) -> None:
    at.put(unmanaged())
    at.api.cut(times=1, done=True, **PATCHES)
    with pytest.raises(EngineUnavailable):
        at.engine.sync(SHOP, PROJECT, True, INFO)
    assert not at.engine.sync(SHOP, PROJECT, True, INFO)
    state = at.engine.application(SHOP, PROJECT)
    assert state is not None
    assert contains_our_operation(state, INFO["rollback-id"])


@pytest.mark.parametrize(
    ("phase", "pending", "ended"),
    [("Running", True, True), ("Terminating", True, False), ("Succeeded", True, False), ("Running", False, False)],
)
def test_only_what_runs_is_ended(at: Cluster, phase: str, pending: bool, ended: bool) -> None:
    state = {"phase": phase, "startedAt": "2026-11-23T08:00:00Z", "operation": {"sync": {}}}
    more = {"operation": {"sync": {}}} if pending else {}
    at.put(shop(status={**shop()["status"], "operationState": state}, **more))
    at.engine.terminate(SHOP, PROJECT)
    assert (at.shop()["status"]["operationState"]["phase"] == "Terminating") == (ended or phase == "Terminating")
    assert len(at.api.writes) == ended


def test_what_is_being_deleted_is_not_synced(at: Cluster) -> None:
    at.api.store.change(APPLICATION, "shop", "argocd", lambda body: body["metadata"].update(finalizers=["x"]))
    at.api.store.delete(APPLICATION, "shop", "argocd")
    with pytest.raises(EngineUnavailable, match="deleting"):
        at.engine.sync(SHOP, PROJECT, True, INFO)


def test_a_hard_refresh_that_is_on_its_way_is_not_made_a_normal_one(at: Cluster) -> None:
    annotations = {"argocd.argoproj.io/refresh": "hard"}
    at.put(shop(metadata={**shop()["metadata"], "annotations": annotations}))
    with pytest.raises(EngineUnavailable, match="not compared within 1 s"):
        at.engine.refresh(SHOP, PROJECT)
    assert at.shop()["metadata"]["annotations"] == annotations


def test_each_missing_right_is_named_and_no_project_means_no_sync() -> None:
    rules = (Rule(("argoproj.io",), ("applications",), ("get", "list")),)
    with argocd(rules=rules) as made:
        made.put(shop())
        told = "\n".join(made.engine.probe())
        for verb in ("watch applications", "patch applications", "get and list appprojects", "list deployments"):
            assert f"the right to {verb}" in told
        with pytest.raises(CredentialsRejected):
            made.engine.obstacles(SHOP, PROJECT)
        with pytest.raises(CredentialsRejected):
            made.engine.sync(SHOP, PROJECT, True, INFO)
        assert "operation" not in made.shop()


def test_the_watch_lists_again_after_410_and_believes_no_old_event(at: Cluster) -> None:
    with watching(at.engine) as woken:
        until(lambda: at.api.watches == 1, "it watches")
        at.put(shop(status={**shop()["status"], "health": {"status": "Degraded"}}))
        until(lambda: at.engine.applications()[0].health == "Degraded", "it is heard")
        at.api.jump_back(1)
        at.api.expire()
        at.api.watch_error(410)
        woken.clear()
        at.put(shop())
        until(lambda: SHOP in woken and at.engine.applications()[0].health == "Healthy", "it goes on")


def test_live_objects_are_those_of_the_application_with_what_was_applied_last(at: Cluster) -> None:
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    put_live(at, "web", applied=wanted)
    put_live(at, "stranger")
    at.put(listing({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"},
                   {"group": "batch", "kind": "Job", "namespace": "shop", "name": "migrate", "hook": True},
                   {"kind": "ConfigMap", "namespace": "shop", "name": "settings"}))  # fmt: skip
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate", "namespace": "shop"}, "spec": {}}
    at.api.store.create(JOB, job)
    (found,) = at.engine.live_objects(SHOP, PROJECT)
    assert found.desired == wanted
    assert found.live["spec"]["replicas"] == 5


@pytest.mark.parametrize("what", ["another cluster", "nothing applied", "no status"])
def test_workloads_that_cannot_be_seen_are_no_empty_list(at: Cluster, what: str) -> None:
    put_live(at, "web")
    value = listing({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"})
    if what == "another cluster":
        value["spec"]["destination"] = {"server": "https://elsewhere.example:6443", "namespace": "shop"}
    if what == "no status":
        del value["status"]["resources"]
    at.put(value)
    with pytest.raises(EngineUnavailable if what == "no status" else StalledError):
        at.engine.live_objects(SHOP, PROJECT)


def test_a_cluster_that_is_named_by_the_address_that_we_speak_to_is_this_one(at: Cluster) -> None:
    """As an Argo CD that runs outside of the cluster names it."""
    put_live(at, "web", {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3}})
    value = listing({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"})
    value["spec"]["destination"] = {"server": at.api.url, "namespace": "shop"}
    at.put(value)
    (found,) = at.engine.live_objects(SHOP, PROJECT)
    assert found.live["metadata"]["name"] == "web"
    state = at.engine.application(SHOP, PROJECT)
    assert is_here(state.destination, f"{at.api.url}/")


def listing(*resources: dict[str, Any]) -> dict[str, Any]:
    return shop(status={**shop()["status"], "resources": list(resources)})


def put_live(at: Cluster, name: str, applied: object = None) -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)} if applied else {}
    metadata = {"name": name, "namespace": "shop", "annotations": annotations}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 5}}
    at.api.store.create(DEPLOYMENT, body)


def window(**more: Any) -> dict[str, Any]:
    """A window that denies from 08:00 to 09:00 UTC."""
    base = {"kind": "deny", "schedule": "0 8 * * *", "duration": "1h", "applications": ["sh*"]}
    return {name: value for name, value in {**base, **more}.items() if value is not None}


@pytest.mark.parametrize(
    ("windows", "closed"),
    [
        ([window()], True),
        ([window(duration="30m")], False),
        ([window(timeZone="Europe/Berlin")], False),
        ([window(schedule="0 9 * * *", timeZone="Europe/Berlin")], True),
        ([window(applications=["cart"])], False),
        ([window(applications=["{cart,shop}"])], True),
        ([window(applications=None)], False),
        ([window(applications=None, namespaces=["sh?p"])], True),
        ([window(applications=None, clusters=["https://kubernetes*"])], True),
        ([window(andOperator=True, namespaces=["other"])], False),
        ([window(andOperator=True, namespaces=["shop"])], True),
        ([window(manualSync=True)], False),
        ([window(manualSync=True), window()], True),
        ([window(kind="allow")], False),
        ([window(kind="allow", schedule="0 10 * * *")], True),
        ([window(kind="allow", schedule="0 10 * * *", manualSync=True)], False),
        ([window(schedule="every day")], True),
        ([window(duration="long")], True),
        ([window(timeZone="Nowhere/City")], True),
    ],
)
def test_when_a_window_is_in_the_way(windows: list[dict[str, Any]], closed: bool) -> None:
    found = manual_sync_obstacles({"spec": {"syncWindows": windows}}, shop(), NOW)
    assert [one.reason for one in found] == [Reason.WINDOW_CLOSED] * closed
