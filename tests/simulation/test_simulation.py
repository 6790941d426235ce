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
    ("race", 59): "a plan of a look that came late was pushed on the head of an earlier tick",
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
