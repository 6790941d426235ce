"""How `gitops-rollback status` is called. `gitops_rollback.cli.status` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("rollback_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended, or waits for a person.")
@click.option("--timeout", default="10m", show_default=True, metavar="DURATION", help="How long --wait waits.")
@output_option("table", "json", "yaml", "name")
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """The state of one rollback; ID is its id or a unique start of it.

    Exit code: 0 verified (or still going on, without --wait), 1 unverified or failed, 4 refused or held, 6 not ended
    in time, 7 waits for a person.

    \b
    Examples:
      gitops-rollback status rb-428a78d5
      gitops-rollback status rb-428a78d5 --wait --timeout 10m
    """
    from gitops_rollback.cli.status import carry_out

    carry_out(context, **typed)
