"""`gitops-rollback reject ID`: a person's no to a plan that waits. It stays no for that deployment."""

from __future__ import annotations

from datetime import datetime

import click

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller
from gitops_rollback.cli.closing import close
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, advance


def carry_out(context: click.Context, rollback_id: str, reason: str, output: str, settings: Settings) -> None:
    by = caller()[1]

    def rejected(record: RollbackRecord, at: datetime) -> RollbackRecord:
        message = f"{by} rejected it: {reason}"
        return advance(
            record, Phase.DONE, at, outcome=RollbackOutcome.REFUSED, reason=Reason.REJECTED.value, message=message
        )

    context.exit(close(settings, rollback_id, (Phase.AWAITING_APPROVAL, Phase.PENDING), rejected, output))
