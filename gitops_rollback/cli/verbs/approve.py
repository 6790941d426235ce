"""How `gitops-rollback approve` is called. `gitops_rollback.cli.approve` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


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
def command(context: click.Context, /, **typed: Any) -> None:
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
    from gitops_rollback.cli.approve import carry_out

    carry_out(context, **typed)
