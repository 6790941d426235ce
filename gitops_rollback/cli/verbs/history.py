"""How `gitops-rollback history` is called. `gitops_rollback.cli.history` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--since", metavar="TIME", help="From then on: a time, a date, or how long ago (30d).")
@click.option("--until", metavar="TIME", help="Up to then, exclusive.")
@click.option("--stats", is_flag=True, help="Count instead of listing.")
@click.option(
    "--decisions", is_flag=True, help="A line for each decision that acted, asked, refused or told, oldest first."
)
@output_option("table", "wide", "json", "yaml", "jsonl", "csv", "name")
@repository_options
def command(**typed: Any) -> None:
    """The rollbacks of the past, newest first.

    --stats tells for each strategy how long it took, from when it fired or was asked for, until the first commit was
    pushed (initiation), until the traffic was back, and until it was verified (complete). Drills count for none.

    \b
    Examples:
      gitops-rollback history --since 30d
      gitops-rollback history --since 2026-11-01 -o csv
      gitops-rollback history --stats
      gitops-rollback history --decisions --since 2026-10-01 --until 2026-11-01 -o jsonl
    """
    from gitops_rollback.cli.history import carry_out

    carry_out(**typed)
