"""What a controller of its own makes of a revert after a promotion: told in numbers, and never a reason to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_facts import facts

from gitops_rollback.core.guards.facts import LiveObject
from gitops_rollback.core.guards.promoted import judge_promoted
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
            "skips its steps for a version of its",
        ),
        (rollout({"blueGreen": {"autoPromotionEnabled": False}}), "a person's promotion; promote it by hand"),
        (rollout({"canary": {}}), "no controller takes it through"),
        (
            canary({"interval": "1m", "stepWeight": 10, "maxWeight": 45}),
            "through 5 steps again, at least 5m; set `spec",
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


def test_what_runs_and_cannot_be_seen_is_said_too() -> None:
    assert "cannot be seen" in judge_promoted(replace(facts(), live=None)).message
