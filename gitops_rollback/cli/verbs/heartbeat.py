"""How `gitops-rollback heartbeat` is called. `gitops_rollback.cli.heartbeat` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options, repository_options
from gitops_rollback.cli.output import output_option


@click.command
@click.argument("application", required=False, metavar="[APP]")
@click.option("--timeout", default="10m", metavar="DURATION", help="How long to wait for the engine, or for a merge.")
@output_option("table", "json", "yaml")
@cluster_options
@repository_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Change one line of .gitops-rollback/heartbeat.yaml as a rollback of APP would be landed, and time it.

    The same push or pull request, identity, signature and journal; no application changes. Without APP it goes by the
    first one that may be rolled back by itself. A controller makes one each week: see `heartbeat` in the settings.

    Exit code 0: the engine has seen it, 1: it was refused or not seen, 4: stopped, or a rollback is open, 6: it still
    waits; a running controller goes on with it.

    \b
    Examples:
      gitops-rollback heartbeat
      gitops-rollback heartbeat checkout-api --timeout 30m -o json
    """
    from gitops_rollback.cli.heartbeat import carry_out

    carry_out(context, **typed)
