"""`gitops-rollback rollback APP`: do it, on a person's word, through the same path as the controller."""

from __future__ import annotations

import click

from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, cluster_options, duration_option, repository_options
from gitops_rollback.cli.asking import (
    first_that_knows,
    opened_requests,
)
from gitops_rollback.cli.carrying import Carrying
from gitops_rollback.cli.output import output_option
from gitops_rollback.cli.request import Asking, ask
from gitops_rollback.core.request import wished


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
def command(
    context: click.Context,
    application: str,
    to: str,
    revert: str,
    reason: str,
    pr: bool,
    yes: bool,
    wait: bool,
    timeout: str,
    output: str,
    settings: Settings,
) -> None:
    """Print the plan, ask, push it. A running controller syncs and verifies it; without one, --wait does.

    Exit code: 0 done (with --wait: verified), 1 unverified or failed, 2 no TTY and no --yes, 4 refused, 5 conflict,
    6 not ended in time.

    \b
    Examples:
      gitops-rollback rollback checkout-api --reason "cards issued in the EU fail"
      gitops-rollback rollback checkout-api --to last-healthy --reason "see INC-42" --yes --wait
    """
    if to and revert:
        raise click.UsageError("Give --to or --revert, not both.")
    if pr:
        context.exit(ask(Asking(application, to, revert, reason, yes=yes, output=output), settings))
    patience = duration_option(timeout, "--timeout")
    wish = Wish(application, caller()[1], reason, wished(to, revert))
    with opened_requests(settings) as asked:
        one, prepared = first_that_knows(asked, application, lambda asked_one: asked_one.requests.prepare(wish))
        context.exit(Carrying(one, wish, yes, patience if wait else None, output).carry_out(prepared))
