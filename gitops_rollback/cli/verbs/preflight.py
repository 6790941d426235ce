"""How `gitops-rollback preflight` is called. `gitops_rollback.cli.preflight` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("application", required=False, metavar="[APP]")
@click.option("--all", "everything", is_flag=True, help="Each watched application, as it is deployed.")
@click.option("--pr", "number", type=click.IntRange(min=1), metavar="N", help="A pull request, as if it were merged.")
@click.option("--at", "sha", metavar="SHA", help="One commit, in full.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Say whether a rollback would be automatic, would ask, or is not possible, and because of what. Writes nothing.

    Of what is deployed to APP, or to all; or of a pull request or commit, for each application that it touches.

    Exit code 0: each could be rolled back by itself, or none is touched; 1: one would ask, or could not be.

    \b
    Examples:
      gitops-rollback preflight checkout-api
      gitops-rollback preflight --all
      gitops-rollback preflight --pr 42 -o json
    """
    from gitops_rollback.cli.preflight import carry_out

    carry_out(context, **typed)
