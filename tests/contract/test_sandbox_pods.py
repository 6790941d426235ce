"""Do the sandbox's Pods come and go as Kubernetes' controllers and its kubelet have them?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitops_rollback.sandbox.argocd.cluster import Cluster
from gitops_rollback.sandbox.argocd.spec import Timing
from gitops_rollback.sandbox.argocd.tree import objects
from gitops_rollback.sandbox.kubernetes.pods import TROUBLES, crashing
from gitops_rollback.sandbox.kubernetes.rollouts import while_rolling

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
Json = dict[str, Any]


def rolling(surge: object, unavailable: object) -> Json:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


@pytest.mark.parametrize(
    ("spec", "wanted", "pods"),
    [
        pytest.param({}, 1, (1, 1), id="one"),
        pytest.param({}, 2, (1, 2), id="two"),
        pytest.param({}, 4, (2, 3), id="four"),
        pytest.param({}, 10, (5, 8), id="ten"),
        pytest.param(rolling(0, 1), 3, (1, 2), id="in-place"),
        pytest.param(rolling("100%", 0), 3, (3, 3), id="side-by-side"),
        pytest.param(rolling("0%", "10%"), 3, (1, 2), id="both-round-to-nothing"),
        pytest.param({"strategy": {"type": "Recreate"}}, 3, (3, 0), id="recreate"),
    ],
)
def test_so_many_pods_of_each_template_there_are_until_a_new_one_is_ready(
    spec: Json, wanted: int, pods: tuple[int, int]
) -> None:
    assert while_rolling(spec, wanted) == pods


def test_a_crashing_container_restarts_at_once_and_then_ever_later() -> None:
    """Each run takes three seconds here; the rests are the kubelet's."""
    restarts, moment = {}, NOW
    while moment < NOW + timedelta(minutes=30):
        seen, change = crashing(NOW, moment)
        restarts.setdefault(seen.restarts, (moment - NOW).total_seconds())
        assert change > moment
        moment = change
    assert list(restarts.values())[:6] == [0, 3, 16, 39, 82, 165]
    later = list(restarts.values())[-2:]
    assert later[1] - later[0] == 303


def deployment(tag: str, replicas: int = 2) -> Json:
    pods = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": f"web:{tag}"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pods}
    about = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": spec}


def shown(cluster: Cluster, after: float) -> tuple[list[str], Json]:
    """The images of the Pods, each with whether it is ready, and the Deployment's status."""
    found = [body for body, _ in objects(cluster, NOW + timedelta(seconds=after))]
    pods = [body for body in found if body["kind"] == "Pod"]
    said = [f"{one['spec']['containers'][0]['image']} {one['status']['containerStatuses'][0]['ready']}" for one in pods]
    return sorted(said), next(body["status"] for body in found if body["kind"] == "Deployment")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_old_pods_serve_until_the_new_ones_are_ready_or_the_old_are_asked_for_again(trouble: str) -> None:
    cluster = Cluster(Timing(ready=5, settle=1))
    cluster.apply(deployment("1"), NOW)
    assert shown(cluster, 4)[0] == ["web:1 False"] * 2
    assert shown(cluster, 5)[0] == ["web:1 True"] * 2
    cluster.apply(deployment(f"2-{trouble}"), NOW + timedelta(seconds=10))
    pods, status = shown(cluster, 500)
    assert pods == ["web:1 True", "web:1 True", f"web:2-{trouble} False"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 1, 2)
    assert reason(status) == "ReplicaSetUpdated"
    late = shown(cluster, 610)[1]
    assert reason(late) == "ProgressDeadlineExceeded"
    cluster.apply(deployment("1"), NOW + timedelta(seconds=700))
    pods, status = shown(cluster, 700)
    assert (pods, status["observedGeneration"]) == (["web:1 True"] * 2, 2)
    pods, status = shown(cluster, 701)
    assert (pods, status["observedGeneration"], reason(status)) == (["web:1 True"] * 2, 3, "NewReplicaSetAvailable")


def reason(status: Json) -> str:
    return str(next(one["reason"] for one in status["conditions"] if one["type"] == "Progressing"))


def test_a_change_beside_the_template_makes_no_new_pods() -> None:
    cluster = Cluster(Timing())
    cluster.apply(deployment("1"), NOW)
    before = [body["metadata"]["uid"] for body, _ in objects(cluster, NOW + timedelta(seconds=60))]
    cluster.apply(deployment("1", replicas=3), NOW + timedelta(seconds=60))
    after = [body["metadata"]["uid"] for body, _ in objects(cluster, NOW + timedelta(seconds=120))]
    assert (len(before), len(after), set(before) - set(after)) == (4, 5, set())
