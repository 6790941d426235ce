"""`gitops-rollback abort ID`: stop following an open rollback, and say how things were left."""

from __future__ import annotations

from datetime import datetime

import click

from gitops_rollback.app.people_acts import OPEN, aborted, left_as
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, repository_options
from gitops_rollback.cli.closing import close
from gitops_rollback.cli.output import output_option, say
from gitops_rollback.core.rollback import RollbackRecord


@click.command("abort")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the journal.")
@output_option("table", "json", "yaml")
@repository_options
@click.pass_context
def command(context: click.Context, rollback_id: str, reason: str, output: str, settings: Settings) -> None:
    """Stop a rollback where it is. What was pushed stays pushed: git moves on only by a person's word.

    \b
    Examples:
      gitops-rollback abort rb-428a78d5 --reason "wrong application"
    """
    by = caller()[1]

    def stopped(record: RollbackRecord, at: datetime) -> RollbackRecord:
        say(f"{record.id} was {record.phase.value}; {left_as(record)}.")
        return aborted(record, at, by, reason)

    context.exit(close(settings, rollback_id, OPEN, stopped, output))
