"""What is there in a simulated world: applications, actors, faults, and how much of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops_rollback.sandbox.simulation.forge.pulls import ForgeRules
from gitops_rollback.sandbox.simulation.gate import Rates

NAMES = ("web", "api", "cart", "mail", "pay", "stock", "user", "log")
RACING = "racing"
RATES: Mapping[str, tuple[float, float, float]] = {  # in which share of the seeds, and from where to where
    "slow": (0.4, 0.001, 0.05),
    "before": (0.4, 0.001, 0.03),
    "after": (0.4, 0.001, 0.03),
    "twice": (0.4, 0.001, 0.1),
    "stale": (0.4, 0.001, 0.1),
    "kill": (0.4, 0.0002, 0.003),
    "pause": (0.15, 0.0001, 0.001),
}


@dataclass
class Setup:
    """What there is in one world. Durations in seconds."""

    names: tuple[str, ...]
    actors: frozenset[str] = frozenset()
    replicas: int = 1
    leased: bool = False  # the replicas agree by a Lease on who acts
    rates: Rates = field(default_factory=Rates)
    latency: float = 0.06  # the longest that a port's call takes which nothing slows down
    manual: frozenset[str] = frozenset()  # applications without auto-sync
    health: frozenset[str] = frozenset()  # applications with a health trigger
    may_sync: bool = True
    keeps_disk: bool = True
    racing: float = 0.0  # how likely a foreign push comes just before ours
    busy: float = 180.0  # mean seconds between two commits of the developers
    lasts: float = 1500.0
    unwatched: frozenset[str] = frozenset()  # applications without a policy
    fleet: tuple[str, ...] = ()  # applications that all read one shared file
    overlays: tuple[str, ...] = ()  # applications that are overlays of one base
    habit: str = ""  # of the promoter; "" leaves it to the seed
    promotes: bool = False  # policies say that a promoter copies from staging
    deaf: float = 0.0  # how often a receiver of messages fails
    tame: frozenset[str] = frozenset()  # applications whose first policy only suggests
    hangs: float = 0.15  # in which share of the bad releases the sync never ends
    deadly: float = 0.0  # in which share of the named places of the product a process dies, once at each
    dies_at: frozenset[str] = frozenset()  # of those places, the ones that are in that share for certain
    registry: bool = False  # the settings name the registry of the images
    engine: str = "argocd"
    automated: tuple[str, ...] = ()  # applications whose image an automation writes
    holding: frozenset[str] = frozenset()  # of those, whose policy lets a rollback hold the image
    strategy: str = ""  # how the staged applications steer their traffic: weights, slots, flags
    staged: tuple[str, ...] = ()
    cascades: bool = False  # applications call each other, and policies say who needs whom
    provisioned: tuple[str, ...] = ()  # applications with infrastructure of their own
    forge: bool = False  # the repository has one, with these rules
    forge_rules: ForgeRules = field(default_factory=ForgeRules)

    @property
    def alone(self) -> tuple[str, ...]:
        """The applications whose files people alone write, each its own."""
        return tuple(name for name in self.names if name not in (*self.fleet, *self.automated))


@dataclass(frozen=True)
class Smaller:
    """What a seed's world has less of. `without` names actors and faults; None leaves a number to the seed.

    Where it `dies_at` is the one thing that comes on top: a process dies there if it passes often enough.
    """

    without: frozenset[str] = frozenset()
    applications: int | None = None
    replicas: int | None = None
    minutes: int | None = None
    dies_at: frozenset[str] = frozenset()

    def cut(self, setup: Setup) -> None:
        """Take it away."""
        setup.names = setup.names[: self.applications]
        setup.manual, setup.health = setup.manual & set(setup.names), setup.health & set(setup.names)
        setup.unwatched &= set(setup.names)
        setup.tame &= set(setup.names)
        setup.fleet = tuple(name for name in setup.fleet if name in setup.names)
        setup.automated = tuple(name for name in setup.automated if name in setup.names)
        setup.staged = tuple(name for name in setup.staged if name in setup.names)
        setup.provisioned = tuple(name for name in setup.provisioned if name in setup.names)
        setup.overlays = tuple(name for name in setup.overlays if name in setup.names)
        setup.actors -= self.without
        setup.dies_at = self.dies_at
        for name in self.without & set(RATES):
            setattr(setup.rates, name, 0.0)
        setup.racing = 0.0 if RACING in self.without else setup.racing
        setup.replicas = min(setup.replicas, self.replicas or setup.replicas)
        setup.lasts = min(setup.lasts, 60.0 * self.minutes) if self.minutes else setup.lasts

    @property
    def flags(self) -> str:
        """As the command line takes it, with a space before each."""
        numbers = {"applications": self.applications, "replicas": self.replicas, "minutes": self.minutes}
        without = [f" --without {name}" for name in sorted(self.without)]
        places = [f" --dies-at {place}" for place in sorted(self.dies_at)]
        return "".join([*without, *places, *(f" --{name} {number}" for name, number in numbers.items() if number)])
