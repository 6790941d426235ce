"""A seed tells the same story whatever the order of sets, and on each Python: a dozen worlds are told again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = {"all": 3, "zombie": 1, "race": 1, "kills": 1, "people": 1, "flux": 1}  # how many of each scenario
TRACES = """
import sys
from gitops_rollback.sandbox.simulation.running import run
for scenario, seeds in zip(sys.argv[1::2], sys.argv[2::2]):
    print(*(run(seed, scenario).trace for seed in range(int(seeds))))
"""


@pytest.fixture(scope="module")
def told() -> list[dict[str, list[str]]]:
    """By each order of sets and each Python the traces of each scenario; a process tells all of them."""
    runs = [_traces(hash_seed, python) for hash_seed, python in [("1", sys.executable), *_others()]]
    printed = [done.communicate(timeout=600)[0].splitlines() for done in runs]
    assert all(done.returncode == 0 for done in runs)
    return [{name: line.split() for name, line in zip(SEEDS, lines, strict=True)} for lines in printed]


@pytest.mark.parametrize("scenario", SEEDS)
def test_a_seed_tells_the_same_story_whatever_the_order_of_sets_and_the_python(
    scenario: str, told: list[dict[str, list[str]]]
) -> None:
    assert len(told) > 1
    assert all(one[scenario] == told[0][scenario] for one in told)
    assert len(set(told[0][scenario])) == SEEDS[scenario]


def _traces(hash_seed: str, python: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    asked = (str(part) for pair in SEEDS.items() for part in pair)
    return subprocess.Popen([python, "-c", TRACES, *asked], env=environment, stdout=subprocess.PIPE, text=True)


def _others() -> Iterator[tuple[str, str]]:
    """Another order of sets, and each other Python on the path, or named in the environment, that has what we need."""
    yield "4242", sys.executable
    named = os.environ.get("GITOPS_ROLLBACK_PYTHONS", "").split(os.pathsep)
    found = (shutil.which(name) for name in (*filter(None, named), "python3.12", "python3.13", "python3.14"))
    for python in dict.fromkeys(filter(None, found)):
        needs = [python, "-c", "import gitops_rollback.sandbox.simulation.running"]
        if subprocess.run(needs, cwd=ROOT, capture_output=True, timeout=60).returncode == 0:
            yield "7", python
