"""A controller that dies at any moment and is started again ends in the same history: one revert, verified."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from told_stories import KilledDemo, SideBySide, Told, at_story_time, once, tell_with_a_death

from gitops_rollback.crash_points import VARIABLE
from gitops_rollback.sandbox.git_server import Operation
from gitops_rollback.sandbox.stories import find_story
from gitops_rollback.sandbox.telling import CONTROLLER, Telling
from gitops_rollback.sandbox.world import run_command

PACKAGE = Path(__file__).resolve().parents[2] / "gitops_rollback"
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
STORY_LASTS = timedelta(minutes=2.5)  # at least: the onset, 45 s of `for`, 75 s of verification
MOMENTS = 6

PLACES = {
    "bad-release": (
        "after-fetch:1", "after-fetch:6", "after-look:1", "after-look:8", "after-tick:1", "after-tick:7",
        "before-note:1", "after-note:1", "before-write:1", "after-write:1",
        "after-propose:1", "before-land:1", "after-commit-build:1", "after-journal-build:1", "before-send:2",
        "after-send:2", "after-land:1",
        "after-follow:1", "before-sync:1", "after-sync:1", "before-advance:1", "after-advance:1", "before-write:2",
        "after-write:2", "after-follow:4", "before-finish:1", "after-keep:1", "after-finish:1",
    ),
    "stuck-hook": (
        "before-send:2", "after-send:2", "before-terminate:1", "after-terminate:1", "after-follow:2", "before-sync:1",
        "after-sync:1", "before-advance:1", "after-advance:1", "after-finish:1",
    ),
    "push-race": ("before-send:3", "after-send:2", "after-send:4"),
    "asks-first": ("before-write:2", "after-write:2", "after-note:1"),
}  # fmt: skip
AT_PLACES = [f"{story}-{place}" for story, places in PLACES.items() for place in places]
AT_MOMENTS = [f"moment-{number}" for number in range(MOMENTS)]
DEATHS = [*AT_PLACES, *AT_MOMENTS, "asked-to-end", "answer-lost", "killed-while-answered"]

Interfere = Callable[[KilledDemo], None]


def is_open(telling: Telling) -> bool:
    return any(record["phase"] != "Done" for record in telling.records())


def moment(number: int) -> timedelta:
    """One in each part of the story, the same in each run."""
    part = STORY_LASTS / MOMENTS
    return part * (number + random.Random(f"moment {number}").random())


@dataclass
class LostAnswer:
    """The push that reverts lands, and its answer never comes. With `kill` the controller dies while it waits."""

    kill: bool
    set_up: bool = False

    def __call__(self, demo: KilledDemo) -> None:
        git = demo.world.git
        if not self.set_up:
            self.set_up = True
            if self.kill:
                git.hang(Operation.PUSH, after=True)
            else:
                git.cut_reply()
        elif self.kill and not demo.deaths and demo.telling.reverts():
            demo.kill_now()
            git.release()


def job(name: str, out: Path) -> Callable[[], Told]:
    """The telling with this death."""
    others: dict[str, tuple[str, Interfere]] = {
        **{moment_name: ("", at_story_time(moment(number))) for number, moment_name in enumerate(AT_MOMENTS)},
        "asked-to-end": ("", once(is_open, KilledDemo.restart_now)),
        "answer-lost": ("after-send:2", LostAnswer(kill=False)),
        "killed-while-answered": ("", LostAnswer(kill=True)),
    }
    told_as, interfere = name, None
    if name in others:
        place, interfere = others[name]
        told_as = "bad-release"
    else:
        told_as = next(story for story in PLACES if name.startswith(f"{story}-"))
        place = name.removeprefix(f"{told_as}-")
    story = find_story(told_as)
    assert story is not None
    return partial(tell_with_a_death, story, out / name.replace(":", "-"), place, interfere)


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    """Those tellings that the selected tests ask for, told side by side."""
    wanted = [item.callspec.params.get("death") for item in request.session.items if hasattr(item, "callspec")]
    out = tmp_path_factory.mktemp("kills")
    told = SideBySide({name: job(name, out) for name in DEATHS if name in wanted})
    yield told
    told.close()


@pytest.mark.parametrize("death", DEATHS)
def test_a_death_changes_nothing_in_the_end(kills: SideBySide, death: str) -> None:
    told = kills.told(death)
    assert told.true, told.explain()
    assert told.deaths == [0 if death == "asked-to-end" else -signal.SIGKILL], told.explain()
    people = told.people()
    by_us = [
        line.split()[0] for line in people.git("log", "--format=%H %cn", "main").splitlines() if CONTROLLER in line
    ]
    assert told.landed == by_us, told.explain()
    asks = death.startswith("asks-first")
    assert len(by_us) == (0 if asks else 1)
    assert told.events() >= ({"suggested"} if asks else {"verified"}), told.explain()
    assert not list((told.out / "state").glob("clones/*/**/*.lock")), "git's locks, not those that go with a process"


def test_each_place_is_a_crash_point() -> None:
    steps = {name for path in PACKAGE.rglob("*.py") for name in STEP.findall(path.read_text("utf-8"))}
    tried = {place.partition(":")[0].partition("-")[2] for places in PLACES.values() for place in places}
    assert tried <= steps


@pytest.mark.parametrize(
    ("place", "repo", "words"),
    [
        pytest.param("after-send:2", "https://git.example.com/shop/config.git", "every origin must be loopback"),
        pytest.param("after send", "http://127.0.0.1:9/shop/config.git", "must be label:n"),
        pytest.param("after-push:0", "http://127.0.0.1:9/shop/config.git", "must be label:n"),
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
