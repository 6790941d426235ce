"""How `gitops-rollback abort` is called. `gitops_rollback.cli.abort` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command("abort")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the journal.")
@output_option("table", "json", "yaml")
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Stop a rollback where it is. What was pushed stays pushed: git moves on only by a person's word.

    \b
    Examples:
      gitops-rollback abort rb-428a78d5 --reason "wrong application"
    """
    from gitops_rollback.cli.abort import carry_out

    carry_out(context, **typed)
