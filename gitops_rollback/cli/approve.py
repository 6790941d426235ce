"""`gitops-rollback approve ID`: a person's yes to a plan that waits. It is made anew, and pushed as that person."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, find_record, opened_sources
from gitops_rollback.cli.asking import first_that_knows, opened_requests
from gitops_rollback.cli.carrying import Carrying
from gitops_rollback.cli.closing import close
from gitops_rollback.cli.main import REFUSED
from gitops_rollback.cli.output import say
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.next_plans import follows
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.upstream import upstream_of
from gitops_rollback.core.upstream import without_upstream as without

WAIT_FOR = timedelta(minutes=30)


def carry_out(
    context: click.Context,
    rollback_id: str,
    reason: str,
    without_upstream: bool,
    yes: bool,
    wait: bool,
    output: str,
    settings: Settings,
) -> None:
    if without_upstream:
        context.exit(_waived(settings, rollback_id, caller()[1], reason, output))
    with opened_sources(settings, everything=True) as sources:
        _, record = find_record(sources, rollback_id)
    if record.phase is not Phase.AWAITING_APPROVAL:
        say(f"{record.id} does not wait for a person: it is {record.phase.value}.")
        context.exit(REFUSED)
    wish = Wish(record.applications[0], caller()[1], reason, waiting=record.id)
    with opened_requests(settings) as asked:
        one, prepared = first_that_knows(asked, record.applications[0], lambda each: each.requests.prepare(wish))
        if prepared.plan is None and follows(record) is not None:
            say(f"{record.id} cannot be carried out: {prepared.proposal.attribution.message}.")
            context.exit(REFUSED)
        if prepared.plan is None or prepared.plan.rollback_id != record.id:
            say(f"{record.id} is about {record.bad_revision[:12]}, and something else is deployed now: look again.")
            context.exit(REFUSED)
        context.exit(Carrying(one, wish, yes, WAIT_FOR if wait else None, output).carry_out(prepared))


def _waived(settings: Settings, rollback_id: str, by: str, reason: str, output: str) -> int:
    def said(record: RollbackRecord, _at: datetime) -> RollbackRecord:
        after = without(record, by, reason)
        upstream = upstream_of(after)
        if upstream is not None and upstream.offered:
            say(f"Pull request #{upstream.offered} there stays open: close it.")
        return after

    try:
        return close(settings, rollback_id, (Phase.SYNCING, Phase.VERIFYING), said, output)
    except StalledError as error:
        say(f"{error}.")
        return REFUSED
