"""`gitops-rollback approve ID`: a person's yes to a plan that waits. It is made anew, and pushed as that person."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from gitops_rollback.app.requesting import Wish
from gitops_rollback.app.settings import Settings
from gitops_rollback.cli.access import caller, cluster_options, find_record, opened_sources, repository_options
from gitops_rollback.cli.asking import first_that_knows, opened_requests
from gitops_rollback.cli.carrying import Carrying
from gitops_rollback.cli.closing import close
from gitops_rollback.cli.main import REFUSED
from gitops_rollback.cli.output import output_option, say
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.next_plans import follows
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.upstream import upstream_of
from gitops_rollback.core.upstream import without_upstream as without

WAIT_FOR = timedelta(minutes=30)


@click.command("approve")
@click.argument("rollback_id", metavar="ID")
@click.option("--reason", default="approved", show_default=True, metavar="TEXT", help="Why.")
@click.option(
    "--without-upstream",
    is_flag=True,
    help="Of a rollback in two places: say that it is not needed where the writer of the branch reads.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Go on until it is verified or has failed.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(
    context: click.Context,
    rollback_id: str,
    reason: str,
    without_upstream: bool,
    yes: bool,
    wait: bool,
    output: str,
    settings: Settings,
) -> None:
    """Carry out a plan that waits for a person. It is shown as it would be pushed now, since the branch may have moved.

    Where a rule of the branch refuses the push, its pull request is merged instead, with the head that was planned.

    Of one that was pushed here, and is to land as well where the writer of its branch reads, `--without-upstream` is
    your word that this is not needed: it is verified by what stands here, and nothing is pushed there any more.

    Exit code: as `rollback`; with `--without-upstream` 0 once it is written, 4 if nothing waits for that word.

    \b
    Examples:
      gitops-rollback approve rb-428a78d5
      gitops-rollback approve rb-428a78d5 --yes --wait
      gitops-rollback approve rb-428a78d5 --without-upstream --reason "staging keeps 1.42.0"
    """
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
