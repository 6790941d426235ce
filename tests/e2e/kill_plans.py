"""Which controllers die where: tales that meet every crash point once, and tales from seeds without end."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

from killed_stories import Death, Stage, Tale

PACKAGE = Path(__file__).resolve().parents[2] / "gitops_rollback"
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
LONGEST_LIFE_SECONDS = 6.0
MOST_TIMES = 3

# The steps of each stage that a new process surely takes, in the order in which it takes them.
STARTS = ("fetch", "policy-read", "journal-read", "journal-build", "send", "write", "engine-list",
          "look", "engine-read", "decide", "note", "tick")  # fmt: skip
ALARMS = ("query", "range-query", "propose", "inverse", "land", "commit-build")
FOLLOWS = ("follow", "verification-read", "engine-list", "journal-read")


def labels() -> frozenset[str]:
    """Every crash point of the product."""
    steps = {name for path in PACKAGE.rglob("*.py") for name in STEP.findall(path.read_text("utf-8"))}
    return frozenset(f"{side}-{step}" for side in ("before", "after") for step in steps)


def _both(stage: Stage, *steps: str) -> tuple[Death, ...]:
    return tuple(Death(stage, f"{side}-{step}") for step in steps for side in ("before", "after"))


def _at(stage: Stage, *places: str) -> tuple[Death, ...]:
    return tuple(Death(stage, place) for place in places)


# Places that a story comes to but once lie in the order in which it comes to them.
COVERING = (
    Tale("starts", "bad-release", _both(Stage.QUIET, "clone", *STARTS[:7])),
    Tale("looks", "bad-release", _both(Stage.QUIET, *STARTS[7:]) + _at(Stage.FOLLOW, "before-tick:2")),
    Tale("alarms", "bad-release", _both(Stage.ALARM, *ALARMS[:4]) + _at(
        Stage.ALARM, "before-land", "before-commit-build", "after-commit-build", "after-journal-build:2",
        "before-send:2", "after-send:2")),
    Tale("lands", "bad-release", _at(Stage.ALARM, "after-land")
         + _at(Stage.FOLLOW, "after-sync", "after-advance", "before-verification-read", "after-verification-read",
               "after-finish")),
    Tale("follows", "bad-release", _both(Stage.FOLLOW, "follow")
         + _at(Stage.FOLLOW, "before-sync", "before-advance", "before-finish", "before-keep", "after-keep")
         + _both(Stage.OVER, "tell", "deliver")),
    Tale("ends-the-operation", "stuck-hook", _both(Stage.FOLLOW, "terminate") + _at(Stage.FOLLOW, "before-sync")),
    Tale("races", "push-race", _at(Stage.ALARM, "before-reread", "after-reread", "before-send:2")
         + _at(Stage.FOLLOW, "after-send:2")),
    Tale("without-answers", "bad-release", _at(Stage.ALARM, "after-send:2"), answers_lost=3),
    Tale("asks", "asks-first", _at(Stage.ALARM, "before-write:2", "after-note")),
    Tale("may-not-sync", "bad-release", _both(Stage.FOLLOW, "refresh"), rights=("get",)),
    Tale("two-at-once", "bad-release", _at(Stage.ALARM, "before-land", "before-send:2", "after-send:2")
         + _at(Stage.FOLLOW, "before-advance", "after-write:2"), replicas=2),
    Tale("moments", "bad-release", tuple(
        Death(stage, after=after, asked=asked, loses_disk=loses_disk)
        for stage in (Stage.ALARM, Stage.FOLLOW)
        for after, asked, loses_disk in ((1.1, False, False), (2.3, False, True), (3.0, True, False)))),
)  # fmt: skip


def random_tale(seed: int) -> Tale:
    """Eight to fourteen deaths, the same for the same seed."""
    dice = random.Random(f"kills {seed}")
    story = dice.choices(("bad-release", "stuck-hook", "push-race", "asks-first"), (6, 2, 2, 1))[0]
    rights = ("get",) if story == "bad-release" and dice.random() < 0.2 else ("get", "sync")
    quiet, alarm, follow, over = _places(story, rights, dice)
    deaths = (
        *_some(dice, Stage.QUIET, quiet, 1, 4),
        *_some(dice, Stage.ALARM, alarm, 3, 5),
        *_some(dice, Stage.FOLLOW, follow, 3, 5),
        *_some(dice, Stage.OVER, over, 1, 2),
    )
    lost = dice.choice((0, 0, 1, 2, 3))
    return Tale(f"seed-{seed}", story, deaths, dice.choice((1, 1, 1, 1, 2)), rights, lost)


def _places(story: str, rights: Iterable[str], dice: random.Random) -> tuple[list[str], ...]:
    """What each stage of this story surely comes to, given that earlier processes died there or before."""
    starts = _labels("clone", *STARTS)
    alarm = [*_labels(*ALARMS), "after-journal-build:2", "before-send:2", "before-decide", "after-decide"]
    follow = [*_labels(*FOLLOWS), "before-advance", "before-finish", "before-keep", "before-write:2", "before-send:2"]
    ends = ["after-land", "after-send:2", "after-write:2", "after-keep", "after-finish", "after-advance"]
    follow += ["before-sync", "after-sync"] if "sync" in rights else _labels("refresh", "sync")
    if story == "stuck-hook":
        follow += _labels("terminate")
    if story == "push-race":
        alarm += _labels("reread")
    if story == "asks-first":
        alarm = [*_labels("query", "range-query", "propose", "inverse", "note", "decide"), "before-write:2"]
        return starts, alarm, [], _labels("tell", "deliver", *STARTS[:6])
    alarm += dice.sample(ends[:2], 1)
    return starts, alarm, [*follow, *ends[2:]], _labels("tell", "deliver", *STARTS)


def _labels(*steps: str) -> list[str]:
    return [f"{side}-{step}" for step in steps for side in ("before", "after")]


def _some(dice: random.Random, stage: Stage, places: list[str], least: int, most: int) -> tuple[Death, ...]:
    """Some of the places, and a few moments; a few lose their disk."""
    count = min(len(places), dice.randint(least, most))
    found = []
    for place in dice.sample(places, count):
        loses_disk, kind = dice.random() < 0.2, dice.random()
        if kind < 0.06:
            found.append(Death(stage, after=dice.uniform(0.3, LONGEST_LIFE_SECONDS), loses_disk=loses_disk))
        elif kind < 0.1:
            found.append(Death(stage, after=dice.uniform(1.5, LONGEST_LIFE_SECONDS), asked=True))
        else:
            found.append(Death(stage, place, loses_disk=loses_disk))
    return tuple(found)
