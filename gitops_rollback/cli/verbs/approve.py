"""How `gitops-rollback approve` is called. `gitops_rollback.cli.approve` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command("approve")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", default="approved", show_default=True, metavar="TEXT", help="Why.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Go on until it is verified or has failed.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Carry out a plan that waits for a person. It is shown as it would be pushed now, since the branch may have moved.

    Where a rule of the branch refuses the push, its pull request is merged instead, with the head that was planned.

    Exit code: as `rollback`.

    \b
    Examples:
      gitops-rollback approve rb-428a78d5
      gitops-rollback approve rb-428a78d5 --yes --wait
    """
    from gitops_rollback.cli.approve import carry_out

    carry_out(context, **typed)
