"""What a controller of its own makes of a revert after a promotion: told in numbers, and never a reason to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plan_facts import DEPLOYMENT, FILE, facts

from gitops_rollback.core.guards.facts import ChangedFile, LiveObject
from gitops_rollback.core.guards.promoted import judge_promoted
from gitops_rollback.core.new_pods import WorkloadFacts
from gitops_rollback.core.policy import GuardResult

PROMOTED = {"stableRS": "b", "currentPodHash": "b"}
STEPS = [{"setWeight": 20}, {"pause": {"duration": "5m"}}, {"setWeight": 60}, {"pause": {"duration": 90}}]


def rollout(strategy: object, status: object = PROMOTED, **spec: object) -> LiveObject:
    named = {"kind": "Rollout", "metadata": {"name": "web"}, "spec": {"strategy": strategy, **spec}}
    return LiveObject(named, {**named, "status": status})


def canary(analysis: object, **spec: object) -> LiveObject:
    named = {"kind": "Canary", "metadata": {"name": "web"}, "spec": {"analysis": analysis, **spec}}
    return LiveObject(named, {**named, "status": {"phase": "Succeeded"}})


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (rollout({"canary": {"steps": STEPS}}), "through 4 steps again, at least 6m30s; set `spec.rollbackWindow"),
        (rollout({"canary": {"steps": [{"pause": {"duration": "1h"}}]}}), "at least 1h, longer than syncTimeout 10m"),
        (rollout({"canary": {"steps": [{"pause": {}}]}}), "1 step again, at least 0s and a person's promotion"),
        (rollout({"canary": {"steps": [{"analysis": {}}]}}), "at least 0s and analyses"),
        (rollout({"canary": {"steps": STEPS}}, {"stableRS": "a", "currentPodHash": "b"}), "back to its stable version"),
        (
            rollout({"canary": {"steps": STEPS}}, rollbackWindow={"revisions": 3}),
            "through 4 steps again, at least 6m30s; none of them if that version is one of its last 3",
        ),
        (rollout({"canary": {}}, rollbackWindow={"revisions": 3}), "no controller takes it through"),
        (rollout({"blueGreen": {"autoPromotionEnabled": False}}), "a person's promotion; promote it by hand"),
        (rollout({"canary": {}}), "no controller takes it through"),
        (
            canary({"interval": "1m", "stepWeight": 10, "maxWeight": 45}),
            "through 5 steps again, at least 5m; `rolling.skipAnalysis`",
        ),
        (canary({"interval": "30s", "iterations": 10}), "through 10 steps again, at least 5m"),
        (canary({}), "nobody can tell for how long"),
        (canary({}, skipAnalysis=True), "promotes without analysis"),
        (LiveObject({"kind": "Rollout"}, {"kind": "Rollout"}), "no controller takes it through"),
    ],
)
def test_it_is_told_what_a_revert_goes_through(one: LiveObject, words: str) -> None:
    answer = judge_promoted(replace(facts(), live=(one,)))
    assert answer.result is GuardResult.ALLOW
    assert words in answer.message


def replica_set(tag: str, day: int, uid: str = "web-uid", pod_hash: str = "") -> dict[str, Any]:
    owner = {"uid": uid, "controller": True}
    labels = {"rollouts-pod-template-hash": pod_hash or tag}
    made = {"labels": labels, "creationTimestamp": f"2026-11-{day:02}T10:00:00Z", "ownerReferences": [owner]}
    pods = {"containers": [{"image": f"registry.example/checkout:{tag}"}, {"image": "envoy:1"}]}
    return {"metadata": made, "spec": {"template": {"spec": pods}}}


def told(*replica_sets: dict[str, Any], window: int, back_to: str = "1.41.2", stable: str = "1.42.0") -> str:
    """What is said where the plan takes the image from 1.42.0 back."""
    spec = {"strategy": {"canary": {"steps": STEPS}}, "rollbackWindow": {"revisions": window}}
    metadata = {"name": "web", "namespace": "shop", "uid": "web-uid"}
    status = {"stableRS": stable, "currentPodHash": stable}
    live = {"kind": "Rollout", "metadata": metadata, "spec": spec, "status": status}
    before = DEPLOYMENT.encode()
    changed = ChangedFile(FILE, before, before.replace(b"1.42.0", back_to.encode()))
    seen = (WorkloadFacts(live, replica_sets),)
    return judge_promoted(replace(facts(), live=(LiveObject(live, live),), files=(changed,), workloads=seen)).message


OLDER = (replica_set("1.40.0", 1), replica_set("1.41.2", 2), replica_set("1.41.3", 3), replica_set("1.42.0", 4))


@pytest.mark.parametrize(
    ("window", "back_to", "words"),
    [
        (2, "1.41.2", "replays none of its 4 steps: within rollbackWindow, it lies 2 versions back, of 2"),
        (
            1,
            "1.41.2",
            "through 4 steps again, at least 6m30s; it is not within rollbackWindow: it lies 2 versions back, of 1",
        ),
        (
            3,
            "1.39.0",
            "no ReplicaSet of it is left (envoy:1, registry.example/checkout:1.39.0)",
        ),
    ],
)
def test_no_step_is_replayed_within_the_rollback_window(window: int, back_to: str, words: str) -> None:
    assert words in told(*OLDER, window=window, back_to=back_to)


def test_a_version_that_was_made_again_after_this_one_is_not_within_the_window() -> None:
    again = (replica_set("1.42.0", 1), replica_set("1.41.2", 2))

    assert "it came after the one that serves now" in told(*again, window=5)


@pytest.mark.parametrize(
    ("replica_sets", "words"),
    [
        pytest.param((), "the ReplicaSet that serves now is not there", id="none"),
        pytest.param((replica_set("1.42.0", 4, uid="another"),), "serves now is not there", id="of another"),
        pytest.param(
            (*OLDER, replica_set("1.41.2", 1, pod_hash="other-settings")), "several of its ReplicaSets run", id="two"
        ),
    ],
)
def test_whether_it_is_within_the_window_is_never_guessed(replica_sets: tuple[dict[str, Any], ...], words: str) -> None:
    said = told(*replica_sets, window=2)

    assert "through 4 steps again, at least 6m30s; none of them if" in said
    assert words in said


def test_a_change_of_settings_alone_is_told_by_the_images_that_stay() -> None:
    settings = (replica_set("1.42.0", 3, pod_hash="before"), replica_set("1.42.0", 4))

    assert "it lies 1 version back, of 2" in told(*settings, window=2, back_to="1.42.0")


def test_a_plan_that_skips_the_analysis_says_so() -> None:
    one = canary({"interval": "1m", "stepWeight": 10})

    said = judge_promoted(replace(facts(), live=(one,), skipped="web")).message

    assert said.startswith("Canary web promotes without analysis: the revert says so")


def test_what_the_engine_lists_and_does_not_show_is_not_passed_over() -> None:
    told = judge_promoted(replace(facts(), live=(), owners=(("Canary", "web"),))).message
    assert told == "whether Canary web takes it through steps again cannot be seen"
    known = judge_promoted(replace(facts(), live=(canary({}),), owners=(("Canary", "web"),))).message
    assert "cannot be seen" not in known
    skips = judge_promoted(replace(facts(), live=(), owners=(("Canary", "web"),), skipped="web")).message
    assert skips.startswith("Canary web promotes without analysis")


def test_what_runs_and_cannot_be_seen_is_said_too() -> None:
    assert "cannot be seen" in judge_promoted(replace(facts(), live=None)).message
