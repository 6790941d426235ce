"""Requests of a simulated service around a deployment, as counts of ticks of 15 seconds: seeded, no clock, no network.

Four hours before and half an hour after; where ten requests a second or fewer come, 20 hours more as one total. The
tick that ends at `T0` is the last one before the deployment.
Source: detection.md 8.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from gitops_rollback.core.regression.counts import Counts

T0 = 1_700_000_000.0
TICK = 15.0
BEFORE, AFTER = 960, 120  # ticks
FAR_HOURS = 20
FAR_AT_MOST_RPS = 10
PEERS = 3  # the fewest that count as peers
PEERS_BEFORE = 12  # ticks of the peers that still count at the deployment
RAMP_SECONDS = 60.0
LEAK_RATE, LEAK_SECONDS = 0.05, 1800.0
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # of the default buckets, those from a tail of a third on
MEDIAN_SECONDS = 0.06
SIGMA = math.log(0.4 / MEDIAN_SECONDS) / 2.3263478740408408  # p99 at 0.4 s

Bursts = Sequence[tuple[float, float, float]]  # start and end in seconds since the deployment, rate or factor


@dataclass(frozen=True)
class World:
    """One kind of service and what happens to it. `fault` is the error rate that the new version has."""

    rps: float
    rate: float = 0.001
    unrest: float = 0.4  # sd of the AR(1) on the log of the error rate
    unrest_seconds: float = 180.0
    cluster: float = 1.5  # mean number of errors that come together
    daily_errors: float = 1.0  # by what factor the error rate rises and falls in a day
    blip_hours: float = 6.0
    fault: float | None = None
    leak: bool = False
    incident: bool = False  # of all services, the peers among them
    load_after: float = 1.0
    slower: float = 1.0  # factor on the latency of the new version
    services: int = 1  # of like size, whose error rates rise and fall on their own


@dataclass(frozen=True)
class Play:
    """What was played: own ticks in order of time, the peers' ones, and their total before."""

    ticks: list[Counts]
    peers_before: Counts
    peers: list[Counts]
    bounds: dict[float, list[Counts]] = field(default_factory=dict)  # slower than each bound

    @property
    def before(self) -> list[Counts]:
        return [tick for tick in self.ticks if tick.end_seconds <= T0]

    @property
    def after(self) -> list[Counts]:
        return [tick for tick in self.ticks if tick.end_seconds > T0]


def played(world: World, rng: Random) -> Play:
    """One deployment with counts of errors."""
    bursts = [*_blips(world, rng), *_warm_up(rng)]
    incident = _incident(world, rng)
    ticks = list(_far(world, rng))
    ticks += _counts(world, rng, range(1 - BEFORE, AFTER + 1), [*bursts, *incident], is_own=True)
    theirs = replace(world, rps=max(10 * world.rps, 10.0), services=PEERS, daily_errors=1.0, load_after=1.0)
    seen = [(start, end, rate * rng.uniform(0.5, 1.5)) for start, end, rate in incident]
    peers = list(_counts(theirs, rng, range(1 - PEERS_BEFORE, AFTER + 1), seen, is_own=False))
    return Play(ticks, _total(theirs, rng, BEFORE * TICK, T0), peers)


def _counts(world: World, rng: Random, numbers: range, bursts: Bursts, is_own: bool) -> Iterator[Counts]:
    loads = _wave(rng, 0.1, 150.0)
    errors = [_wave(rng, world.unrest, world.unrest_seconds) for _ in range(world.services)]
    phase, extra = rng.uniform(0, 2 * math.pi), _by_tick(bursts)
    for number in numbers:
        day = math.sin(phase + 2 * math.pi * number * TICK / 86400)
        load = TICK * world.rps * (1 + 0.4 * day) * next(loads)
        events = poisson(rng, load * (world.load_after if number > 0 else 1.0))
        worse = _rise(world, number) if is_own else 0.0
        rate = (
            world.rate * sum(next(one) for one in errors) / len(errors) * world.daily_errors**day
            + worse
            + extra.get(number, 0.0)
        )
        yield Counts(T0 + number * TICK, events, _bad(rng, events, min(rate, 0.95), world.cluster))


def _rise(world: World, number: int) -> float:
    """By how much the new version fails more often; it takes over the traffic within a minute."""
    middle = (number - 0.5) * TICK
    if number <= 0:
        return 0.0
    if world.leak:
        return (LEAK_RATE - world.rate) * min(middle / LEAK_SECONDS, 1.0)
    return 0.0 if world.fault is None else (world.fault - world.rate) * min(middle / RAMP_SECONDS, 1.0)


def _bad(rng: Random, events: int, rate: float, cluster: float) -> int:
    if rate > 0.2:
        return binomial(rng, events, rate)
    clusters = poisson(rng, events * rate / cluster)
    if not clusters:
        return 0
    return min(events, clusters + poisson(rng, rng.gammavariate(clusters, cluster - 1)))


def _wave(rng: Random, deviation: float, seconds: float) -> Iterator[float]:
    """e^AR(1), stationary from the start, with a mean of 1."""
    keep = math.exp(-TICK / seconds)
    fresh = deviation * math.sqrt(1 - keep * keep)
    value = rng.gauss(0, deviation)
    while True:
        yield math.exp(value - deviation * deviation / 2)
        value = keep * value + rng.gauss(0, fresh)


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _warm_up(rng: Random) -> Bursts:
    """In 30% of the deployments errors come with the start."""
    return [(0.0, rng.uniform(15, 60), _log_uniform(rng, 0.003, 0.03))] if rng.random() < 0.3 else []


def _blips(world: World, rng: Random) -> Bursts:
    found, start = [], -BEFORE * TICK
    while (start := start + rng.expovariate(1 / (world.blip_hours * 3600))) < AFTER * TICK:
        found.append((start, start + rng.uniform(15, 60), _log_uniform(rng, 0.003, 0.03)))
    return found


def _incident(world: World, rng: Random) -> Bursts:
    if not world.incident:
        return []
    seconds = rng.uniform(120, 600)
    start = rng.uniform(0, AFTER * TICK - seconds)
    return [(start, start + seconds, _log_uniform(rng, 0.02, 0.30))]


def _by_tick(bursts: Bursts) -> dict[int, float]:
    """What the bursts add to each tick, by the share of it that they take."""
    found: dict[int, float] = {}
    for start, end, rate in bursts:
        for number in range(math.floor(start / TICK) + 1, math.ceil(end / TICK) + 1):
            share = (min(end, number * TICK) - max(start, (number - 1) * TICK)) / TICK
            found[number] = found.get(number, 0.0) + rate * share
    return found


def _far(world: World, rng: Random) -> Iterator[Counts]:
    if world.rps <= FAR_AT_MOST_RPS:
        yield _total(world, rng, FAR_HOURS * 3600, T0 - BEFORE * TICK)


def _total(world: World, rng: Random, seconds: float, end_seconds: float) -> Counts:
    events = poisson(rng, world.rps * seconds)
    return Counts(end_seconds, events, _bad(rng, events, world.rate, world.cluster))


def latencies(world: World, rng: Random) -> Play:
    """One deployment with counts of requests that took longer than each bound of the histogram."""
    loads, medians = _wave(rng, 0.1, 150.0), _wave(rng, 0.08, 180.0)
    phase = rng.uniform(0, 2 * math.pi)
    warm = _by_tick([(0.0, rng.uniform(30, 120), rng.uniform(1.5, 4) - 1)] if rng.random() < 0.3 else [])
    found: dict[float, list[Counts]] = {bound: [] for bound in BOUNDS}
    for number in range(1 - BEFORE, AFTER + 1):
        day = math.sin(phase + 2 * math.pi * number * TICK / 86400)
        events = left = poisson(rng, TICK * world.rps * (1 + 0.4 * day) * next(loads))
        share = min(max((number - 0.5) * TICK / RAMP_SECONDS, 0.0), 1.0)
        usual = next(medians)
        new = usual * world.slower * (1 + warm.get(number, 0.0))
        before = 1.0
        for bound in BOUNDS:
            tail = (1 - share) * _tail(bound, usual) + share * _tail(bound, new)
            left, before = binomial(rng, left, min(tail / before, 1.0)), tail
            found[bound].append(Counts(T0 + number * TICK, events, left))
    nothing = Counts(T0, 0, 0)
    return Play(found[BOUNDS[0]], nothing, [], found)


def _tail(bound: float, factor: float) -> float:
    return 0.5 * math.erfc(math.log(bound / (MEDIAN_SECONDS * factor)) / SIGMA / math.sqrt(2))


def poisson(rng: Random, mean: float) -> int:
    """Exact up to a mean of 60, by the normal law above it."""
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    floor, count, product = math.exp(-mean), 0, rng.random()
    while product > floor:
        count += 1
        product *= rng.random()
    return count


def binomial(rng: Random, trials: int, chance: float) -> int:
    """Exact where the variance is at most 40, by the normal law above it."""
    if chance > 0.5:
        return trials - binomial(rng, trials, 1 - chance)
    if not trials or chance <= 0:
        return 0
    if (variance := trials * chance * (1 - chance)) > 40:
        return min(trials, max(0, round(rng.gauss(trials * chance, math.sqrt(variance)))))
    count, place, scale = 0, 0, math.log1p(-chance)
    while (place := place + 1 + int(math.log(1 - rng.random()) / scale)) <= trials:
        count += 1
    return count
