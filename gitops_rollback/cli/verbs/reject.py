"""How `gitops-rollback reject` is called. `gitops_rollback.cli.reject` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command("reject")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why not; it stands in the journal.")
@output_option("table", "json", "yaml")
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Say no to a plan that waits for a person. Its pull request, where it has one, is closed.

    \b
    Examples:
      gitops-rollback reject rb-428a78d5 --reason "fixed forward in 12 minutes"
    """
    from gitops_rollback.cli.reject import carry_out

    carry_out(context, **typed)
