"""How `gitops-rollback notify-test` is called. `gitops_rollback.cli.notify_test` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--to", "only", metavar="NAME", help="This place alone, by its name or its kind (slack).")
@output_option("table", "json", "yaml")
@click.pass_context
@repository_options
def command(context: click.Context, /, **typed: Any) -> None:
    """Send one message that says it is a test to each place, and tell what came back.

    In PagerDuty an incident opens and is resolved at once. Exit code 1 if a place could not be told.

    \b
    Examples:
      gitops-rollback notify-test
      gitops-rollback notify-test --to slack
    """
    from gitops_rollback.cli.notify_test import carry_out

    carry_out(context, **typed)
