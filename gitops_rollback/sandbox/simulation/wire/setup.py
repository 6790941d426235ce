"""Which world on the wire does a seed make? Each turns on a random part of all people and faults."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

NAMES = ("web", "api", "cart", "mail")
PEOPLE = ("reverter", "stopper")
GIT_TROUBLES = ("cut", "status", "late-status", "slow", "hang")
ENGINE_TROUBLES = ("401", "503", "html", "truncated", "stale")
METRIC_TROUBLES = ("503", "empty", "nan", "warnings", "several", "html")


@dataclass(frozen=True)
class Setup:
    """What there is in one world. Durations in seconds; likelihoods from 0 to 1."""

    names: tuple[str, ...]
    people: frozenset[str] = frozenset()
    git: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    racing: float = 0.0  # how likely a foreign push comes just before one of ours
    killing: float = 0.0  # mean seconds between two deaths; 0: never
    keeps_disk: bool = True
    manual: frozenset[str] = frozenset()  # applications without auto-sync
    health: frozenset[str] = frozenset()  # applications with a health trigger
    lures: bool = False  # policies and answers name a server that nobody allowed
    busy: float = 240.0  # mean seconds between two commits
    lasts: float = 1500.0

    @property
    def words(self) -> str:
        """For the story's first line."""
        troubles = (*(f"git {one}" for one in self.git), *(f"engine {one}" for one in self.engine))
        parts = [f"{len(self.names)} applications", *sorted(self.people), *troubles]
        parts += [f"metrics {one}" for one in self.metrics]
        parts += [f"racing {self.racing}"] if self.racing else []
        parts += [f"dies every {self.killing:.0f} s{'' if self.keeps_disk else ', disk lost'}"] if self.killing else []
        parts += ["lures"] if self.lures else []
        return ", ".join(parts)


def setup_of(seed: int) -> Setup:
    """The world of a seed."""
    random = Random(f"wire/{seed}")
    names = NAMES[: random.choice((2, 2, 3, 3, 4))]
    return Setup(
        names=names,
        people=frozenset(one for one in PEOPLE if random.random() < 0.35),
        git=_some(random, GIT_TROUBLES, (0.35, 0.35, 0.3, 0.2, 0.12)),
        engine=_some(random, ENGINE_TROUBLES, (0.2,) * 5),
        metrics=_some(random, METRIC_TROUBLES, (0.2,) * 6),
        racing=random.choice((0.0, 0.0, 0.3, 0.8)),
        killing=random.uniform(120, 600) if random.random() < 0.4 else 0.0,
        keeps_disk=random.random() < 0.5,
        manual=frozenset(name for name in names if random.random() < 0.1),
        health=frozenset(name for name in names if random.random() < 0.3),
        busy=random.choice((120.0, 240.0, 400.0)),
        lures=random.random() < 0.3,
    )


def _some(random: Random, names: tuple[str, ...], likely: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(name for name, chance in zip(names, likely, strict=True) if random.random() < chance)
