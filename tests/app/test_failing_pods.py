"""Who changed what the failing Pods run? Said where somebody sees the Pods, and by nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_world import MINUTE, POLICIES, START, World, policy, running, ship

from gitops_rollback.core.errors import EngineUnavailable
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import Workload
from gitops_rollback.core.sync import ApplicationState

IMAGE = "registry.example/web"
PATH = "apps/web/web.yaml"
PODS = """\
    - name: pods
      type: crashLoop
      severity: auto_rollback
"""


def _watching_pods() -> str:
    named = "name: web}\n      workload: {kind: Deployment, namespace: shop, name: web}\n"
    return (
        policy("web").replace("name: web}\n      data", f"{named}      data").replace("  timing:", f"{PODS}  timing:")
    )


def _object(kind: str, uid: str, owner: str, at: datetime, **more: Any) -> dict[str, Any]:
    metadata = {
        "name": uid,
        "uid": uid,
        "generation": 2,
        "creationTimestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "annotations": {"deployment.kubernetes.io/revision": "2"},
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    return {"kind": kind, "metadata": metadata, **more}


def _crashing(image: str, t0: datetime) -> WorkloadFacts:
    """A Deployment whose only new Pod crashed three times."""
    template = {"spec": {"containers": [{"name": "web", "image": image}]}}
    restarted = {"name": "web", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    status = {"phase": "Running", "containerStatuses": [restarted]}
    return WorkloadFacts(
        _object("Deployment", "web", "", t0, spec={"template": template}, status={"observedGeneration": 2}),
        (_object("ReplicaSet", "set", "web", t0, spec={"template": template}),),
        (_object("Pod", "pod", "set", t0, spec={"nodeName": "a"}, status=status),),
    )


@dataclass
class Seen:
    """The cluster, as far as somebody may look into it."""

    image: str
    t0: datetime
    blind: bool = False

    def read(self, application: ApplicationState, workload: Workload) -> WorkloadFacts:
        if self.blind:
            raise EngineUnavailable("default", "forbidden")
        return _crashing(self.image, self.t0)


def _suspects(world: World, image: str, blind: bool = False) -> Sequence[str]:
    """One sync brought a release, and then a setting; its Pods crash, or nobody sees them and the errors tell."""
    running(world, "web")
    world.people.push("Watch the Pods", {f"{POLICIES}/web.yaml": _watching_pods()}, START - 50 * MINUTE)
    ship(world, "web", START - 3 * MINUTE)
    text = world.people.read(PATH).replace("info", "debug")
    newest = world.people.push("Log in debug", {PATH: text}, START - 2 * MINUTE)
    world.workloads = Seen(image, START + timedelta(seconds=1), blind)
    one = world.replica()
    world.engine.deploy("web", newest, START)
    if blind:
        world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, START + 5 * MINUTE)[-1]
    (record,) = [one for one in tick.view.journal.records.values() if one.commit]
    suspects = record.evidence["suspects"]
    assert isinstance(suspects, list)
    return [str(one) for one in suspects]


def test_the_commit_that_set_the_failing_image_is_the_likeliest_though_it_is_older(world: World) -> None:
    first, second = _suspects(world, f"{IMAGE}:1.1")
    assert "Ship web 1.1" in first
    assert f"sets {IMAGE}:1.1, which the failing Pods run (taken 8 times as likely)" in first
    assert "failing Pods run" not in second
    assert "changes Deployment web, whose Pods fail (taken 3 times as likely)" in second


@pytest.mark.parametrize(("image", "blind"), [("registry.example/other:1.1", False), (f"{IMAGE}:1.1", True)])
def test_another_image_or_pods_that_nobody_sees_are_no_evidence(world: World, image: str, blind: bool) -> None:
    first, _ = _suspects(world, image, blind)
    assert "Log in debug" in first
    assert "failing Pods run" not in first
    assert ("whose Pods fail" in first) is not blind
