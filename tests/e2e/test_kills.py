"""A controller that dies at any moment and is started again ends in the same history: one revert, verified."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from kill_plans import COVERING, labels, random_tale
from killed_stories import Killed, tell_killed
from told_stories import SideBySide, side_by_side

from gitops_rollback.crash_points import VARIABLE
from gitops_rollback.sandbox.world import run_command

AT_ONCE = 5  # a story mostly waits
REGRESSIONS: tuple[int, ...] = ()  # seeds of the soak that once found a fault
TALES = (*COVERING, *(random_tale(seed) for seed in REGRESSIONS))


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide[Killed]]:
    """Those tales that the selected tests ask for, told side by side."""
    out = tmp_path_factory.mktemp("kills")
    jobs = {tale.name: partial(tell_killed, tale, out / tale.name) for tale in TALES}
    with side_by_side(request, jobs, AT_ONCE) as told:
        yield told


@pytest.mark.parametrize("name", [tale.name for tale in TALES])
def test_deaths_change_nothing_in_the_end(kills: SideBySide[Killed], name: str) -> None:
    told = kills.told(name)
    assert told.broken == (), told.explain()
    assert told.hits, told.explain()


@pytest.mark.parametrize("name", [tale.name for tale in COVERING if tale.replicas == 1])
def test_each_died_where_it_was_to_die(kills: SideBySide[Killed], name: str) -> None:
    told = kills.told(name)
    assert {death.label for death in told.tale.deaths} <= set(told.hits), told.explain()


def test_every_crash_point_is_tried() -> None:
    assert {death.label for tale in COVERING for death in tale.deaths if death.place} == labels()
    assert len(labels()) >= 40


def test_tales_from_seeds_know_their_labels_and_come_back_the_same() -> None:
    tales = [random_tale(seed) for seed in range(200)]
    assert tales == [random_tale(seed) for seed in range(200)]
    assert {death.label for tale in tales for death in tale.deaths} - {"moment", "asked"} == labels()


@pytest.mark.parametrize(
    ("place", "repo", "words"),
    [
        pytest.param("after-send:2", "https://git.example.com/shop/config.git", "every origin must be loopback"),
        pytest.param("after send", "http://127.0.0.1:9/shop/config.git", "must be label:n"),
        pytest.param("after-send:0", "http://127.0.0.1:9/shop/config.git", "must be label:n"),
    ],
)
def test_a_crash_point_is_refused_beyond_loopback_and_if_misspelt(
    tmp_path: Path, place: str, repo: str, words: str
) -> None:
    environment = {**os.environ, VARIABLE: place, "GITOPS_ROLLBACK_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [*run_command(), "--repo", repo], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert f"{VARIABLE}: " in done.stderr
    assert words in done.stderr
