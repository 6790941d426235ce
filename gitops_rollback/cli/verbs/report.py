"""How `gitops-rollback report` is called. `gitops_rollback.cli.report` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--since", "long", metavar="DURATION", help="What was observed in this time, beside what people did.")
@click.option("--confirm", "confirms", metavar="ID", help="A row of `we only` would have been right.")
@click.option("--record", "records", is_flag=True, help="Note in the journal which applications were clean.")
@click.option("--compare", "compares", is_flag=True, help="List each decision of the shadow that differs.")
@click.option("--observed", metavar="DIR", help="Where the observer keeps its decisions. Default: as it would itself.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """What `run --observe` would have done, beside what people reverted meanwhile; or what a shadow decides otherwise.

    With --since also whether each application is ready for auto_rollback. Without decisions of an observer, those in
    the journal count.

    Exit code 0: every application is ready, or no decision differs, 1: one is not, or does (in kind, reason or the
    plan's tree), 2: nothing was observed.

    \b
    Examples:
      gitops-rollback report --since 30d
      gitops-rollback report --since 30d --confirm rb-428a78d56affadb9
      gitops-rollback report --compare --observed /var/lib/shadow -o json
    """
    from gitops_rollback.cli.report import carry_out

    carry_out(context, **typed)
