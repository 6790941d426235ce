"""`gitops-rollback abort ID`: stop following an open rollback, and say how things were left."""

from __future__ import annotations

from datetime import datetime

import click

from gitops_rollback.app.people_acts import OPEN, aborted, left_as
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller
from gitops_rollback.cli.closing import close
from gitops_rollback.cli.output import say
from gitops_rollback.core.rollback import RollbackRecord


def carry_out(context: click.Context, rollback_id: str, reason: str, output: str, settings: Settings) -> None:
    by = caller()[1]

    def stopped(record: RollbackRecord, at: datetime) -> RollbackRecord:
        say(f"{record.id} was {record.phase.value}; {left_as(record)}.")
        return aborted(record, at, by, reason)

    context.exit(close(settings, rollback_id, OPEN, stopped, output))
