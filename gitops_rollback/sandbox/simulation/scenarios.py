"""Which world does a seed make? A random part of all actors and faults at a time, so that each gets room to do harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from gitops_rollback.sandbox.simulation.actors import OTHERS
from gitops_rollback.sandbox.simulation.cascade_scenarios import CASCADE_SCENARIOS
from gitops_rollback.sandbox.simulation.forge.pulls import ForgeRules
from gitops_rollback.sandbox.simulation.gate import Rates
from gitops_rollback.sandbox.simulation.setup import NAMES, RATES, Setup, Smaller
from gitops_rollback.sandbox.simulation.strategy_scenarios import STRATEGY_SCENARIOS

T = TypeVar("T")
FLEET = 30
CROWD = 44  # so many that four red ones are no mass event


def setup_of(seed: int, scenario: str, smaller: Smaller | None = None) -> Setup:
    """The world of a seed; a scenario turns some things on and leaves the rest to the seed."""
    draw = _Draw(seed)
    names = NAMES[: draw.one_of("applications", (2, 3, 4, 5, 6, 8))]
    setup = Setup(
        names=names,
        actors=frozenset(name for name, one in OTHERS.items() if draw.happens(f"actor/{name}", one.share)),
        replicas=2 if draw.happens("replicas", 0.3) else 1,
        rates=Rates(**{name: draw.rate(f"rate/{name}", *rate) for name, rate in RATES.items()}),
        latency=draw.one_of("latency", (0.06, 0.06, 0.3, 1.0)),
        manual=frozenset(name for name in names if draw.happens(f"manual/{name}", 0.1)),
        health=frozenset(name for name in names if draw.happens(f"health/{name}", 0.3)),
        may_sync=draw.happens("may-sync", 0.9),
        keeps_disk=draw.happens("keeps-disk", 0.5),
        racing=draw.one_of("racing", (0.0, 0.0, 0.3, 0.9)),
        busy=draw.one_of("busy", (60.0, 180.0, 400.0)),
        unwatched=frozenset(name for name in names[2:] if draw.happens(f"unwatched/{name}", 0.03)),
        deaf=draw.rate("deaf", 0.2, 0.05, 0.9),
        holding=frozenset(name for name in NAMES if draw.happens(f"holding/{name}", 0.65)),
        forge_rules=_rules(draw),
    )
    SCENARIOS[scenario](setup)
    if smaller is not None:
        smaller.cut(setup)
    return setup


class _Draw:
    """A stream of chances for each name, so that a new one does not change what a seed means for the old ones."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _random(self, name: str) -> Random:
        return Random(f"setup/{self._seed}/{name}")

    def happens(self, name: str, share: float) -> bool:
        """True in this share of the seeds."""
        return self._random(name).random() < share

    def one_of(self, name: str, choices: Sequence[T]) -> T:
        """One of them, all alike."""
        return self._random(name).choice(choices)

    def rate(self, name: str, share: float, least: float, most: float) -> float:
        """In this share of the seeds something between the two, else nothing."""
        random = self._random(name)
        return random.uniform(least, most) if random.random() < share else 0.0


def _rules(draw: _Draw) -> ForgeRules:
    """Of the forge, in the worlds that have one."""
    return ForgeRules(
        protected=draw.happens("forge/protected", 0.4),
        review=draw.happens("forge/review", 0.3),
        queue=draw.happens("forge/queue", 0.2),
        auto_merge=draw.happens("forge/auto-merge", 0.7),
        keeps=draw.happens("forge/keeps", 0.5),
    )


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


def _zombie(setup: Setup) -> None:
    """Two replicas, and now and then one of them stands still for minutes and wakes up in the middle of its deed."""
    setup.replicas, setup.rates.pause = 2, 0.002


def _leased(setup: Setup) -> None:
    """Three replicas and a Lease, whose API loses answers and shows old states; now and then a process stands still."""
    setup.replicas, setup.leased, setup.rates.pause = 3, True, 0.002
    setup.rates.stale, setup.rates.after = max(setup.rates.stale, 0.02), max(setup.rates.after, 0.01)
    # Every tick renews the lease several times, and each call may be the last.
    setup.rates.kill = setup.rates.kill / 2


def _blind(setup: Setup) -> None:
    """Metrics that vanish, flap, and turn red everywhere."""
    setup.actors = setup.actors | {"gaps", "flapper", "outage", "scrapes"}


def _people(setup: Setup) -> None:
    """Everybody who reverts, writes back, disarms and stops; all clocks are right."""
    setup.actors = (setup.actors | {"reverter", "updater", "editor", "stopper", "forger"}) - {"clock", "forcer"}


def _lies(setup: Setup) -> None:
    """Metrics that blame good commits."""
    setup.actors = (setup.actors | {"liar"}) - {"clock", "forcer"}


def _clocks(setup: Setup) -> None:
    """Clocks that jump, while metrics tell the truth."""
    setup.actors = (setup.actors | {"clock", "flapper"}) - {"gaps", "liar", "scrapes"}


def _promotion(setup: Setup) -> None:
    """Production is written by something that writes it again, and by colleagues whose commits conflict."""
    setup.actors = (setup.actors | {"promoter", "colleague"}) - {"clock", "forcer"}


def _two_places(setup: Setup) -> None:
    """Releases are copied from staging, and policies let a rollback be made there as well; replicas die in between."""
    _promotion(setup)
    setup.habit, setup.promotes, setup.unwatched = "copy", True, frozenset()
    setup.actors = setup.actors - {"forger", "outage", "gaps"}


def _forged(setup: Setup) -> None:
    """Commits that say of themselves that they are rollbacks."""
    setup.actors = setup.actors | {"forger"}


def _strangers(setup: Setup) -> None:
    """One application has no policy, and somebody wrote a policy that selects nothing."""
    setup.unwatched = frozenset(setup.names[-1:])


def _fleet(setup: Setup) -> None:
    """Thirty applications that read one shared file, among few others."""
    setup.names = NAMES[:4]
    setup.manual = setup.manual & frozenset(setup.names)
    setup.health = setup.health & frozenset(setup.names)
    setup.unwatched = frozenset()
    setup.fleet = tuple(f"fleet-{number:02}" for number in range(1, FLEET + 1))
    setup.names += setup.fleet
    setup.actors = (setup.actors | {"fleet"}) - {"liar", "outage", "forcer", "clock"}
    setup.busy = 400.0
    # A tick makes ten times as many calls as elsewhere, and each may be the last.
    setup.rates.kill, setup.rates.pause = setup.rates.kill / 10, setup.rates.pause / 10


def _overlays(setup: Setup) -> None:
    """All but one application are overlays of one base, which changes often."""
    setup.overlays = setup.names[:-1]
    setup.actors = (setup.actors | {"base"}) - {"clock", "forcer"}


def _busy(setup: Setup) -> None:
    """Many applications and quick developers, so that rollbacks follow one another."""
    setup.names, setup.busy, setup.rates.kill = NAMES, 40.0, 0.0
    setup.actors = setup.actors - {"clock", "forcer", "stopper", "outage", "gaps"}


def _region(setup: Setup) -> None:
    """Three applications, just enough for a mass event, quick developers, and an outage."""
    setup.names, setup.busy = NAMES[:3], 60.0
    setup.actors = (setup.actors | {"outage"}) - {"clock", "forcer", "stopper", "editor", "gaps"}


def _by_hand(setup: Setup) -> None:
    """People sync by hand and the controller may not, so that what it pushes is applied late; metrics lie."""
    setup.manual, setup.may_sync = frozenset(setup.names), False
    setup.actors = (setup.actors | {"engine-trouble", "liar"}) - {"clock", "forcer", "gaps"}


def _zone(setup: Setup) -> None:
    """Five applications, of which three now and then turn red together, and quick developers."""
    setup.names, setup.busy = NAMES[:5], 60.0
    setup.actors = (setup.actors | {"zone"}) - {"clock", "forcer", "stopper", "editor", "gaps", "outage", "liar"}


def _crowd(setup: Setup) -> None:
    """Forty-four applications, of which one after another gets a bad release of its own within minutes."""
    setup.names = NAMES + tuple(f"shelf-{number:02}" for number in range(1, CROWD - len(NAMES) + 1))
    setup.manual, setup.health, setup.unwatched, setup.may_sync = frozenset(), frozenset(), frozenset(), True
    setup.actors, setup.busy, setup.lasts, setup.rates, setup.racing = frozenset(), 45.0, 700.0, Rates(), 0.0


def _one_way(setup: Setup) -> None:
    """What a rollback brings back crashes, so that our own commit is what fails; the engine's word fires, too."""
    setup.names = NAMES[:4]
    setup.health, setup.manual, setup.may_sync = frozenset(setup.names), frozenset(), True
    setup.actors = (setup.actors | {"one-way"}) - {"clock", "forcer", "editor", "stopper", "outage", "gaps"}


def _armed(setup: Setup) -> None:
    """Policies only suggest at first, and releases bring the policy that lets them be rolled back."""
    setup.tame, setup.unwatched = frozenset(setup.names), frozenset()
    setup.actors = (setup.actors | {"armer"}) - {"clock", "forcer"}


def _mid_push(setup: Setup) -> None:
    """The process dies just before and just after its pushes, and hardly ever elsewhere."""
    setup.rates.kill, setup.rates.kill_push = 0.0, 0.15


def _crash_points(setup: Setup) -> None:
    """The process dies at places that the product names: before a step, and after it; hardly ever elsewhere."""
    setup.deadly, setup.hangs, setup.rates.kill, setup.replicas = 0.3, 0.5, 0.0, 1
    setup.names, setup.busy, setup.may_sync = NAMES[:4], 60.0, True
    setup.manual, setup.unwatched = setup.manual & frozenset(setup.names), frozenset()
    setup.health = setup.health & frozenset(setup.names)
    setup.actors = setup.actors - {"clock", "forcer"}


def _regretted(setup: Setup) -> None:
    """Good releases are taken back by people whom metrics fooled, and land again; the next one on top is bad."""
    setup.names, setup.busy, setup.unwatched = NAMES[:3], 900.0, frozenset()
    setup.actors = (setup.actors | {"doubter"}) - {"clock", "forcer", "stopper", "outage", "gaps", "editor", "liar"}


def _batches(setup: Setup) -> None:
    """People sync by hand what quick developers pushed meanwhile, so that one sync brings several suspects."""
    setup.names, setup.busy = NAMES[:2], 30.0
    setup.manual, setup.health, setup.unwatched = frozenset(setup.names), frozenset(), frozenset()
    setup.actors = (setup.actors | {"syncer"}) - {"clock", "forcer", "stopper", "outage", "gaps", "editor"}


def _pipelined(setup: Setup) -> None:
    """A pipeline syncs most applications at each commit, and developers are quick: most deployments bring nothing."""
    setup.busy = 40.0
    setup.actors = (setup.actors | {"pipeline"}) - {"clock", "forcer"}


def _overtaken(setup: Setup) -> None:
    """People mend bad releases by the next one just when the controller is about to act, and its calls are slow."""
    setup.names, setup.busy, setup.unwatched, setup.rates.slow = NAMES[:4], 60.0, frozenset(), 0.2
    setup.manual = setup.manual & frozenset(setup.names)
    setup.health = setup.health & frozenset(setup.names)
    setup.actors = (setup.actors | {"rescuer"}) - {"clock", "forcer", "stopper", "outage", "gaps", "editor"}


def _on_top(setup: Setup) -> None:
    """Developers ship on as soon as a rollback has landed, so that the next bad release meets its verification."""
    setup.names, setup.busy, setup.unwatched = NAMES[:4], 120.0, frozenset()
    setup.manual = setup.manual & frozenset(setup.names)
    setup.health = setup.health & frozenset(setup.names)
    setup.actors = (setup.actors | {"hasty"}) - {"clock", "forcer", "stopper", "outage", "gaps", "editor"}


def _swept(setup: Setup) -> None:
    """The registry throws away what ran before, now and then just when it is wanted back."""
    setup.names, setup.busy, setup.unwatched, setup.registry = NAMES[:4], 60.0, frozenset(), True
    setup.manual = setup.manual & frozenset(setup.names)
    setup.health = setup.health & frozenset(setup.names)
    setup.actors = (setup.actors | {"sweeper"}) - {"clock", "forcer", "stopper", "outage", "gaps", "editor"}


def _flux(setup: Setup) -> None:
    """Flux in place of Argo CD: sources that fail, what is suspended, waits for health, and watches that lag."""
    setup.engine, setup.manual = "flux", frozenset()
    setup.actors = (setup.actors | {"flux-trouble"}) - {"engine-trouble"}


def _image_automation(setup: Setup) -> None:
    """Flux writes the newest image of some applications into git by itself; policies let it be held, or ask."""
    _flux(setup)
    setup.names = NAMES[:4]
    setup.automated, setup.busy, setup.may_sync = setup.names[:2], 600.0, True
    setup.health, setup.unwatched = setup.health & frozenset(setup.names), frozenset()
    setup.racing = min(setup.racing, 0.5)  # a look at Flux takes many calls, and each lost race is another one
    setup.actors = (setup.actors | {"publisher", "marker", "releaser"}) - {"clock", "forcer", "promoter", "liar"}
    setup.actors -= {"forger", "outage", "gaps", "scrapes", "flapper", "editor"}


def _pull_request(setup: Setup) -> None:
    """Rollbacks wait as pull requests, and people merge, close, push to and copy them when it suits them."""
    setup.forge, setup.names, setup.busy, setup.unwatched = True, NAMES[:4], 90.0, frozenset()
    setup.manual = setup.manual & frozenset(setup.names)
    setup.health = setup.health & frozenset(setup.names)
    setup.actors = setup.actors - {"clock", "forcer", "promoter", "outage", "gaps"}
    setup.actors |= {"reviewer", "intruder", "copier", "commenter", "forge-trouble"}


def _requests(setup: Setup) -> None:
    """People ask for rollbacks in files and comments, change their minds, and merge what is no use any more."""
    _pull_request(setup)
    setup.actors = (setup.actors | {"requester"}) - {"copier"}


def _forks(setup: Setup) -> None:
    """Requests come from forks, by whoever likes to ask: with more in them, edited later, merged or not."""
    _pull_request(setup)
    setup.actors = (setup.actors | {"forker"}) - {"copier"}


def _next_plans(setup: Setup) -> None:
    """Many rollbacks do not help, so that the plans which may come next wait at the forge for people."""
    _pull_request(setup)
    setup.lasts = 2400.0
    setup.actors = (setup.actors | {"elsewhere"}) - {"copier", "intruder"}


def _forge_points(setup: Setup) -> None:
    """The process dies at the places that the product names, where there is a forge."""
    _pull_request(setup)
    setup.deadly, setup.rates.kill, setup.replicas, setup.may_sync = 0.4, 0.0, 1, True


SCENARIOS: Mapping[str, Callable[[Setup], None]] = {
    "all": _all,
    "plain": _plain,
    "race": _race,
    "kills": _kills,
    "zombie": _zombie,
    "leased": _leased,
    "blind": _blind,
    "people": _people,
    "lies": _lies,
    "clocks": _clocks,
    "promotion": _promotion,
    "two-places": _two_places,
    "forged": _forged,
    "strangers": _strangers,
    "fleet": _fleet,
    "overlays": _overlays,
    "busy": _busy,
    "by-hand": _by_hand,
    "region": _region,
    "zone": _zone,
    "crowd": _crowd,
    "one-way": _one_way,
    "armed": _armed,
    "mid-push": _mid_push,
    "crash-points": _crash_points,
    "regretted": _regretted,
    "batches": _batches,
    "pipelined": _pipelined,
    "overtaken": _overtaken,
    "on-top": _on_top,
    "swept": _swept,
    "flux": _flux,
    "image-automation": _image_automation,
    "pull-request": _pull_request,
    "requests": _requests,
    "forks": _forks,
    "next-plans": _next_plans,
    "forge-points": _forge_points,
    **STRATEGY_SCENARIOS,
    **CASCADE_SCENARIOS,
}
