"""`gitops-rollback simulate`: whole worlds in memory, from seeds. Exit 1 if one of them breaks a promise."""

from __future__ import annotations

import os
import sys
import time

import click

from gitops_rollback.sandbox.simulation.running import simulate, told
from gitops_rollback.sandbox.simulation.setup import SCENARIOS


@click.command("simulate")
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1), help="How many worlds.")
@click.option("--from", "start", default=0, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option("--scenario", default="all", show_default=True, type=click.Choice(sorted(SCENARIOS)), help="Which kind.")
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1, 64), help="Processes; one for each core.")
@click.option("--story", is_flag=True, help="Tell every world, not only those that broke a promise.")
def command(seeds: int, start: int, scenario: str, jobs: int, story: bool) -> None:
    """Run the real controller in simulated worlds with faults, races and kills, and check its promises at each step.

    \b
    Examples:
      gitops-rollback simulate --seeds 1000
      gitops-rollback simulate --seeds 1 --from 42 --story
    """
    began, broken, rollbacks, verified = time.monotonic(), 0, 0, 0
    for result in simulate(seeds, start, scenario, jobs):
        rollbacks, verified = rollbacks + result.rollbacks, verified + result.verified
        if result.violations:
            broken += 1
        if result.violations or story:
            click.echo(told(result))
            click.echo(f"trace {result.trace}\n")
    seconds = time.monotonic() - began
    click.echo(
        f"{seeds} seeds, {rollbacks} rollbacks, {verified} verified, {broken} worlds with a broken promise; "
        f"{seeds / seconds:.1f} seeds a second"
    )
    sys.exit(1 if broken else 0)
