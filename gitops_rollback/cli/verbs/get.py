"""How `gitops-rollback get` is called. `gitops_rollback.cli.get` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option

WHAT = ("applications", "policies", "rollbacks")


@click.command
@click.argument("what", type=click.Choice(WHAT), default="applications")
@output_option()
@repository_options
def command(**typed: Any) -> None:
    """List applications (the default), policies or rollbacks. Read from git: no controller and no engine is needed.

    \b
    Examples:
      gitops-rollback get
      gitops-rollback get rollbacks -o json
    """
    from gitops_rollback.cli.get import carry_out

    carry_out(**typed)
