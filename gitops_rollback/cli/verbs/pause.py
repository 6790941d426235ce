"""How `gitops-rollback pause` is called. `gitops_rollback.cli.pause` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("application", metavar="[APP]", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop for every application of the repositories.")
@click.option("--for", "duration", metavar="DURATION", help="How long, for example 2h.")
@click.option("--open-ended", is_flag=True, help="Without an end; it is reported every day.")
@click.option("--reason", default="", help="Why; stands in messages and in the journal.")
@output_option("table", "json", "yaml")
@repository_options
def command(**typed: Any) -> None:
    """Stop acting, for one application or for all. What is being pushed right now still ends.

    Writes pause.yaml on the branch gitops-rollback-control, which the controller reads within one tick.

    \b
    Examples:
      gitops-rollback pause checkout-api --for 2h --reason "load test"
      gitops-rollback pause --all --for 30m
    """
    from gitops_rollback.cli.pause import carry_out

    carry_out(**typed)
