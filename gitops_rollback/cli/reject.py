"""`gitops-rollback reject ID`: a person's no to a plan that waits. It stays no for that deployment."""

from __future__ import annotations

from datetime import datetime

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, repository_options
from gitops_rollback.cli.closing import close
from gitops_rollback.cli.output import output_option
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, advance


@click.command("reject")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why not; it stands in the journal.")
@output_option("table", "json", "yaml")
@repository_options
@click.pass_context
def command(context: click.Context, rollback_id: str, reason: str, output: str, settings: Settings) -> None:
    """Say no to a plan that waits for a person. Its pull request, where it has one, is closed.

    \b
    Examples:
      gitops-rollback reject rb-428a78d5 --reason "fixed forward in 12 minutes"
    """
    by = caller()[1]

    def rejected(record: RollbackRecord, at: datetime) -> RollbackRecord:
        message = f"{by} rejected it: {reason}"
        return advance(
            record, Phase.DONE, at, outcome=RollbackOutcome.REFUSED, reason=Reason.REJECTED.value, message=message
        )

    context.exit(close(settings, rollback_id, (Phase.AWAITING_APPROVAL, Phase.PENDING), rejected, output))
