"""`gitops-rollback simulate`: whole worlds in memory, from seeds. Exit 1 if one of them breaks a promise."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from gitops_rollback.sandbox.simulation.actors import OTHERS
from gitops_rollback.sandbox.simulation.running import Result, simulate, told
from gitops_rollback.sandbox.simulation.scenarios import SCENARIOS
from gitops_rollback.sandbox.simulation.setup import RACING, RATES, Smaller
from gitops_rollback.sandbox.simulation.shrinking import FEWEST, shrunk
from gitops_rollback.sandbox.simulation.wire.running import WireResult
from gitops_rollback.sandbox.simulation.wire.running import simulate as on_the_wire

PARTS = (*sorted(OTHERS), *sorted((*RATES, RACING)))


@click.command("simulate")
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1), help="How many worlds.")
@click.option("--from", "start", default=0, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option("--scenario", default="all", show_default=True, type=click.Choice(sorted(SCENARIOS)), help="Which kind.")
@click.option(
    "--mode", default="memory", show_default=True, type=click.Choice(("memory", "wire")),
    help="All in memory, or real git and real HTTP on loopback.",
)  # fmt: skip
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1, 64), help="Processes; one for each core.")
@click.option("--story", is_flag=True, help="Tell every world, not only those that broke a promise.")
@click.option("--shrink", is_flag=True, help="Look for the smallest world that breaks the same promise, and tell that.")
@click.option("--without", multiple=True, type=click.Choice(PARTS), help="Worlds without this actor or fault.")
@click.option("--applications", type=click.IntRange(FEWEST), help="At most so many applications.")
@click.option("--replicas", type=click.IntRange(1, 2), help="At most so many controllers.")
@click.option("--minutes", type=click.IntRange(1), help="Faults and people stop after so many minutes at most.")
def command(seeds: int, start: int, jobs: int, story: bool, shrink: bool, **which: Any) -> None:
    """Run the real controller in simulated worlds with faults, races and kills, and check its promises at each step.

    \b
    Examples:
      gitops-rollback simulate --seeds 1000
      gitops-rollback simulate --seeds 1 --from 42 --story
      gitops-rollback simulate --seeds 1 --from 42 --shrink
      gitops-rollback simulate --seeds 1 --from 42 --without kill --without editor --applications 2
    """
    began, broken, rollbacks, verified = time.monotonic(), 0, 0, 0
    for result in _results(range(start, start + seeds), jobs, **which):
        rollbacks, verified = rollbacks + result.rollbacks, verified + result.verified
        broken += bool(result.violations)
        if result.violations or story:
            _show(shrunk(result) if shrink and not isinstance(result, WireResult) else result)
    seconds = time.monotonic() - began
    click.echo(
        f"{seeds} seeds, {rollbacks} rollbacks, {verified} verified, {broken} worlds with a broken promise; "
        f"{seeds / seconds:.1f} seeds a second"
    )
    sys.exit(1 if broken else 0)


def _results(
    numbers: range, jobs: int, mode: str, scenario: str, without: tuple[str, ...], **most: Any
) -> Iterator[Result]:
    if mode == "wire":
        if scenario != "all" or without or any(most.values()):
            raise click.UsageError("a world on the wire is all that its seed says: no --scenario, and nothing less")
        return on_the_wire(len(numbers), numbers.start, jobs)
    smaller = Smaller(frozenset(without), **most)
    return simulate(len(numbers), numbers.start, scenario, jobs, smaller)


def _show(result: Result) -> None:
    click.echo(told(result))
    click.echo(f"trace {result.trace}\n")
