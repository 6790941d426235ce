"""Whole worlds in memory: the real controller keeps its promises in them, and each world can be told again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from planted_bugs import PLANTED

from gitops_rollback.sandbox.simulation.promises import PROMISES
from gitops_rollback.sandbox.simulation.running import run, simulate, told
from gitops_rollback.sandbox.simulation.setup import SCENARIOS

TRACES = "from gitops_rollback.sandbox.simulation.running import run; print(*(run(seed).trace for seed in range(6)))"
DESIGN = {str(number) for number in range(1, 22)}

# Worlds in which something went wrong once: (scenario, seed) -> what it was.
REGRESSIONS = {
    ("plain", 0): "our rollback of one application made the failure of every other one a question",
    ("all", 5): "decisions of a push whose answer was lost stood in the journal twice",
    ("all", 29): "a fault that began just before a second sync blamed nobody and was told to nobody",
    ("all", 54): "the journal was pushed again after a lost push without a look at the remote",
    ("all", 64): "in a regional outage a good commit was rolled back, since only what was deployed lately was counted",
    ("all", 1335): "two replicas that saw different things answered each other in the journal at every tick",
    ("all", 1591): "the commit of an incident and its record had two different ids",
    (
        "all",
        5247,
    ): "a commit was rolled back in the minute in which an outage ended, since only the others were well again",
    ("lies", 1): "a plan that waited for a word blinded for the next bad release",
    ("lies", 5): "an incident was verified by one application while another one was still red",
}


def test_a_hundred_worlds_break_no_promise() -> None:
    results = list(simulate(100, jobs=os.cpu_count() or 1))
    assert not [told(result) for result in results if result.violations]
    assert sum(result.rollbacks for result in results) > 50  # worlds in which nothing happens prove nothing
    assert sum(result.verified for result in results) > 30


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - {"all"}))
def test_each_kind_of_world_breaks_no_promise(scenario: str) -> None:
    results = [run(seed, scenario) for seed in range(4)]
    assert not [told(result) for result in results if result.violations]


@pytest.mark.parametrize(("scenario", "seed"), REGRESSIONS, ids=lambda value: str(value))
def test_what_went_wrong_once_stays_right(scenario: str, seed: int) -> None:
    result = run(seed, scenario)
    assert not result.violations, told(result)


def test_a_seed_tells_the_same_story_whatever_the_order_of_sets_is() -> None:
    traces = [_traces(hash_seed) for hash_seed in ("1", "4242")]
    assert traces[0] == traces[1]
    assert len(set(traces[0])) == 6


def _traces(hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", TRACES], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.split()


def test_a_broken_promise_is_told_with_its_story_and_the_command_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    PLANTED["one-bad-policy-stops-the-loop"].patch(monkeypatch)
    text = told(run(0))
    assert "controller-1" in text
    assert "promise 17 (one bad input cannot stop or crash the work on the others)" in text
    assert "gitops-rollback simulate --seeds 1 --from 0 --scenario all" in text


def test_every_promise_has_a_check_that_says_which_one_it_is() -> None:
    assert {promise.number for promise in PROMISES} == DESIGN
    assert all(promise.check or promise.at_end for promise in PROMISES)
