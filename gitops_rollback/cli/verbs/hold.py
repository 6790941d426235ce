"""How `gitops-rollback hold` is called. `gitops_rollback.cli.hold` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options


@click.command
@click.argument("application", metavar="APP")
@click.option("--fix-in", "duration", required=True, metavar="DURATION", help="How long the fix takes; at most 1h.")
@click.option("--reason", default="", help="What is being done; stands in messages and in the journal.")
@repository_options
def command(**typed: Any) -> None:
    """Let acting for one application wait for a person's fix. Looking, paging and what is under way go on.

    When the time is over and the fault is still there, the controller acts as if nothing had been said.

    \b
    Examples:
      gitops-rollback hold checkout-api --fix-in 10m --reason "the flag is being turned off"
    """
    from gitops_rollback.cli.hold import carry_out

    carry_out(**typed)
