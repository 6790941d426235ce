"""`gitops-rollback simulate`: whole worlds in memory, from seeds. Exit 1 if one of them breaks a promise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from gitops_rollback.sandbox.simulation.actors import OTHERS
from gitops_rollback.sandbox.simulation.running import Result, simulate, told
from gitops_rollback.sandbox.simulation.scenarios import SCENARIOS
from gitops_rollback.sandbox.simulation.setup import RACING, RATES, Smaller
from gitops_rollback.sandbox.simulation.shrinking import shrunk
from gitops_rollback.sandbox.simulation.wire.running import WireResult
from gitops_rollback.sandbox.simulation.wire.running import simulate as on_the_wire

WORDS = {"scenario": sorted(SCENARIOS), "part": (*sorted(OTHERS), *sorted((*RATES, RACING)))}


def carry_out(seeds: int, start: int, jobs: int, story: bool, shrink: bool, **which: Any) -> None:
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
    numbers: range, jobs: int, mode: str, scenario: str, without: tuple[str, ...], dies_at: tuple[str, ...], **most: Any
) -> Iterator[Result]:
    if mode == "wire":
        if scenario != "all" or without or dies_at or any(most.values()):
            raise click.UsageError("a world on the wire is all that its seed says: no --scenario, and nothing less")
        return on_the_wire(len(numbers), numbers.start, jobs)
    smaller = Smaller(frozenset(without), dies_at=frozenset(dies_at), **most)
    return simulate(len(numbers), numbers.start, scenario, jobs, smaller)


def _show(result: Result) -> None:
    click.echo(told(result))
    click.echo(f"trace {result.trace}\n")
