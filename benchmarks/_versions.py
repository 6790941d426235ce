"""A new version beside the old one: is it found sooner, and blamed no oftener, where counters tell the two apart?

The traffic of `_traffic.py`, split by how a deployment takes over: a rollout of five minutes, a canary of 1 or 10 %, or
one in steps. Compared with what the same detector says without that test: old Pods only raise what counts as normal.
`_versions.py [COUNT] [--jobs N]`: so many deployments of each kind; prints the table of `detection.md`.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import multiprocessing.pool
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from _traffic import (
    AFTER,
    BEFORE,
    T0,
    TICK,
    World,
    _bad,
    _blips,
    _by_tick,
    _far,
    _incident,
    _warm_up,
    _wave,
    binomial,
    poisson,
)

from gitops_rollback.core.regression.baseline import Baseline, baseline_of
from gitops_rollback.core.regression.counts import Counts
from gitops_rollback.core.regression.detector import Regression, step
from gitops_rollback.core.regression.kinds import ERRORS
from gitops_rollback.core.regression.peers import Control, Seen, raised, watch_peers
from gitops_rollback.core.regression.versions import Pair, SideBySide, compare, held_against

RATES = (10.0, 100.0, 1000.0)
STEPS = ((20, 0.05), (40, 0.2), (80, 0.5), (AFTER, 1.0))  # up to that tick, the new version's share
SHAPES = ("rollout of 5 min", "canary 1%", "canary 10%", "canary in steps")
DURING = (120.0, 1020.0, 0.05)  # an incident of both, from two minutes after the deployment on


@dataclass(frozen=True)
class Case:
    """One kind of deployment; `during` an incident that both versions have."""

    name: str
    world: World
    during: bool = False


def cases(rps: float) -> list[Case]:
    quiet, calmer = World(rps), World(rps, blip_hours=12.0)
    return [
        Case("quiet", quiet),
        Case("quiet, in an incident", replace(quiet, incident=True)),
        Case("5%", replace(calmer, fault=0.05)),
        Case("20%, in an incident of 5%", replace(calmer, fault=0.2), during=True),
    ]


def share(shape: str, tick: int) -> float:
    """Of the traffic that the new version has."""
    if shape == SHAPES[0]:
        return min(1.0, tick * TICK / 300)
    if shape == SHAPES[-1]:
        return next(part for until, part in STEPS if tick <= until)
    return 0.01 if shape == SHAPES[1] else 0.1


def played(case: Case, shape: str, rng: Random) -> tuple[list[Counts], list[Pair]]:
    """The ticks before the deployment, and those of both versions after it."""
    world = case.world
    warm, both = _by_tick(_warm_up(rng)), [*_blips(world, rng), *_incident(world, rng)]
    common = _by_tick([*both, DURING] if case.during else both)
    loads, errors = _wave(rng, 0.1, 150.0), _wave(rng, world.unrest, world.unrest_seconds)
    phase, before, after = rng.uniform(0, 2 * math.pi), list(_far(world, rng)), []
    for number in range(1 - BEFORE, AFTER + 1):
        day = math.sin(phase + 2 * math.pi * number * TICK / 86400)
        events = poisson(rng, TICK * world.rps * (1 + 0.4 * day) * next(loads))
        rate = min(world.rate * next(errors) + common.get(number, 0.0), 0.95)
        at = T0 + number * TICK
        if number <= 0:
            before.append(Counts(at, events, _bad(rng, events, rate, world.cluster)))
            continue
        mine = binomial(rng, events, share(shape, number))
        worse = min(rate + warm.get(number, 0.0) + max(0.0, (world.fault or 0.0) - world.rate), 0.95)
        new = Counts(at, mine, _bad(rng, mine, worse, world.cluster))
        old = Counts(at, events - mine, _bad(rng, events - mine, rate, world.cluster))
        after.append(Pair(new, old))
    return before, after


def fired(baseline: Baseline, pairs: Sequence[Pair], side_by_side: bool) -> float | None:
    """Seconds after the deployment; None: nobody is blamed."""
    side, old, seen = SideBySide.since(baseline, TICK), Control(baseline, baseline.rate), Seen()
    test = side.beside if side_by_side else Regression.since(baseline, TICK)
    state, compared = test.start, side.start
    for pair in pairs:
        seen = watch_peers(old, seen, pair.old)
        state, verdict = step(test, state, pair.new, raised(old, seen))
        if side_by_side:
            compared, beside = compare(side, compared, pair)
            verdict = held_against(verdict, beside)
        if verdict.severity is not None:
            return pair.new.end_seconds - T0
    return None


def asked(piece: tuple[Case, str, int]) -> tuple[float | None, float | None]:
    case, shape, number = piece
    before, pairs = played(case, shape, Random(f"{case.name}/{shape}/{case.world.rps}/{number}"))
    baseline = baseline_of(ERRORS, before, T0, TICK)
    return fired(baseline, pairs, side_by_side=False), fired(baseline, pairs, side_by_side=True)


def rows(count: int, pool: multiprocessing.pool.Pool) -> Iterator[str]:
    for shape in SHAPES:
        for kind in range(len(cases(RATES[0]))):
            cells = []
            for rps in RATES:
                case = cases(rps)[kind]
                found = pool.map(asked, [(case, shape, number) for number in range(count)], 10)
                cells += [told([one[way] for one in found]) for way in (0, 1)]
            yield f"| {cases(RATES[0])[kind].name} | {shape} | {' | '.join(cells)} |"


def told(delays: Sequence[float | None]) -> str:
    """How many of how many, and their median."""
    known = [delay for delay in delays if delay is not None]
    return f"{len(known)}/{len(delays)}" + (f", {statistics.median(known):.0f} s" if known else "")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args(arguments)
    heads = [f"{rps:g} rps, {way}" for rps in RATES for way in ("old Pods excuse", "and are compared")]
    print(f"| deployment | takes over | {' | '.join(heads)} |\n|---|---{'|---' * len(heads)}|")
    with multiprocessing.Pool(given.jobs) as pool:
        for row in rows(given.count, pool):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
