"""How `gitops-rollback rollback` is called. `gitops_rollback.cli.rollback` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command("rollback")
@click.argument("application", metavar="APP")
@click.option("--to", metavar="last-healthy|SHA|TIME", default="", help="The state to go back to.")
@click.option("--revert", metavar="SHA", default="", help="The one commit to undo.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the commit and the journal.")
@click.option("--pr", is_flag=True, help="Ask by a pull request instead: the same as `request`.")
@click.option("--yes", is_flag=True, help="Do not ask; answers the guards that ask, too.")
@click.option("--wait", is_flag=True, help="Go on until it is verified or has failed.")
@click.option("--timeout", default="30m", show_default=True, metavar="DURATION", help="How long --wait goes on.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Print the plan, ask, push it. A running controller syncs and verifies it; without one, --wait does.

    Exit code: 0 done (with --wait: verified), 1 unverified or failed, 2 no TTY and no --yes, 4 refused, 5 conflict,
    6 not ended in time.

    \b
    Examples:
      gitops-rollback rollback checkout-api --reason "cards issued in the EU fail"
      gitops-rollback rollback checkout-api --to last-healthy --reason "see INC-42" --yes --wait
    """
    from gitops_rollback.cli.rollback import carry_out

    carry_out(context, **typed)
