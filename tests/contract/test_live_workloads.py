"""Are Pods and rollouts read as they are now: by watches of the Kubernetes API, and through Argo CD?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from sandbox_kubernetes_world import cluster

from gitops_rollback.adapters.engines.argocd_workloads import MAX_PODS, ArgoCdWorkloads
from gitops_rollback.adapters.kubernetes.client import Kubernetes
from gitops_rollback.adapters.kubernetes.credentials import Fixed
from gitops_rollback.adapters.kubernetes.transport import Transport
from gitops_rollback.adapters.kubernetes.watching import WatchTimes
from gitops_rollback.adapters.kubernetes.workloads import FIRST_LIST, ClusterWorkloads
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, RollbackError
from gitops_rollback.core.fields import part
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, SyncStatus
from gitops_rollback.sandbox.kubernetes import By, KubernetesSandbox
from gitops_rollback.sandbox.kubernetes.access import Rule
from gitops_rollback.sandbox.kubernetes.kinds import DEPLOYMENT, POD, REPLICA_SET

Json = dict[str, Any]
WEB = Workload("Deployment", "shop", "web")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
PATIENCE = 20.0
STATE = ApplicationState(
    id=ApplicationId("default", "Application", "argocd", "web"),
    uid="u",
    project="default",
    destination="https://far.example.com",
    namespace="shop",
    sources=(),
    sync=SyncStatus.SYNCED,
    sync_revisions=(),
    health=Health.PROGRESSING,
    observed_at=NOW,
)


def owned_by(owner: Json) -> list[Json]:
    about = owner["metadata"]
    return [{"apiVersion": "v1", "kind": owner["kind"], "name": about["name"], "uid": about["uid"], "controller": True}]


def deployed(image: str = "web:v1") -> Json:
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    pods = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    about = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": {**spec, "template": pods}}


def running(sandbox: KubernetesSandbox) -> Json:
    """A Deployment with a ReplicaSet and a Pod, and beside it a Pod of somebody else. Returns the Pod."""
    owner = sandbox.store.create(DEPLOYMENT, deployed())
    spec = deployed()["spec"]
    about = {"name": "web-1", "namespace": "shop", "ownerReferences": owned_by(owner)}
    made = sandbox.store.create(
        REPLICA_SET, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": about, "spec": spec}
    )
    for name, owners in (("web-1-a", owned_by(made)), ("stranger", [])):
        about = {"name": name, "namespace": "shop", "ownerReferences": owners}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": deployed()["spec"]["template"]["spec"]}
        sandbox.store.create(POD, body)
    return sandbox.store.get(POD, "web-1-a", "shop")


@pytest.fixture
def sandbox() -> Iterator[KubernetesSandbox]:
    with cluster() as made:
        yield made


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def workloads(sandbox: KubernetesSandbox, woken: threading.Event) -> Iterator[ClusterWorkloads]:
    wire = Transport(sandbox.url, None, Fixed.token(sandbox.token))
    times = WatchTimes(first_wait=0.02, longest_wait=0.2)
    with (
        closing(Kubernetes(wire, "default")) as client,
        closing(ClusterWorkloads(client, lambda: NOW, woken.set, times)) as made,
    ):
        yield made
        sandbox.reset()


def until(condition: Callable[[], bool]) -> None:
    deadline, waiting = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        waiting.wait(0.02)


def names(facts: WorkloadFacts) -> list[str]:
    return [str(part(one, "metadata")["name"]) for one in (*facts.replica_sets, *facts.pods)]


def test_who_may_not_look_is_told_at_once(sandbox: KubernetesSandbox, workloads: ClusterWorkloads) -> None:
    sandbox.grant(sandbox.token, rules=[Rule(("coordination.k8s.io",), ("leases",), ("get",))])
    began = time.monotonic()
    with pytest.raises(CredentialsRejected):
        workloads.read(WEB)
    assert time.monotonic() - began < FIRST_LIST.total_seconds() / 2


def test_a_workload_is_read_with_all_that_it_owns(sandbox: KubernetesSandbox, workloads: ClusterWorkloads) -> None:
    assert workloads.read(WEB).workload is None
    running(sandbox)
    until(lambda: names(workloads.read(WEB)) == ["web-1", "web-1-a"])
    asked = len(sandbox.requests)
    assert names(workloads.read(WEB)) == ["web-1", "web-1-a"]
    assert len(sandbox.requests) == asked, "what is watched costs no request"


def test_a_pod_that_fails_in_a_new_way_wakes_and_other_news_do_not(
    sandbox: KubernetesSandbox, workloads: ClusterWorkloads, woken: threading.Event
) -> None:
    pod = running(sandbox)
    workloads.read(WEB)
    pod["status"] = {"containerStatuses": [{"name": "web", "restartCount": 0, "state": {"running": {}}}]}
    pod = sandbox.store.replace(POD, pod, By(status=True))
    assert not woken.is_set()
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    pod["status"] = {"containerStatuses": [{"name": "web", "restartCount": 1, "state": waiting}]}
    sandbox.store.replace(POD, pod, By(status=True))
    assert woken.wait(PATIENCE)


def test_an_init_container_wakes_by_what_it_waits_for_and_not_by_its_restarts(
    sandbox: KubernetesSandbox, workloads: ClusterWorkloads, woken: threading.Event
) -> None:
    pod = running(sandbox)
    workloads.read(WEB)
    for restarts, state in ((3, {"running": {}}), (3, {"waiting": {"reason": "PodInitializing"}})):
        pod["status"] = {"initContainerStatuses": [{"name": "wait", "restartCount": restarts, "state": state}]}
        pod = sandbox.store.replace(POD, pod, By(status=True))
    until(lambda: [one.get("status") for one in workloads.read(WEB).pods] == [pod["status"]])
    assert not woken.is_set()
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    pod["status"] = {"initContainerStatuses": [{"name": "wait", "restartCount": 3, "state": waiting}]}
    sandbox.store.replace(POD, pod, By(status=True))
    assert woken.wait(PATIENCE)


def test_a_template_that_changes_while_it_is_watched_is_remembered(
    sandbox: KubernetesSandbox, workloads: ClusterWorkloads
) -> None:
    running(sandbox)
    assert workloads.read(WEB).changed_at is None
    found = sandbox.store.get(DEPLOYMENT, "web", "shop")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "web:v2"
    sandbox.store.replace(DEPLOYMENT, found)
    until(lambda: workloads.read(WEB).changed_at == NOW)


def test_what_cannot_be_seen_is_an_error_and_never_an_empty_answer(
    sandbox: KubernetesSandbox, workloads: ClusterWorkloads
) -> None:
    running(sandbox)
    sandbox.refuse(403, times=None, plural="pods")
    with pytest.raises(RollbackError):
        workloads.read(WEB)
    with pytest.raises(EngineUnavailable, match="CronJob"):
        workloads.read(Workload("CronJob", "shop", "web"))


# Through Argo CD: the form of the tree is that of the recorded one.


def node(kind: str, name: str, uid: str, parent: str = "", **more: Any) -> Json:
    group = {} if kind == "Pod" else {"group": "apps"}
    parents = {"parentRefs": [{"kind": "ReplicaSet", "uid": parent}]} if parent else {}
    return {**group, "version": "v1", "kind": kind, "namespace": "shop", "name": name, "uid": uid, **parents, **more}


def revision(number: int) -> list[Json]:
    return [{"name": "Revision", "value": f"Rev:{number}"}]


TREE = [
    node("Pod", "web-3-a", "p1", "r3", health={"status": "Degraded"}),
    node("Pod", "web-2-a", "p2", "r2", health={"status": "Healthy"}),
    node("Deployment", "web", "d", info=revision(4)),
    node("ReplicaSet", "web-1", "r1", "d", info=revision(2)),
    node("ReplicaSet", "web-3", "r3", "d", info=revision(4)),
    node("ReplicaSet", "web-2", "r2", "d", info=revision(3)),
    node("Deployment", "cart", "x", info=revision(4)),
]


class Told:
    """Argo CD as far as it is asked: a tree, and each live object as JSON text."""

    instance = "default"

    def __init__(self, tree: object = None, manifest: str = "") -> None:
        self.tree = {"nodes": TREE} if tree is None else tree
        self.manifest = manifest
        self.asked: list[str] = []

    def below(self, application: ApplicationId, project: str, what: str, query: Mapping[str, str]) -> object:
        self.asked.append(query.get("resourceName", what))
        if what == "resource-tree":
            return self.tree
        about = {"name": query["resourceName"], "namespace": query["namespace"], "uid": "d"}
        return {"manifest": self.manifest or json.dumps({"kind": query["kind"], "metadata": about})}


class Near:
    def __init__(self, uid: str) -> None:
        self.facts = WorkloadFacts({"kind": "Deployment", "metadata": {"name": "web", "uid": uid}})

    def read(self, workload: Workload) -> WorkloadFacts:
        return self.facts


def test_through_argo_cd_the_newest_replica_sets_and_their_pods_are_read() -> None:
    engine = Told()
    facts = ArgoCdWorkloads(engine).read(STATE, WEB)
    assert names(facts) == ["web-3", "web-2", "web-3-a", "web-2-a"]
    assert engine.asked == ["resource-tree", "web", "web-3-a", "web-2-a", "web-3", "web-2"]


def test_a_healthy_pod_is_among_those_that_are_read_of_many() -> None:
    many = [node("Pod", f"bad-{number}", f"b{number}", "r3", health={"status": "Degraded"}) for number in range(50)]
    good = node("Pod", "web-3-z", "z", "r3", health={"status": "Healthy"})
    facts = ArgoCdWorkloads(Told({"nodes": [*TREE, *many, good]})).read(STATE, WEB)
    assert len(facts.pods) == MAX_PODS
    assert "web-3-z" in names(facts)


def test_the_api_at_hand_is_used_only_if_it_shows_the_very_same_object() -> None:
    same, other, engine = Near("d"), Near("of another cluster"), Told()
    reader = ArgoCdWorkloads(engine, same)
    assert reader.read(STATE, WEB) is same.facts
    assert reader.read(STATE, WEB) is same.facts
    assert engine.asked == ["resource-tree"]
    assert names(ArgoCdWorkloads(Told(), other).read(STATE, WEB)) == ["web-3", "web-2", "web-3-a", "web-2-a"]


@pytest.mark.parametrize(
    "engine",
    [Told([]), Told({"nodes": {}}), Told(manifest="{"), Told(manifest='{"metadata": {"name": "another"}}')],
    ids=["no-tree", "no-nodes", "no-json", "another-object"],
)
def test_an_answer_that_is_none_is_an_error(engine: Told) -> None:
    with pytest.raises(EngineUnavailable):
        ArgoCdWorkloads(engine).read(STATE, WEB)


def test_a_workload_that_argo_cd_does_not_know_is_not_there() -> None:
    assert ArgoCdWorkloads(Told({"nodes": None})).read(STATE, WEB) == WorkloadFacts(None)
