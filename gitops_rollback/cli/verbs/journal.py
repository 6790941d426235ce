"""How `gitops-rollback journal` is called. `gitops_rollback.cli.journal` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.group
def command() -> None:
    """Mend the journal, which the controller alone writes otherwise. To look into it: gitops-rollback history."""


@command.command
@click.option("--yes", is_flag=True, help="Write it; without it only what would be written is shown.")
@output_option("table", "json", "yaml")
@repository_options
@click.pass_context
def rebuild(context: click.Context, /, **typed: Any) -> None:
    """Make the records again that the journal lost, from the trailers of our own commits on the branch.

    First look for a clone that still has the branch gitops-rollback-journal: putting that back loses nothing. What is
    made again says of no rollback that it was verified, and knows nothing of decisions without a commit.

    Exit code 0: it is written, or nothing is missing; 4: it would be written with --yes.

    \b
    Examples:
      gitops-rollback journal rebuild
      gitops-rollback journal rebuild --yes
    """
    from gitops_rollback.cli.journal import carry_out

    carry_out(context, **typed)
