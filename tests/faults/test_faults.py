"""Does the controller do what it must when a fault strikes? Each fault once, side by side.

A fault that has several forms, which its seed chooses from, is played in one or two that differ most; the soak plays
all of them, and other seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from faults import numbers, run_fault
from faults_replicas import SEVERAL
from told_stories import SideBySide, side_by_side
from upgraded_stories import TOLD, TOO_YOUNG

from gitops_rollback.sandbox.all_stories import ALL_STORIES

AT_ONCE = 6  # a world mostly waits
OTHERWISE = (1,)
SEEDS = {
    "F1": (0,),
    **dict.fromkeys(("F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12"), (0,)),
    **dict.fromkeys(("F17-flux", "F18", "F18-flux", "F37", "F39"), (0,)),
    "F43": (12,),
    "F44": (0, SEVERAL),
}
LONGEST_FIRST = (
    *("F46", "F24", "F25", "F23", "F27", "F13", "F13-objects", "F13-flux", "F3", "F4", "F16", "F16-objects"),
    *("F41", "F31", "F34", "F40"),
)
PLAYS = {f"{number}-{seed}": (number, seed) for number in numbers() for seed in SEEDS.get(number, OTHERWISE)}


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SideBySide[tuple[str, ...]]]:
    """Those that the selected tests ask for, all begun: the longest first, so that none is left alone at the end."""
    out = tmp_path_factory.mktemp("faults")
    names = sorted(PLAYS, key=lambda name: _turn(PLAYS[name][0]))
    with side_by_side(request, {name: partial(_play, out, name) for name in names}, AT_ONCE) as told:
        yield told


def _play(out: Path, name: str) -> tuple[str, ...]:
    number, seed = PLAYS[name]
    return run_fault(number, out / name, seed)


def _turn(number: str) -> int:
    return LONGEST_FIRST.index(number) if number in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.mark.parametrize("name", PLAYS)
def test_what_must_hold_of_a_fault_holds(played: SideBySide[tuple[str, ...]], name: str) -> None:
    assert played.told(name) == ()


def test_an_upgrade_is_played_in_each_story_that_ends_in_a_rollback() -> None:
    asked = {"foreign-commit", "no-data", "bad-before", "asks-first", "frozen", "flux-suspended", "image-updater"}
    asked |= {"slow-regression", "dear-rollback", "shared-incident", "image-gone"}
    assert {*TOLD, *TOO_YOUNG} == {story.name for story in ALL_STORIES} - asked
