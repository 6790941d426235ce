"""How `gitops-rollback release` is called. `gitops_rollback.cli.release` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import repository_options


@click.command("release")
@click.argument("application", metavar="APP|ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the commit and the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Put back the mark by which an image automation writes; it was taken off with a revert.

    What the automation selects now is written and deployed then, be it the image that was rolled back: it is shown, and
    asked about. Exit code: 0 done, 2 no TTY and no --yes, 4 refused, or nothing is held.

    \b
    Examples:
      gitops-rollback release checkout-api --reason "1.42.0 was not the cause"
    """
    from gitops_rollback.cli.release import carry_out

    carry_out(context, **typed)
