"""How `gitops-rollback plan` is called. `gitops_rollback.cli.plan` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click

from gitops_rollback.cli.flags import cluster_options
from gitops_rollback.cli.output import output_option


@click.command("plan")
@click.argument("application", required=False, metavar="[APP]")
@click.option("--repo", multiple=True, metavar="URL|DIR", help="Config repository; offline, a local clone.")
@click.option("--branch", metavar="NAME", help="Followed branch; default: the remote's HEAD.")
@click.option("--config", metavar="FILE", help="Settings file; default: gitops-rollback.yaml. Offline: its `render`.")
@click.option("--to", metavar="last-healthy|SHA|TIME", default="", help="The state to go back to.")
@click.option("--revert", metavar="SHA", default="", help="The one commit to undo.")
@click.option("--at", metavar="SHA", default="", help="Offline: the commit to build on.")
@click.option("--mainline", type=int, default=None, metavar="N", help="Offline: the parent of a merge to go back to.")
@click.option(
    "--chart-versions",
    type=click.Choice(["as-before", "forward", "detect"]),
    default=None,
    help="Offline: where the version of a chart goes that was raised.",
)
@click.option("--git-dir", metavar="DIR", default=None, help="Offline: a bare clone.")
@click.option("--batch", is_flag=True, help="Offline: one JSON request a line on stdin, one answer a line.")
@output_option("table", "json", "yaml")
@cluster_options
@click.pass_context
def command(context: click.Context, /, **typed: Any) -> None:
    """Show suspects, guards, diff and commit message. Nothing is written to git or the engine.

    Exit code: 0 clean or nothing to do, 5 conflict, 4 refused.

    \b
    Examples:
      gitops-rollback plan checkout-api
      gitops-rollback plan checkout-api --to last-healthy -o json
      gitops-rollback plan --repo . --at HEAD_SHA --revert SHA -o json
    """
    from gitops_rollback.cli.plan import carry_out

    carry_out(context, **typed)
