"""How `gitops-rollback resume` is called. `gitops_rollback.cli.resume` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("application", metavar="[APP]", required=False)
@click.option("--all", "everything", is_flag=True, help="End every pause of the control branch, an unreadable one too.")
@output_option("table", "json", "yaml")
@repository_options
def command(**typed: Any) -> None:
    """End a pause. A pause of everything is ended by --all only.

    \b
    Examples:
      gitops-rollback resume checkout-api
      gitops-rollback resume --all
    """
    from gitops_rollback.cli.resume import carry_out

    carry_out(**typed)
