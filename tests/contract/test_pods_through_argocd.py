"""Are Pods seen through Argo CD as they are in the Kubernetes API, where no kubeconfig is at hand?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from argocd_server import Reply, engine_for, serve
from engine_doors import ArgoCdDoor, argocd_door, until
from sandbox_argocd_world import deployment

from gitops_rollback.adapters.engines.argocd import ArgoCd
from gitops_rollback.adapters.engines.argocd_workloads import ArgoCdWorkloads
from gitops_rollback.core.errors import CredentialsRejected, EngineUnavailable, RollbackError
from gitops_rollback.core.fields import Unclear, part
from gitops_rollback.core.new_pods import WorkloadFacts, new_pods
from gitops_rollback.core.pod_trouble import PodTrouble, Symptom, judge_pods
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.core.verification import judge_workload
from gitops_rollback.core.workloads import Progress, rollout_status

Json = dict[str, Any]
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.IMAGE_PULL, Symptom.CONFIGURATION)
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")
RESOURCE = "/api/v1/applications/shop/resource?project=default"
# What the API server's admission adds to each Pod, and what only it can know.
ADMISSION = {"tolerations", "priority", "enableServiceLinks", "preemptionPolicy", "nodeName"}


@dataclass
class Pods:
    """A running application, and its Pods as Argo CD shows them."""

    door: ArgoCdDoor
    reader: ArgoCdWorkloads
    workload: Workload

    def read(self) -> WorkloadFacts:
        return self.reader.read(self.door.state(), self.workload)

    def release(self, text: str) -> datetime:
        """Land it and let Argo CD apply it; the time before."""
        began = self.door.now()
        revision = self.door.push(apps__shop__web_json=text)
        self.door.world.refresh("shop")
        until(lambda: self.door.world.sandbox.deployed("shop").revision == revision, "it is applied")
        return began

    def judged(self, began: datetime) -> PodTrouble:
        try:
            return judge_pods(self.read(), began, self.door.now(), SYMPTOMS)
        except Unclear as error:
            return PodTrouble(None, f"unclear: {error}")

    def complete(self, image: str, since: datetime) -> bool:
        wanted = json.loads(of_kind(self.workload.kind, image.rpartition(":")[2]))
        return judge_workload("pods", self.read(), wanted, since, self.door.now()).ok is True


def of_kind(kind: str, tag: str) -> str:
    body = json.loads(deployment("web", tag))
    body["kind"] = kind
    body["apiVersion"] = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    del body["spec"]["progressDeadlineSeconds"]
    if kind == "DaemonSet":
        del body["spec"]["replicas"]
    return json.dumps(body)


@pytest.fixture
def pods(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pods]:
    kind = getattr(request, "param", "Deployment")
    with argocd_door("rest", tmp_path) as door:
        reader = ArgoCdWorkloads(cast(ArgoCd, door.engine))
        yield Pods(door, reader, Workload(kind, "shop", "web"))


@pytest.mark.parametrize(
    ("tag", "symptom", "words"),
    [
        pytest.param("2-crash", Symptom.CRASH_LOOP, "restarted 3 times, container web last ended with Error (code 1)"),
        pytest.param("2-missing", Symptom.IMAGE_PULL, "waits for its image: ImagePullBackOff"),
        pytest.param("2-nosecret", Symptom.CONFIGURATION, 'CreateContainerConfigError: secret "web" not found'),
    ],
)
def test_new_pods_that_do_not_come_up_are_seen_and_so_is_that_the_old_ones_are_back(
    pods: Pods, tag: str, symptom: Symptom, words: str
) -> None:
    began = pods.release(deployment("web", tag))
    until(lambda: pods.judged(began).symptom is symptom)
    assert words in pods.judged(began).why
    assert len(new_pods(pods.read()).others) == 2, "the old Pods stay meanwhile"
    reverted = pods.release(deployment("web", "1"))
    until(lambda: pods.complete("web:1", reverted), "the rollout is complete")
    assert pods.judged(reverted).symptom is None


@pytest.mark.parametrize("pods", KINDS, indirect=True)
def test_each_kind_of_workload_is_seen_to_fail_and_to_complete(pods: Pods) -> None:
    kind = pods.workload.kind
    first = pods.release(of_kind(kind, "2"))
    until(lambda: pods.complete("web:2", first), "the rollout is complete")
    pods.release(of_kind(kind, "3-crash"))
    until(lambda: len(new_pods(pods.read()).pods) == 1 and restarts(pods) >= 3, "the new Pod crashes")
    workload = pods.read().workload
    assert workload is not None
    assert rollout_status(workload).progress is Progress.WAITING


def restarts(pods: Pods) -> int:
    (one,) = new_pods(pods.read()).pods
    (container,) = cast(list[Json], part(one, "status")["containerStatuses"])
    return int(container["restartCount"])


def test_a_template_that_comes_back_takes_its_old_replica_set(pods: Pods) -> None:
    for tag in ("2", "1"):
        began = pods.release(deployment("web", tag))
        until(lambda tag=tag, began=began: pods.complete(f"web:{tag}", began), "the rollout is complete")
    nodes = pods.door.world.ask("GET", "/api/v1/applications/shop/resource-tree?project=default").json["nodes"]
    numbers = sorted(node["info"][0]["value"] for node in nodes if node["kind"] == "ReplicaSet")
    assert numbers == ["Rev:2", "Rev:3"]


def query(**named: str) -> str:
    return RESOURCE + "".join(f"&{name}={value}" for name, value in named.items())


def test_a_single_object_is_answered_as_json_text_and_what_is_not_in_the_tree_is_refused(pods: Pods) -> None:
    ask = pods.door.world.ask
    named = {"namespace": "shop", "resourceName": "web", "group": "apps", "version": "v1", "kind": "Deployment"}
    found = json.loads(ask("GET", query(**named)).json["manifest"])
    assert (found["kind"], found["metadata"]["name"], found["status"]["availableReplicas"]) == ("Deployment", "web", 2)
    absent = ask("GET", query(**{**named, "resourceName": "gone"}))
    assert (absent.status, absent.json["code"]) == (400, 3)
    assert absent.json["message"] == "Deployment apps gone not found as part of application shop"
    assert ask("GET", query(**{**named, "version": "v9"})).status == 404


class WithAGhost(ArgoCd):
    """Its cached tree shows one more Pod of the newest ReplicaSet, which has gone."""

    def below(self, application: ApplicationId, project: str, what: str, query: Mapping[str, str]) -> object:
        answer = super().below(application, project, what, query)
        if what == "resource-tree":
            nodes = cast(Json, answer)["nodes"]
            pod = next(one for one in nodes if one["kind"] == "Pod")
            nodes.append({**pod, "name": "web-ghost", "uid": "ghost"})
        return answer


def test_a_pod_that_went_while_it_was_read_is_left_out(pods: Pods) -> None:
    engine = cast(ArgoCd, pods.door.engine)
    ghostly = WithAGhost(engine._settings, engine._now)
    facts = ArgoCdWorkloads(ghostly).read(pods.door.state(), pods.workload)
    assert len(facts.pods) == 2


@pytest.mark.parametrize(
    ("status", "code", "gone"), [(404, 5, True), (400, 3, False), (403, 7, False), (500, 2, False)]
)
def test_only_not_found_says_that_an_object_is_gone(status: int, code: int, gone: bool) -> None:
    body = json.dumps({"error": "x", "code": code, "message": 'error getting resource: pods "web-1" not found'})
    with serve() as there:
        there.put("GET", "/api/v1/applications/shop/resource", Reply(status, body=body.encode()))
        engine, app = engine_for(there), ApplicationId("default", "Application", "argocd", "shop")
        if gone:
            assert engine.below(app, "default", "resource", {"resourceName": "web-1"}) is None
            return
        with pytest.raises(RollbackError):
            engine.below(app, "default", "resource", {"resourceName": "web-1"})


@pytest.mark.shared
def test_a_pod_has_the_recorded_fields(pods: Pods, shared: Path) -> None:
    lines = (shared / "recordings" / "flux" / "kubernetes-api" / "api.jsonl").read_text().splitlines()
    recorded = next(one for one in map(json.loads, lines) if one["note"] == "pods")["response"]["body"]["items"]
    running = next(one for one in recorded if "running" in one["status"]["containerStatuses"][0]["state"])
    ours = cast(Json, dict(pods.read().pods[0]))
    assert set(ours["metadata"]) == set(running["metadata"]) - {"managedFields"}
    assert set(ours["spec"]) | ADMISSION == set(running["spec"]) | ADMISSION
    assert [sorted(one) for one in ours["status"]["conditions"]] == [
        sorted(one) for one in running["status"]["conditions"]
    ]
    assert set(ours["status"]) == set(running["status"])
    assert set(ours["status"]["containerStatuses"][0]) == set(running["status"]["containerStatuses"][0])


@dataclass
class NoHelp:
    """A Kubernetes API at hand that shows no Pods."""

    error: RollbackError
    asked: int = 0

    def read(self, workload: Workload) -> WorkloadFacts:
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        pytest.param(CredentialsRejected("Kubernetes", "forbidden"), 1, id="leases-are-all-that-it-gives"),
        pytest.param(EngineUnavailable("Kubernetes", "no answer"), 2, id="down"),
    ],
)
def test_an_api_at_hand_that_shows_no_pods_is_in_nobodys_way(pods: Pods, error: RollbackError, asked: int) -> None:
    near = NoHelp(error)
    pods.reader = ArgoCdWorkloads(cast(ArgoCd, pods.door.engine), near)
    assert [pods.read().workload is None for _ in range(2)] == [False, False]
    assert near.asked == asked
