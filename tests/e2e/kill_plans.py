"""Which controllers die where: tales that meet every crash point once, and tales from seeds without end."""

from __future__ import annotations

import random
import re
from pathlib import Path

from killed_stories import Death, Stage, Tale

PACKAGE = Path(__file__).resolve().parents[2] / "gitops_rollback"
STEP = re.compile(r'@crash_point\("([a-z-]+)"\)')
LONGEST_LIFE_SECONDS = 6.0
MOST_DEALT = 7
LEASED = 0.3  # in this share of the tales only the holder of a Lease acts
SELDOM = (
    "after-land",
    "after-send:2",
    "after-keep",
    "after-finish",
    "after-advance",
)  # a story comes to these but once
RARE = ("terminate", "reread")  # few stories come to these

# The steps of each stage that a new process surely takes, in the order in which it takes them.
STARTS = ("fetch", "policy-read", "journal-read", "journal-build", "send", "write", "engine-list",
          "look", "engine-read", "decide", "note", "tick")  # fmt: skip
ALARMS = ("query", "range-query", "propose", "inverse", "land", "commit-build")
FOLLOWS = ("follow", "verification-read", "engine-list", "journal-read")


# Steps that no tale here has. Towards a forge, deaths at each of them: tests/app/test_pull_request_deaths.py; towards
# the source of another writer: tests/app/test_two_places.py, and the worlds `two-places`.
ELSEWHERE = ("attend", "offer-push", "offer-open", "offer-merge", "offer-unschedule", "offer-comment", "offer-status",
             "offer-close", "upstream")  # fmt: skip


def labels() -> frozenset[str]:
    """Every crash point of the product that a story can come to."""
    steps = {name for path in PACKAGE.rglob("*.py") for name in STEP.findall(path.read_text("utf-8"))}
    return frozenset(f"{side}-{step}" for side in ("before", "after") for step in steps - set(ELSEWHERE))


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
               "after-afterwards", "after-finish")),
    Tale("follows", "bad-release", _both(Stage.FOLLOW, "follow")
         + _at(Stage.FOLLOW, "before-sync", "before-advance", "before-afterwards", "before-finish", "before-keep",
               "after-keep")
         + _both(Stage.OVER, "tell", "deliver")),
    Tale("ends-the-operation", "stuck-hook", _both(Stage.FOLLOW, "terminate") + _at(Stage.FOLLOW, "before-sync")),
    Tale("races", "push-race", _at(Stage.ALARM, "before-reread", "after-reread", "before-send:2")
         + _at(Stage.FOLLOW, "after-send:2")),
    Tale("without-answers", "bad-release", _at(Stage.ALARM, "after-send:2"), answers_lost=3),
    Tale("asks", "asks-first", _at(Stage.ALARM, "before-write:2", "after-note")),
    Tale("may-not-sync", "bad-release", _both(Stage.FOLLOW, "sync"), rights=("get",)),
    Tale("two-at-once", "bad-release", _at(Stage.ALARM, "before-land", "before-send:2", "after-send:2")
         + _at(Stage.FOLLOW, "before-advance", "after-write:2"), replicas=2),
    Tale("leases", "bad-release", _both(Stage.QUIET, "lease-take", "lease-renew") + tuple(
        Death(Stage.FOLLOW, place, after=2.0, asked=True) for place in ("before-lease-release", "after-lease-release")),
        leased=True),
    Tale("fails-over-before-the-push", "bad-release", _at(
        Stage.ALARM, "before-propose", "after-inverse", "before-land", "after-commit-build", "after-journal-build:2",
        "before-send:2"), replicas=2, leased=True),
    Tale("fails-over-after-the-push", "bad-release", _at(Stage.ALARM, "after-send:2")
         + _at(Stage.FOLLOW, "before-sync", "after-sync", "before-advance", "after-verification-read", "before-finish",
               "after-keep"), replicas=2, leased=True),
    Tale("moments", "bad-release", tuple(
        Death(stage, after=after, asked=asked, loses_disk=loses_disk)
        for stage in (Stage.ALARM, Stage.FOLLOW)
        for after, asked, loses_disk in ((1.1, False, False), (2.3, False, True), (3.0, True, False)))),
)  # fmt: skip


def random_tale(seed: int) -> Tale:
    """About fifteen deaths, the same for the same seed; over many seeds each place comes about equally often."""
    dice = random.Random(f"kills {seed}")
    story = dice.choices(("bad-release", "stuck-hook", "push-race", "asks-first"), (6, 3, 3, 1))[0]
    rights = ("get",) if story == "bad-release" and dice.random() < 0.4 else ("get", "sync")
    places = _places(story, dice)
    leased = random.Random(f"leases {seed}").random() < LEASED
    if leased:
        places[Stage.QUIET] += _labels("lease-take", "lease-renew")
        places[Stage.FOLLOW] += _labels("lease-release") if places[Stage.FOLLOW] else []
    counts = (dice.randint(2, 5), dice.randint(4, 6), dice.randint(4, 7), dice.randint(1, 3))
    deaths: list[Death] = []
    for stage, count in zip(Stage, counts, strict=True):
        deaths += [_death(stage, place, dice) for place in _dealt(places[stage], count, seed)]
    lost = dice.choice((0, 0, 1, 2, 3))
    return Tale(f"seed-{seed}", story, tuple(deaths), dice.choice((1, 1, 1, 1, 2)), rights, lost, leased)


def _places(story: str, dice: random.Random) -> dict[Stage, list[str]]:
    """What each stage of this story surely comes to, given that earlier processes died there or before."""
    over = _labels("tell", "deliver", "policy-read", "journal-build")
    if story == "asks-first":
        alarm = [*_labels("query", "range-query", "propose", "inverse", "decide"), "before-note", "before-write:2"]
        return {Stage.QUIET: _labels("clone", *STARTS), Stage.ALARM: alarm, Stage.FOLLOW: [], Stage.OVER: over}
    alarm = [*_labels(*ALARMS[:4]), "before-land", "before-commit-build", "after-commit-build", "after-journal-build:2",
             "before-send:2", "before-decide", "after-decide"]  # fmt: skip
    alarm = [*dice.sample(alarm, len(alarm)), dice.choice(("after-land", "after-send:2"))]
    last = dice.choice(("after-advance", "after-keep", "after-finish"))
    follow = [*_labels(*FOLLOWS), "before-advance", *_labels("afterwards"), "before-finish", "before-keep",
              "before-write:2", "before-send:2", "after-write:2", last]  # fmt: skip
    follow += _labels("sync")
    follow += _labels("terminate") if story == "stuck-hook" else []
    alarm += _labels("reread") if story == "push-race" else []
    return {Stage.QUIET: _labels("clone", *STARTS), Stage.ALARM: alarm, Stage.FOLLOW: follow, Stage.OVER: over}


def _dealt(places: list[str], count: int, seed: int) -> list[str]:
    """The next `count` cards of a deck that is shuffled whenever it was dealt; what is rare is always among them."""
    if not places:
        return []
    rare = [place for place in places if place in SELDOM or place.partition("-")[2] in RARE]
    others = [place for place in places if place not in rare]
    rounds, first = divmod(seed * MOST_DEALT, len(others))
    deck = [place for one in (rounds, rounds + 1) for place in _shuffled(others, one)]
    dealt = list(dict.fromkeys([*rare, *deck[first:]]))[:count]
    return sorted(dealt, key=places.index)


def _shuffled(places: list[str], number: int) -> list[str]:
    return sorted(places, key=lambda place: random.Random(f"{place} {number}").random())


def _labels(*steps: str) -> list[str]:
    return [f"{side}-{step}" for step in steps for side in ("before", "after")]


def _death(stage: Stage, place: str, dice: random.Random) -> Death:
    """At the place, seldom at a moment instead; some lose their disk."""
    loses_disk, kind = dice.random() < 0.2, dice.random()
    if place.endswith("lease-release"):
        return Death(stage, place, after=2.0, asked=True)  # it is given back by who is asked to end
    if kind < 0.04:
        return Death(stage, after=dice.uniform(0.3, LONGEST_LIFE_SECONDS), loses_disk=loses_disk)
    if kind < 0.06:
        return Death(stage, after=dice.uniform(1.5, LONGEST_LIFE_SECONDS), asked=True)
    return Death(stage, place, loses_disk=loses_disk)
