"""Which world does a seed make? A random part of all actors and faults at a time, so that each gets room to do harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from gitops_rollback.sandbox.simulation.gate import Rates

NAMES = ("web", "api", "cart", "mail", "pay", "stock", "user", "log")
ACTORS = (
    "reverter",
    "updater",
    "editor",
    "stopper",
    "outage",
    "gaps",
    "liar",
    "flapper",
    "engine-trouble",
    "rules",
    "clock",
    "forcer",
)


@dataclass
class Setup:
    """What there is in one world. Durations in seconds."""

    names: tuple[str, ...]
    actors: frozenset[str] = frozenset()
    replicas: int = 1
    rates: Rates = field(default_factory=Rates)
    manual: frozenset[str] = frozenset()  # applications without auto-sync
    health: frozenset[str] = frozenset()  # applications with a health trigger
    may_sync: bool = True
    keeps_disk: bool = True
    racing: float = 0.0  # how likely a foreign push comes just before ours
    busy: float = 180.0  # mean seconds between two commits of the developers
    lasts: float = 1500.0


def setup_of(seed: int, scenario: str) -> Setup:
    """The world of a seed; a scenario turns some things on and leaves the rest to the seed."""
    random = Random(f"setup/{seed}")
    count = random.choice((2, 3, 4, 5, 6, 8))
    names = NAMES[:count]
    rates = Rates()
    for name, most in (("slow", 0.05), ("before", 0.03), ("after", 0.03), ("twice", 0.1), ("stale", 0.1)):
        if random.random() < 0.4:
            setattr(rates, name, random.uniform(0.001, most))
    if random.random() < 0.4:
        rates.kill = random.uniform(0.0002, 0.003)
    setup = Setup(
        names=names,
        actors=frozenset(actor for actor in ACTORS if random.random() < _LIKELY.get(actor, 0.25)),
        replicas=2 if random.random() < 0.3 else 1,
        rates=rates,
        manual=frozenset(name for name in names if random.random() < 0.1),
        health=frozenset(name for name in names if random.random() < 0.3),
        may_sync=random.random() < 0.9,
        keeps_disk=random.random() < 0.5,
        racing=random.choice((0.0, 0.0, 0.3, 0.9)),
        busy=random.choice((60.0, 180.0, 400.0)),
    )
    SCENARIOS[scenario](setup)
    return setup


_LIKELY = {"forcer": 0.06, "clock": 0.1, "liar": 0.15}


def _all(_setup: Setup) -> None:
    """Whatever the seed says."""


def _plain(setup: Setup) -> None:
    """Developers alone: no fault, nobody in the way."""
    setup.actors, setup.replicas, setup.racing, setup.may_sync = frozenset(), 1, 0.0, True
    setup.rates = Rates()


def _race(setup: Setup) -> None:
    """Somebody always pushes first, and there are two replicas."""
    setup.replicas, setup.racing = 2, 0.9


def _kills(setup: Setup) -> None:
    """The process dies often."""
    setup.rates.kill = 0.005


def _blind(setup: Setup) -> None:
    """Metrics that vanish, flap, and turn red everywhere."""
    setup.actors = setup.actors | {"gaps", "flapper", "outage"}


def _people(setup: Setup) -> None:
    """Everybody who reverts, writes back, disarms and stops; all clocks are right."""
    setup.actors = (setup.actors | {"reverter", "updater", "editor", "stopper"}) - {"clock", "forcer"}


def _lies(setup: Setup) -> None:
    """Metrics that blame good commits."""
    setup.actors = (setup.actors | {"liar"}) - {"clock", "forcer"}


SCENARIOS: Mapping[str, Callable[[Setup], None]] = {
    "all": _all,
    "plain": _plain,
    "race": _race,
    "kills": _kills,
    "blind": _blind,
    "people": _people,
    "lies": _lies,
}
