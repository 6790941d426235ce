"""How `gitops-rollback handover` is called. `gitops_rollback.cli.handover` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--since", metavar="TIME", help="What is over counts from then on; default: 12h.")
@click.option("--team", metavar="NAME", help="Only what belongs to this tenant of the settings.")
@output_option("table", "json", "yaml")
@repository_options
def command(**typed: Any) -> None:
    """What is open, held, waiting, blind, paused or silenced, with its end; nothing to say is one line.

    \b
    Examples:
      gitops-rollback handover
      gitops-rollback handover --since 24h --team payments
    """
    from gitops_rollback.cli.handover import carry_out

    carry_out(**typed)
