"""How `gitops-rollback doctor` is called. `gitops_rollback.cli.doctor` does it, and is loaded only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.option("--push", is_flag=True, help="Try a real push, too: an empty commit to the journal.")
@click.option("--rbac", is_flag=True, help="Print the least rights in the cluster that the settings need, and no more.")
@click.option(
    "--bundle",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what helps others to help, without secrets.",
)
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Try each part that a rollback needs, in the order in which one needs it.

    Git, policies, Lease, forge, branch rules and owners, engines with their rights and events, clock, metrics,
    receivers: each ✔, ✖ with what mends it, or - where nothing is known. Writes nothing, and tells nobody.

    Exit code 0: all is well, 1: something is missing, with what can be done about it.

    \b
    Examples:
      gitops-rollback doctor
      gitops-rollback doctor --push
      gitops-rollback doctor -o json
      gitops-rollback doctor --rbac --flux | kubectl apply -f -
      gitops-rollback doctor --bundle help.tar.gz
    """
    from gitops_rollback.cli.doctor import carry_out

    carry_out(context, **typed)
