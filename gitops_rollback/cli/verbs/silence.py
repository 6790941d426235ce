"""How `gitops-rollback silence` is called. `gitops_rollback.cli.silence` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("application", metavar="APP")
@click.option("--for", "duration", metavar="DURATION", help="How long, for example 2h.")
@click.option("--end", is_flag=True, help="End it now.")
@click.option("--reason", default="", help="Why; stands in the journal and in handover.")
@output_option("table", "json", "yaml")
@repository_options
def command(**typed: Any) -> None:
    """Stop the messages about one application, never what is decided about it; that is what `pause` does.

    The log goes on. What was not told is told in one message when it ends, and stands in `handover`.

    \b
    Examples:
      gitops-rollback silence checkout-api --for 2h --reason "we are looking at it"
      gitops-rollback silence checkout-api --end
    """
    from gitops_rollback.cli.silence import carry_out

    carry_out(**typed)
