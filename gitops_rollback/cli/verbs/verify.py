"""How `gitops-rollback verify` is called. `gitops_rollback.cli.verify` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("rollback_id", metavar="ID")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Run the checks of a rollback's verification once, now, whatever became of it. Writes nothing.

    One look says less than the verification of the controller, which wants everything good for a while.

    Exit code 0: each application runs what was pushed and each check is good; 1: one is not, or could not be told.

    \b
    Examples:
      gitops-rollback verify rb-428a78d5
      gitops-rollback verify rb-428a78d5 -o json
    """
    from gitops_rollback.cli.verify import carry_out

    carry_out(context, **typed)
