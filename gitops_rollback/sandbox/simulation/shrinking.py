"""Which is the smallest world that still breaks the promise? One thing after the other is taken away from a seed's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from gitops_rollback.sandbox.simulation.running import Result, run
from gitops_rollback.sandbox.simulation.scenarios import setup_of
from gitops_rollback.sandbox.simulation.schedule import START
from gitops_rollback.sandbox.simulation.setup import RACING, RATES, Smaller

FEWEST = 2  # applications


def shrunk(result: Result) -> Result:
    """The smallest result that still breaks the same promise first; the result itself if nothing can go.

    A thing that was needed while another one was there may not be needed any more, so all are tried again.
    """
    smallest, before = result, None
    while result.violations and smallest is not before:
        before = smallest
        smallest = _round(smallest)
    return smallest


def _round(result: Result) -> Result:
    for smaller in _steps(result):
        if _less(result.smaller, smaller) == result.smaller:
            continue
        tried = run(result.seed, result.scenario, _less(result.smaller, smaller))
        if tried.violations and tried.violations[0].promise == result.violations[0].promise:
            result = tried
    return result


def _steps(result: Result) -> Iterator[Smaller]:
    """The largest cuts first: what ran after the violation, whole applications, the second replica."""
    setup = setup_of(result.seed, result.scenario, result.smaller)
    lived = ceil((result.violations[0].at - START).total_seconds() / 60)
    if 60 * lived < setup.lasts:
        yield Smaller(minutes=lived)
    yield from (Smaller(applications=count) for count in range(len(setup.names) - 1, FEWEST - 1, -1))
    if setup.replicas > 1:
        yield Smaller(replicas=1)
    yield from (Smaller(without=frozenset({actor})) for actor in sorted(setup.actors))
    faults = [name for name in RATES if getattr(setup.rates, name)]
    yield from (Smaller(without=frozenset({fault})) for fault in (*faults, *([RACING] if setup.racing else [])))


def _less(one: Smaller, other: Smaller) -> Smaller:
    """Both taken away."""
    return replace(
        one,
        without=one.without | other.without,
        applications=other.applications or one.applications,
        replicas=other.replicas or one.replicas,
        minutes=other.minutes or one.minutes,
    )
