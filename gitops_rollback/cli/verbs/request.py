"""How `gitops-rollback request` is called. `gitops_rollback.cli.request` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command("request")
@click.argument("application", metavar="APP")
@click.option("--to", metavar="last-healthy|SHA|TIME", default="", help="The state to go back to.")
@click.option("--revert", metavar="SHA", default="", help="The one commit to undo.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the commit and the journal.")
@click.option("--incident", default="", metavar="URL", help="Where the incident is talked about.")
@click.option("--acknowledge", multiple=True, metavar="GUARD", help="A guard that asks, and that is overridden.")
@click.option("--expires", default="24h", show_default=True, metavar="DURATION", help="From then on it does nothing.")
@click.option("--after-merge", is_flag=True, help="Let the request alone be reviewed; the revert follows its merge.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Write a request file on a branch of its own, as the caller, and open its pull request.

    The controller pushes the revert onto that branch and shows its plan there. Without a forge, and where the policy
    delivers by push, it is what `rollback` does. Exit code: 0 opened, 2 no TTY and no --yes, 4 refused; else as
    `rollback`.

    \b
    Examples:
      gitops-rollback request checkout-api --reason "cards issued in the EU fail"
      gitops-rollback request checkout-api --revert SHA --reason "see INC-42" --yes
    """
    from gitops_rollback.cli.request import carry_out

    carry_out(context, **typed)
