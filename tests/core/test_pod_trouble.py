"""Does a new template's failure to come up show within seconds, and does nothing else look like it?"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from pods_made import Json, container, deployment, pod, replica_set, rollout, stamp, template

from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.pod_trouble import Symptom, judge_pods, restarted_since

T0 = datetime(2026, 11, 26, 12, tzinfo=UTC)
START = T0 + timedelta(seconds=2)
CRASH = "CrashLoopBackOff"


def after(**span: float) -> datetime:
    return T0 + timedelta(**span)


def judged(facts: WorkloadFacts, at: datetime = T0 + timedelta(seconds=60)) -> Symptom | None:
    return judge_pods(facts, T0, at, tuple(Symptom)).symptom


def crashed(name: str, restarts: int, **more: Any) -> Json:
    return pod(name, START, container(restarts, CRASH), **more)


def pulling(message: str, reason: str = "ErrImagePull", count: int = 1, **before: Any) -> WorkloadFacts:
    """A new image; `before` says how the template differed before in place of that."""
    sets = (
        replica_set(1, T0 - timedelta(days=3), template(**(before or {"image": "registry.example/web:v1"}))),
        replica_set(2, after(seconds=1)),
    )
    waiting = (pod(f"web-{n}", START, container(0, reason, message)) for n in range(count))
    return rollout(T0, *waiting, replica_sets=sets)


OLD = tuple(pod(f"old-{number}", T0 - timedelta(days=1), owner="r1", ready=True) for number in range(4))
NOT_FOUND = 'failed to pull and unpack image "registry.example/web:v2": registry.example/web:v2: not found'
NO_SECRET = "couldn't find key token in Secret shop/web"


@pytest.mark.parametrize(
    ("facts", "symptom"),
    [
        pytest.param(rollout(T0, crashed("a", 3), *OLD), Symptom.CRASH_LOOP, id="third-restart"),
        pytest.param(rollout(T0, crashed("a", 2), crashed("b", 2), *OLD), Symptom.CRASH_LOOP, id="second-of-all"),
        pytest.param(rollout(T0, crashed("a", 3), crashed("b", 0)), Symptom.CRASH_LOOP, id="one-crashes-first"),
        pytest.param(
            rollout(T0, pod("a", START, container(0), container(4, CRASH))), Symptom.CRASH_LOOP, id="one-of-containers"
        ),
        pytest.param(rollout(T0, crashed("a", 1, node="n1"), *OLD), None, id="first-restart"),
        pytest.param(rollout(T0, crashed("a", 2)), None, id="second-restart-of-a-single-pod"),
        pytest.param(rollout(T0, crashed("a", 2), crashed("b", 1)), None, id="not-every-pod-twice"),
        pytest.param(pulling(NOT_FOUND), Symptom.IMAGE_PULL, id="no-such-image"),
        pytest.param(pulling("", "InvalidImageName"), Symptom.IMAGE_PULL, id="no-name-of-an-image"),
        pytest.param(
            pulling(f'Back-off pulling image "registry.example/web:v2": ErrImagePull: {NOT_FOUND}', "ImagePullBackOff"),
            Symptom.IMAGE_PULL,
            id="back-off-says-why",
        ),
        pytest.param(
            rollout(T0, pod("a", START, container(0, "CreateContainerConfigError", NO_SECRET))),
            Symptom.CONFIGURATION,
            id="no-such-key",
        ),
    ],
)
def test_a_template_that_does_not_come_up(facts: WorkloadFacts, symptom: Symptom | None) -> None:
    assert judged(facts) is symptom


LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
LATE |= {"lastTransitionTime": stamp(after(seconds=30))}
NULLS = {
    "node-drained": rollout(
        T0,
        *(pod(f"web-{n}", START, container(4, CRASH), owner="r1") for n in range(4)),
        workload=deployment(revision=1),
        replica_sets=(replica_set(1, T0 - timedelta(days=3)),),
    ),
    "drained-in-the-rollout": rollout(T0, crashed("gone", 5, deletionTimestamp=stamp(after(seconds=40)))),
    "evicted": rollout(T0, crashed("gone", 5, status={"phase": "Failed", "reason": "Evicted"}), pod("b", START)),
    "old-pod-out-of-memory": rollout(
        T0, pod("old", T0 - timedelta(days=1), container(9, CRASH, why="OOMKilled"), owner="r1"), pod("new", START)
    ),
    "init-container-waits-by-failing": rollout(
        T0,
        pod("a", START, container(0, "PodInitializing"), status={"initContainerStatuses": [container(12, CRASH)]}),
    ),
    "scaled-up-while-serving": rollout(T0, pod("a", START, ready=True), *(crashed(f"b{n}", 3) for n in range(3))),
    "one-bad-node": rollout(T0, pod("a", START, ready=True, node="n1"), crashed("b", 6, node="n2")),
    "bad-node-takes-the-first": rollout(
        T0, crashed("a", 6, node="n2"), pod("old", T0 - timedelta(days=1), owner="r1", node="n2")
    ),
    "node-lost-and-back": rollout(T0, pod("a", START, container(3, CRASH, why="ContainerStatusUnknown"))),
    "another-workload": rollout(T0, crashed("cart-gateway-x", 9, ownerReferences=[{"uid": "x", "controller": True}])),
    "registry-is-down": pulling('Head "https://registry.example/v2/web": dial tcp 10.0.0.1:443: i/o timeout', count=4),
    "registry-limits": pulling("429 Too Many Requests - toomanyrequests: pull rate limit", count=4),
    "kubelet-does-not-say-why": pulling(
        'Back-off pulling image "registry.example/web:v2"', "ImagePullBackOff", 4, hostname="web"
    ),
    "tag-is-gone": pulling(NOT_FOUND, count=4, hostname="web"),
    "pull-secret-has-ended": pulling("401 Unauthorized", count=4, hostname="web"),
    "rollout-is-late-for-a-pull-secret": replace(
        pulling("401 Unauthorized", count=4, hostname="web"), workload=deployment(conditions=[LATE])
    ),
    "full-cluster": rollout(
        T0,
        pod(
            "a",
            START,
            status={
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                    | {"lastTransitionTime": stamp(START), "message": "0/3 nodes are available: 3 Insufficient cpu."}
                ],
            },
        ),
        workload=deployment(
            conditions=[
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
                | {"lastTransitionTime": stamp(after(seconds=600))}
            ]
        ),
    ),
}


def test_other_nodes_or_another_pull_secret_may_be_why_an_image_cannot_be_pulled() -> None:
    platform = "no match for platform in manifest: not found"
    assert judged(pulling(platform, nodeSelector={"kubernetes.io/arch": "amd64"})) is Symptom.IMAGE_PULL
    assert judged(pulling(NOT_FOUND, imagePullSecrets=[{"name": "old"}])) is Symptom.IMAGE_PULL


@pytest.mark.parametrize("facts", NULLS.values(), ids=NULLS)
def test_what_only_looks_like_it(facts: WorkloadFacts) -> None:
    for at in (after(seconds=60), after(minutes=5), after(minutes=25)):
        assert judged(facts, at) is None


def test_an_image_or_a_secret_may_come_a_little_late() -> None:
    early = after(seconds=20)
    assert judged(pulling(NOT_FOUND), early) is None
    assert judged(rollout(T0, pod("a", START, container(0, "CreateContainerConfigError", NO_SECRET))), early) is None


def test_a_registry_that_refuses_us_counts_only_everywhere_and_later() -> None:
    denied = "failed to authorize: unauthorized: incorrect username or password"
    assert judged(pulling(denied), after(seconds=60)) is None
    assert judged(pulling(denied, count=2), after(seconds=120)) is Symptom.IMAGE_PULL
    one = (pod("a", START, container(0, "ErrImagePull", denied)), pod("b", START))
    assert judged(rollout(T0, *one), after(seconds=120)) is None


def test_a_kubelet_that_only_says_that_it_waits_counts_late_and_for_a_new_image_alone() -> None:
    bare = container(0, "ImagePullBackOff", 'Back-off pulling image "registry.example/web:v9"')
    new = template("registry.example/web:v9")
    sets = (replica_set(1, T0 - timedelta(days=3)), replica_set(2, after(seconds=1), new))
    waiting = (pod("a", START, bare), pod("b", START, bare))
    assert judged(rollout(T0, *waiting, replica_sets=sets), after(seconds=120)) is None
    assert judged(rollout(T0, *waiting, replica_sets=sets), after(seconds=190)) is Symptom.IMAGE_PULL
    assert judged(rollout(T0, *waiting), after(minutes=25)) is None
    assert judged(rollout(T0, waiting[0], pod("b", START), replica_sets=sets), after(minutes=25)) is None


def test_an_image_may_be_called_like_an_outage() -> None:
    named = 'failed to pull image "registry.example/timeout-429:v2": registry.example/timeout-429:v2: not found'
    assert judged(pulling(named)) is Symptom.IMAGE_PULL


def test_a_template_that_asks_for_more_than_any_node_has() -> None:
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    waits = pod("a", START, status={"conditions": [{**unplaced, "lastTransitionTime": stamp(START)}]})
    sets = (
        replica_set(1, T0 - timedelta(days=3), template(requests={"cpu": "1"})),
        replica_set(2, after(seconds=1), template(requests={"cpu": "64"})),
    )
    facts = rollout(T0, waits, replica_sets=sets)
    assert judged(facts, after(seconds=60)) is None  # a node may be on its way
    assert judged(facts, after(seconds=200)) is Symptom.UNSCHEDULABLE


def test_the_progress_deadline_of_this_rollout_only() -> None:
    def exceeded(at: datetime) -> WorkloadFacts:
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        conditions = [{**late, "lastTransitionTime": stamp(at)}]
        return rollout(T0, pod("a", START), workload=deployment(conditions=conditions))

    assert judged(exceeded(after(minutes=10)), after(minutes=11)) is Symptom.PROGRESS_DEADLINE
    assert judged(exceeded(after(days=-1)), after(minutes=11)) is None


def test_only_the_symptoms_that_are_asked_for() -> None:
    facts = rollout(T0, crashed("a", 3))
    assert judge_pods(facts, T0, after(seconds=60), (Symptom.IMAGE_PULL,)).symptom is None


def test_a_template_that_came_back_is_new_only_if_somebody_saw_it_change() -> None:
    sets = (replica_set(1, after(days=-1)), replica_set(2, after(days=-2)))
    back = rollout(T0, crashed("a", 3), replica_sets=sets)
    assert judged(back) is None
    seen = rollout(T0, crashed("a", 3), replica_sets=sets, changed_at=after(seconds=1))
    assert judged(seen) is Symptom.CRASH_LOOP


def test_the_evidence_is_in_words() -> None:
    found = judge_pods(rollout(T0, crashed("web-2-x", 3), *OLD), T0, after(seconds=60), tuple(Symptom))
    assert found.why == (
        "Pod web-2-x restarted 3 times, container web last ended with Error (code 1); none of 1 new Pods is ready"
    )


@pytest.mark.parametrize(
    "facts",
    [
        WorkloadFacts(None),
        rollout(T0, workload=deployment(generation=3)),
        rollout(T0, workload=deployment(revision=7)),
        rollout(T0, pod("a", START, status={"containerStatuses": "none"})),
        rollout(T0, pod("a", START, container() | {"restartCount": "3"})),
        WorkloadFacts({"kind": "CronJob", "metadata": {"generation": 1}, "status": {"observedGeneration": 1}}),
    ],
    ids=["gone", "not-observed", "no-replica-set-yet", "no-list", "text-for-a-number", "unknown-kind"],
)
def test_what_cannot_be_told_is_unclear(facts: WorkloadFacts) -> None:
    with pytest.raises(Unclear):
        judged(facts)


def owned(kind: str, hashed: str, restarts: int, created: datetime = START, ready: bool = False, **labels: str) -> Json:
    labels = {"controller-revision-hash": hashed, **labels}
    owner = [{"kind": kind, "uid": "d", "controller": True}]
    return pod(f"web-{hashed}", created, container(restarts, CRASH), ready=ready, labels=labels, ownerReferences=owner)


def test_a_stateful_set_is_judged_by_the_pod_of_its_newest_revision() -> None:
    status = {"observedGeneration": 2, "currentRevision": "web-1", "updateRevision": "web-2"}
    workload = {**deployment(), "kind": "StatefulSet", "status": status}
    old = owned("StatefulSet", "web-1", 9, after(days=-1), ready=True)
    facts = WorkloadFacts(workload, (), (old, owned("StatefulSet", "web-2", 3)))
    assert judged(facts) is Symptom.CRASH_LOOP
    done = {**workload, "status": {**status, "currentRevision": "web-2"}}
    assert judged(WorkloadFacts(done, (), facts.pods)) is None  # made anew in place of a drained one, perhaps
    crashing_old = owned("StatefulSet", "web-1", 9, after(days=-1))
    assert judged(WorkloadFacts(workload, (), (crashing_old, owned("StatefulSet", "web-2", 1)))) is None


def test_a_daemon_set_is_judged_by_the_pods_made_for_its_newest_template() -> None:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1}
    about = {"annotations": {"deprecated.daemonset.template.generation": "5"}}
    workload = {**deployment(**about), "kind": "DaemonSet", "status": status}
    old = owned("DaemonSet", "h1", 9, after(days=-1), ready=True, **{"pod-template-generation": "4"})
    new = owned("DaemonSet", "h2", 3, **{"pod-template-generation": "5"})
    assert judged(WorkloadFacts(workload, (), (old, new))) is Symptom.CRASH_LOOP
    assert judged(WorkloadFacts(workload, (), (old,))) is None


def test_an_argo_rollout_is_judged_by_its_current_hash() -> None:
    status = {"observedGeneration": "2", "currentPodHash": "new"}
    workload = {**deployment(), "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1", "status": status}
    sets = (replica_set(1, after(days=-1)), replica_set(2, after(seconds=1)))
    sets[1]["metadata"]["labels"] = {"rollouts-pod-template-hash": "new"}
    facts = WorkloadFacts(workload, sets, (crashed("a", 3), *OLD))
    assert judged(facts) is Symptom.CRASH_LOOP


def test_restarts_count_from_the_switch_on() -> None:
    restarted = pod("a", START, container(1, ended=after(seconds=30)))
    assert restarted_since(restarted, after(seconds=20))
    assert not restarted_since(restarted, after(seconds=31))
    assert not restarted_since(pod("a", START), T0)


# The model of detection.md 4.6: four replicas, two more while rolling out, back-off from 10 s doubling to 300 s.


def lives(draw: random.Random, restarts: int) -> list[float]:
    """When a container is started, in seconds after the sync: once, and again after each end and its back-off."""
    starts = [draw.uniform(2, 8)]
    for number in range(restarts):
        starts.append(starts[-1] + draw.uniform(0.5, 6) + min(10 * 2**number, 300))
    return starts


def seen_at(second: float, pods: list[list[float]], good: bool) -> WorkloadFacts:
    shown = []
    for number, starts in enumerate(pods):
        begun = [one for one in starts if one <= second]
        ready = good and len(begun) == len(starts) and second >= starts[-1] + 5
        shown.append(pod(f"web-{number}", START, container(max(len(begun) - 1, 0)), ready=ready))
    return rollout(T0, *shown)


def first_alarm(pods: list[list[float]], good: bool) -> float | None:
    moments = sorted(moment for starts in pods for moment in starts)
    return next((one for one in moments if judged(seen_at(one, pods, good), after(seconds=one))), None)


def test_rollouts_that_crash_are_seen_in_time_and_good_ones_are_left_alone() -> None:
    draw = random.Random(46)
    bad = [first_alarm([lives(draw, 5) for _ in range(2)], good=False) for _ in range(200)]
    assert all(one is not None for one in bad)
    assert median(one for one in bad if one is not None) <= 45
    restarts = [[draw.choice((1, 2)) if draw.random() < 0.1 else 0, 0] for _ in range(2000)]
    good = [first_alarm([lives(draw, number) for number in pods], good=True) for pods in restarts]
    assert all(one is None for one in good)
