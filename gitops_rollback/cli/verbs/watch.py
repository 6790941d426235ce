"""How `gitops-rollback watch` is called. `gitops_rollback.cli.watch` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options


@click.command
@click.argument("application", required=False, default="", metavar="[APP]")
@click.option("--repo", multiple=True, metavar="URL", help="Config repository.")
@click.option("--branch", metavar="NAME", help="Followed branch; default: the remote's HEAD.")
@click.option("--config", metavar="FILE", help="Settings file; default: gitops-rollback.yaml.")
@click.option("--timeout", default="", metavar="DURATION", help="Stop after that; default: never.")
@cluster_options
def command(**typed: Any) -> None:
    """Look at all applications, or at those whose name holds APP, every 15 seconds until Ctrl-C.

    On a terminal it is one screen; else each change is one plain line. Nothing is written.

    \b
    Examples:
      gitops-rollback watch
      gitops-rollback watch checkout-api --timeout 10m
    """
    from gitops_rollback.cli.watch import carry_out

    carry_out(**typed)
